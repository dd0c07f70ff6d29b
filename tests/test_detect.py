"""What is anomalous is found, with p-values that mean what they say, and it is said why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ganvas import InputError, api
from ganvas.apps import cli
from ganvas.core.conformal import p_values
from ganvas.tasks.detect.task import discoveries


def payments(n: int, seed: int) -> pd.DataFrame:
    """What is normal: the amount goes with the kind."""
    random = np.random.default_rng(seed)
    kind = random.integers(0, 3, n)
    return pd.DataFrame(
        {
            "kind": np.array(["food", "rent", "toys"])[kind],
            "amount": np.round(
                random.normal(np.array([20, 900, 60])[kind], np.array([4, 50, 9])[kind]), 2
            ),
            "hour": random.integers(8, 20, n),
        }
    )


def anomalous(n: int, seed: int) -> pd.DataFrame:
    """Rents for toys."""
    frame = payments(n, seed)
    return frame.assign(
        kind="toys", amount=np.round(np.random.default_rng(seed).normal(900, 50, n), 2)
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, api.Trained]:
    folder = tmp_path_factory.mktemp("detect")
    payments(3000, 0).to_csv(folder / "normal.csv", index=False)
    options = {
        "made": {"width": 48, "steps": 250, "batch": 256},
        "vae": {"width": 64, "steps": 250, "latent": 4},
        "detector": {"width": 32, "steps": 100, "memory": 1000},
    }
    return {
        m: api.train(m, folder / "normal.csv", out=folder / m, quiet=True, held_out=0.2, **o)
        for m, o in options.items()
    }


def test_p_values_are_shares_of_normal_scores() -> None:
    p = p_values(torch.tensor([0.0, 2.0, 2.5, 9.0]), torch.tensor([3.0, 1.0, 2.0]))
    assert p.tolist() == [1.0, 0.75, 0.5, 0.25]


def test_a_normal_example_has_a_small_p_as_rarely_as_p_says() -> None:
    torch.manual_seed(0)
    p = torch.stack([p_values(torch.randn(1), torch.randn(19)) for _ in range(4000)]).flatten()
    for share in (0.05, 0.2, 0.5):
        assert (p <= share + 1e-9).double().mean().item() == pytest.approx(share, abs=0.03)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=30), st.floats(0.01, 0.9))
def test_discoveries_are_those_of_the_definition(p: list[float], fdr: float) -> None:
    ranked = sorted(p)
    # the largest k with p_(k) <= k fdr / n
    largest = max((k for k in range(1, len(p) + 1) if ranked[k - 1] <= fdr * k / len(p)), default=0)
    found = discoveries(torch.tensor(p, dtype=torch.float64), fdr)
    expected = [value <= ranked[largest - 1] if largest else False for value in p]
    assert found.tolist() == expected


@pytest.mark.parametrize("model", ["made", "vae", "detector"])
def test_what_is_anomalous_is_found_and_what_is_normal_is_not(
    runs: dict[str, api.Trained], model: str
) -> None:
    seen = pd.concat([payments(400, 1), anomalous(40, 2)], ignore_index=True)
    answer = runs[model].detect(seen, fdr=0.2)
    assert list(answer.columns[:5]) == ["name", "score", "p", "found", "nearest"]
    assert len(answer) == 440
    assert answer["found"][400:].mean() > 0.8
    assert answer["found"][:400].mean() < 0.05
    assert answer["nearest"].notna().equals(answer["found"])


def test_the_columns_to_blame_are_named(runs: dict[str, api.Trained]) -> None:
    answer = runs["made"].detect(anomalous(40, 3))
    assert answer["why"].str.split(", ").str[0].eq("amount").mean() > 0.8
    assert {"why: kind", "why: amount", "why: hour"} <= set(answer.columns)
    total = answer[["why: kind", "why: amount", "why: hour"]].sum(axis=1)
    assert np.ptp(answer["score"] - total) < 1e-3  # what is normal was taken off, the same for all


@pytest.mark.parametrize("model", ["made", "vae", "detector"])
def test_what_was_never_seen_is_anomalous_too(runs: dict[str, api.Trained], model: str) -> None:
    seen = payments(6, 8).astype({"amount": object, "hour": float})
    seen["amount"] = seen["amount"].astype(float)
    seen.loc[0, "kind"], seen.loc[1, "amount"], seen.loc[2, "hour"] = "yachts", 1e6, np.nan
    seen.loc[3, "amount"], seen.loc[4, "amount"] = -np.inf, seen["amount"][4]
    answer = runs[model].detect(seen, alpha=0.01)
    assert answer["found"].tolist()[:4] == [True] * 4
    assert [why.split(", ")[0] for why in answer["why"][:4]] == ["kind", "amount", "hour", "amount"]
    assert np.isfinite(answer["score"]).all()


@pytest.mark.parametrize("alpha", [0.01, 0.1])
def test_alpha_is_the_share_of_normal_rows_that_are_found(
    runs: dict[str, api.Trained], alpha: float
) -> None:
    found = runs["made"].detect(payments(2000, 5), alpha=alpha)["found"].mean()
    assert found == pytest.approx(alpha, abs=4 * (alpha / 600) ** 0.5)


def test_the_command_writes_a_table(
    runs: dict[str, api.Trained], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    anomalous(30, 4).to_csv(tmp_path / "today.csv", index=False)
    out = tmp_path / "anomalous.csv"
    asked = [
        "detect",
        str(runs["made"].run.path),
        str(tmp_path / "today.csv"),
        "--fdr",
        "0.2",
        "--out",
        str(out),
    ]
    assert cli.run([*asked, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    table = pd.read_csv(out)
    assert said["found"] == table["found"].sum() > 20
    assert said["files"] == [str(out)]
    assert table["name"][3] == "row 3"


def test_images_are_shown_with_where_they_are_anomalous(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    plain = (100 + 10 * random.random((200, 1, 1)) + 5 * random.random((200, 16, 16))).astype(
        np.uint8
    )
    scratched = plain[:6].copy()
    scratched[:, 4:7, 9:12] = 255
    run = api.train(
        "ae",
        plain,
        out=tmp_path / "run",
        steps=60,
        width=32,
        latent=2,
        network="perceptron",
        quiet=True,
    )
    answer = run.do("detect", scratched, alpha=0.1).whole
    assert answer.found.all()
    heat = answer.attribution[:, 0]
    assert (heat[:, 4:7, 9:12].flatten(1).sum(1) > 0.5 * heat.clamp(min=0).flatten(1).sum(1)).all()
    folder = tmp_path / "scratched"
    folder.mkdir()
    for i, pixels in enumerate(scratched):
        Image.fromarray(pixels).save(folder / f"part{i}.png")
    assert (
        cli.run(
            [
                "detect",
                str(tmp_path / "run"),
                str(folder),
                "--alpha",
                "0.1",
                "--out",
                str(tmp_path / "out"),
            ]
        )
        == 0
    )
    assert len(list((tmp_path / "out" / "found").glob("*.png"))) == 6
    assert "part3" in (tmp_path / "out" / "scores.csv").read_text()
    shown = np.asarray(Image.open(next((tmp_path / "out" / "found").glob("*.png"))))
    assert shown.shape[0] == 16
    assert shown.shape[1] in (32, 48)  # beside the nearest normal one, where the data is at hand


def test_what_is_wrong_is_said(runs: dict[str, api.Trained], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"fdr= is 1\.5"):
        runs["made"].detect(payments(5, 0), fdr=1.5)
    blind = api.train(
        "made", payments(50, 0), out=tmp_path / "run", steps=2, width=8, held_out=0.0, quiet=True
    )
    with pytest.raises(InputError, match="held nothing out; train with held_out="):
        blind.detect(payments(5, 0))
    gan = api.train("gan", payments(50, 0), out=tmp_path / "gan", steps=2, width=8, quiet=True)
    with pytest.raises(InputError, match="cannot detect"):
        gan.detect(payments(5, 0))


def test_judging_does_not_read_the_data_of_the_training(
    runs: dict[str, api.Trained], tmp_path: Path
) -> None:
    for name in ("made", "vae"):
        folder = tmp_path / name
        shutil.copytree(runs[name].run.path, folder)
        card = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps(card | {"source": str(tmp_path / "gone.csv")}))
        elsewhere = api.load(folder)
        for rows in (payments(1, 5), anomalous(1, 2)):
            answer = elsewhere.detect(rows, alpha=0.05)
            pd.testing.assert_frame_equal(answer, runs[name].detect(rows, alpha=0.05))
        assert answer["nearest"].notna().all()


def test_without_what_a_run_keeps_and_its_data_nothing_is_near(
    runs: dict[str, api.Trained], tmp_path: Path
) -> None:
    folder = tmp_path / "made"
    shutil.copytree(runs["made"].run.path, folder)
    (folder / "neighbours.safetensors").unlink()
    card = json.loads((folder / "run.json").read_text())
    near = api.load(folder).detect(anomalous(4, 2))
    pd.testing.assert_frame_equal(near, runs["made"].detect(anomalous(4, 2)))  # of the data itself
    (folder / "run.json").write_text(json.dumps(card | {"source": str(tmp_path / "gone.csv")}))
    answer = api.load(folder).detect(anomalous(4, 2))
    assert answer["found"].any()
    assert answer["nearest"].isna().all()
    pd.testing.assert_frame_equal(answer.drop(columns="nearest"), near.drop(columns="nearest"))
