"""Series: windows are cut, held out by blocks of time, and what is wrong with a machine is found,
with its sensor."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image

from ganvas import InputError, api
from ganvas.apps import cli
from ganvas.core import held_out_rows
from ganvas.data.series.modality import Series, Windowed
from ganvas.data.series.plots import stretches
from ganvas.data.series.sources import Bridge, Stretch

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
from windows_data import FAULTS, faulty, machine

W = 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("machine")
    machine(12000, 0).to_csv(folder / "normal.csv", index=False)
    frame, truth = faulty(6000, 1, each=2)
    frame.to_csv(folder / "today.csv", index=False)
    np.save(folder / "truth.npy", truth.astype(str))
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    data, out = [str(folder / "normal.csv"), "--as", "series", "--window", str(W)], folder / "run"
    options = [
        "--steps",
        "400",
        "--latent",
        "8",
        "--width",
        "128",
        "--lr",
        "autoencoder=3e-3",
        "--out",
        str(out),
    ]
    assert cli.run(["train", "ae", *data, *options, "--held-out", "0.2"]) == 0
    return out


def test_faults_are_found_where_they_are_and_named(run: Path, folder: Path, tmp_path: Path) -> None:
    assert (
        cli.run(
            ["detect", str(run), str(folder / "today.csv"), "--fdr", "0.1", "--out", str(tmp_path)]
        )
        == 0
    )
    truth, table = np.load(folder / "truth.npy"), pd.read_csv(tmp_path / "scores.csv")
    assert list(table.columns[:5]) == ["time", "score", "p", "found", "why"]
    assert table["time"].equals(pd.read_csv(folder / "today.csv")["time"])
    near = np.convolve(truth != "", np.ones(2 * W + 1), "same") > 0
    assert table["found"][~near].mean() < 0.03
    for kind in FAULTS:
        assert table["found"][truth == kind].mean() > (
            0.4 if kind == "correlation break" else 0.7
        ), kind
    sensors = ("vibration x", "pressure", "vibration y", "current")
    for kind, sensor in zip(
        ["spike", "level shift", "flatline", "correlation break"], sensors, strict=True
    ):
        assert table["why"][truth == kind].str.split(", ").str[0].mode()[0] == sensor
    found = pd.read_csv(tmp_path / "stretches.csv")
    assert list(found.columns) == ["start", "end", "moments", "peak", "score", "p", "why"]
    assert (found["start"] <= found["peak"]).all()
    assert (found["peak"] <= found["end"]).all()
    assert 10 <= len(found) <= 30  # ten faults
    with Image.open(tmp_path / "series.png") as drawing:
        assert drawing.size[0] == 1600


def test_every_other_task_shows_windows(run: Path, folder: Path, tmp_path: Path) -> None:
    machine(200, 5).to_csv(tmp_path / "few.csv", index=False)
    assert (
        cli.run(
            ["reconstruct", str(run), str(tmp_path / "few.csv"), "--out", str(tmp_path / "back")]
        )
        == 0
    )
    table = pd.read_csv(tmp_path / "back" / "windows.csv")
    assert list(table.columns[:3]) == ["window", "moment", "vibration x"]
    assert table["moment"].max() == W - 1
    assert (tmp_path / "back" / "before-and-after.png").exists()
    ends = [
        "interpolate",
        str(run),
        str(tmp_path / "few.csv"),
        "--steps",
        "3",
        "--out",
        str(tmp_path / "walk.gif"),
    ]
    assert cli.run(ends) == 0
    judged = api.evaluate(run, size=200, quiet=True)
    assert judged["mean squared error"].value < 0.1

    series = np.sin(np.arange(600))[:, None] * [1.0, 20.0] + [0, 300]
    made = api.train(
        "vae", series, window=16, steps=3, width=8, out=tmp_path / "vae", quiet=True
    )  # an array (T, D)
    assert (
        cli.run(["sample", str(tmp_path / "vae"), "--n", "4", "--out", str(tmp_path / "new")]) == 0
    )
    assert len(pd.read_csv(tmp_path / "new" / "windows.csv")) == 4 * 16
    assert made.sample(n=2).shape == (2, 16, 2)


def test_what_comes_in_decides_what_goes_out(tmp_path: Path) -> None:
    series = np.sin(np.arange(600))[:, None] * [1.0, 20.0] + [0, 300]
    frame = pd.DataFrame(series, columns=["a", "b"])
    trained = api.train(
        "ae", frame, as_="series", window=16, steps=3, width=8, out=tmp_path / "b", quiet=True
    )
    assert list(trained.reconstruct(frame)[0][1].columns) == ["a", "b"]
    answer = trained.detect(frame)
    assert list(answer["time"][:2]) == ["0", "1"]
    assert len(answer) == 600


def test_windows_are_slices_and_scaling_can_be_undone() -> None:
    series = np.random.default_rng(0).normal([5, -300], [1, 40], (500, 2))
    windows = Series.learn(series, window=16, stride=3)
    data = windows.read(series)
    assert data.batch(torch.tensor([4, 0])).x.shape == (2, 2, 16)
    start = int(data.starts[4])
    measured = windows.to_python(data.batch(torch.tensor([4])).x)[0]
    given = series[start : start + 16]
    inside = np.abs((given - windows.centre) / windows.scale) <= 1
    assert np.allclose(measured[inside], given[inside], rtol=1e-4)
    assert data.x.abs().max() <= 1
    assert data.x.untyped_storage().nbytes() == 500 * 2 * 4


@settings(max_examples=25, deadline=None)
@drawn(st.integers(130, 5000), st.integers(4, 64), st.sampled_from([0.1, 0.3]))
def test_no_held_out_window_is_within_a_window_of_one_that_is_learned(
    moments: int, window: int, share: float
) -> None:
    series = np.random.default_rng(moments).normal(size=(moments, 1))
    learn, kept = Series.learn(series, window=window).read(series).split(share)
    if (
        moments > 60 * window
    ):  # some 40 blocks and more, each held out by chance: within four deviations
        assert (
            0.2 * share
            < len(kept) / (len(kept) + len(learn))
            < share + 4 * (share * (1 - share) / 40) ** 0.5
        )
    if len(kept) and len(learn):
        gap = (learn.starts[:, None] - kept.starts[None]).abs().min() - window
        assert gap >= window


def test_equal_data_has_equal_keys_and_few_blocks_are_held_out_evenly() -> None:
    series = np.random.default_rng(0).normal(size=(4000, 2))
    first, again = (Series.learn(series, window=16).read(series).keys() for _ in range(2))
    assert torch.equal(first, again)
    blocks = first.unique_consecutive()
    assert abs(int(held_out_rows(blocks, 0.25).sum()) - len(blocks) / 4) <= 1.5


@settings(max_examples=40, deadline=None)
@drawn(
    st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(1, 8), st.integers(0, 2**16)
)
def test_moments_of_a_series_do_not_depend_on_the_parts_it_comes_in(
    parts: list[int], stride: int, seed: int
) -> None:
    total = sum(parts)
    series = np.random.default_rng(seed).normal(size=(max(total, 40), 2))
    windows = Series.learn(series, window=8, stride=stride)
    weigh = lambda x: (x.square().flatten(1).sum(1), x.square() * torch.arange(1.0, 9.0))  # noqa: E731

    def judged(edges: list[int]) -> tuple[list[str], torch.Tensor]:
        cut = [
            Stretch([str(i) for i in range(a, b)], series[a:b], np.zeros((b - a, 2), bool))
            for a, b in pairwise(edges)
        ]
        found = list(windows.score(windows.open(None).cut_windows(iter(cut)), weigh))
        names = [name for part in found for name in part.names]
        return names, torch.cat([part.scores for part in found]) if found else torch.empty(0)

    names, scores = judged([0, total])
    assert names == ([str(i) for i in range(total)] if total >= 8 else [])
    others, same = judged(np.cumsum([0, *parts]).tolist())
    assert others == names
    assert torch.allclose(same, scores, atol=1e-5)


@settings(max_examples=60, deadline=None)
@drawn(
    st.lists(st.sampled_from([0.0, 1.0, 2.0, None]), min_size=1, max_size=40), st.integers(1, 39)
)
def test_gaps_are_bridged_the_same_in_one_piece_and_in_two(
    values: list[float | None], cut: int
) -> None:
    series = np.array([[np.nan if v is None else v] for v in values])

    def over(*edges: int) -> tuple[np.ndarray, np.ndarray]:
        parts = [
            Stretch([""] * (b - a), series[a:b], np.zeros((b - a, 1), bool))
            for a, b in pairwise(edges)
            if b > a
        ]
        found = list(Bridge(1, 3).over(iter(parts)))
        return np.concatenate([p.values for p in found]), np.concatenate([p.lost for p in found])

    (whole, lost), (halves, lost_too) = (
        over(0, len(values)),
        over(0, min(cut, len(values)), len(values)),
    )
    assert len(whole) == len(values) == len(halves)
    known = ~np.isnan(series)
    assert np.array_equal(whole[known], series[known])
    if known.any() and known[0]:
        assert np.allclose(whole[~lost], halves[~lost])
        assert not np.isnan(whole).any()
        longest = max(
            (len(run) for run in "".join(".x"[v is None] for v in values).split(".")), default=0
        )
        assert lost.any() == (longest > 3)
        if lost.any():
            assert lost_too.any()


def test_a_sensor_that_falls_silent_and_values_out_of_range_are_anomalous(
    run: Path, tmp_path: Path
) -> None:
    frame = machine(3000, 7).iloc[2000:].reset_index(drop=True)  # warmed up
    frame.loc[300:311, "speed"] = np.nan  # too long a gap to bridge
    frame.loc[600, "temperature"] = 1e9
    frame.loc[800:801, "speed"] = np.nan  # short
    frame.to_csv(tmp_path / "today.csv", index=False)
    answer = api.load(run).detect(tmp_path / "today.csv", alpha=0.01)
    assert answer["found"][300:312].all()
    assert (answer["why"][300:312].str.split(", ").str[0] == "speed").all()
    assert answer["found"][600]
    assert answer["why"][600].startswith("temperature")
    assert np.isfinite(answer["score"]).all()
    away = [*range(200), *range(400, 500), *range(700, 770), *range(850, 1000)]
    assert answer["found"][away].mean() < 0.2


def test_a_folder_is_several_series(tmp_path: Path) -> None:
    folder = tmp_path / "pumps"
    folder.mkdir()
    for i in range(3):
        machine(700, i).to_csv(folder / f"pump{i}.csv", index=False)
    trained = api.train(
        "ae", folder, as_="series", steps=5, width=8, window=16, out=tmp_path / "run", quiet=True
    )
    assert isinstance(trained.run.modality, Series)
    data = trained.run.modality.read(folder)
    assert isinstance(data, Windowed)
    assert torch.equal(data.starts // 700, (data.starts + 15) // 700)
    answer = trained.detect(folder)
    assert len(answer) == 2100
    assert answer["time"][700] == "pump1.csv: 2025-01-01 00:00:00"


def test_stretches_join_what_is_close() -> None:
    assert stretches(np.array([0, 1, 1, 0, 1, 0, 0, 0, 1], bool), 1) == [(1, 5), (8, 9)]
    assert stretches(np.zeros(3, bool), 1) == []


def test_what_is_wrong_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    series = np.random.default_rng(0).normal(size=(300, 2))
    with pytest.raises(InputError, match="window= is 2"):
        Series.learn(series, window=2)
    with pytest.raises(InputError, match="stride= is 70"):
        Series.learn(series, stride=70)
    with pytest.raises(InputError, match="has 100 rows"):
        Series.learn(series[:100], window=64)
    hollow = series.copy()
    hollow[40:60, 1] = np.nan
    with pytest.raises(InputError, match="'x1' is missing or no number in row 40"):
        Series.learn(hollow, window=64)
    with pytest.raises(InputError, match="no column 'when'"):
        Series.learn(pd.DataFrame(series, columns=["a", "b"]), time="when")
    with pytest.raises(InputError, match="no column of numbers"):
        Series.learn(pd.DataFrame({"a": ["x"] * 300}))
    learned = Series.learn(pd.DataFrame(series, columns=["a", "b"]))
    with pytest.raises(InputError, match="no column 'b'"):
        learned.read(pd.DataFrame(series[:, :1], columns=["a"]))
    with pytest.raises(InputError, match="shorter than a window"):
        next(learned.open(pd.DataFrame(series[:20], columns=["a", "b"])).parts())
    assert cli.run(["train", "ae", str(tmp_path / "no.csv"), "--as", "series"]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_series_is_followed_a_window_behind(run: Path, tmp_path: Path) -> None:
    frame, file = machine(400, 9), tmp_path / "growing.csv"
    frame.to_csv(file, index=False)
    expected = api.load(run).detect(file, alpha=0.01)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:100]))
    events = iter([lines[100:300], lines[300:310], lines[310:]])
    trained, parts = api.load(run), []

    def wait(seconds: float) -> bool:
        more = next(events, None)
        with file.open("a") as stream:
            stream.write("".join(more or []))
        return more is None

    modality = trained.run.modality
    for part in modality.score(
        modality.open(file).follow(wait), torch.no_grad()(trained.model.score_with_attribution)
    ):
        parts.append(part)
    assert [name for part in parts for name in part.names] == list(expected["time"])
    assert np.allclose(torch.cat([part.scores for part in parts]), expected["score"], rtol=1e-2)
    assert len(parts) > 3
