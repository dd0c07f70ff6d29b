"""Examples of rare classes are added, and judged on examples that nobody has seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from ganvas import InputError, api
from ganvas.apps import cli
from ganvas.core import Estimate, Given
from ganvas.core.images import random_flip
from ganvas.results.augmented import Augmented
from ganvas.runtime.filenames import folder_names
from ganvas.tasks.augment.comparison import compare, describe_gain
from ganvas.tasks.augment.networks import Cases, Varied, Way, accuracy, augment_shift
from ganvas.tasks.augment.task import rare_classes
from ganvas.tasks.augment.trees import _smoted


def payments(n: int = 1500) -> pd.DataFrame:
    random = np.random.default_rng(0)
    fraud = random.random(n) < 0.08
    return pd.DataFrame(
        {
            "key": [f"P{i:05d}" for i in range(n)],
            "amount": np.round(random.lognormal(3 + fraud, 1, n), 2),
            "hour": np.where(
                random.random(n) < 0.1, np.nan, random.integers(0, 24, n) // (1 + 2 * fraud)
            ),
            "shop": random.choice(["a", "b", "c"], n),
            "fraud": np.where(fraud, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, api.Trained]:
    folder = tmp_path_factory.mktemp("runs")
    payments().to_parquet(folder / "payments.parquet")
    options = {"steps": 60, "quiet": True, "width": 32}
    return {
        model: api.train(model, folder / "payments.parquet", out=folder / model, **options)
        for model in ("made", "vae")
    }


@pytest.mark.parametrize("counts", [[90, 10], [10, 90], [50, 50], [500, 30, 10, 4], [1, 0, 7]])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
def test_rare_classes_come_to_their_share(counts: list[int], share: float) -> None:
    more = rare_classes(np.array(counts), share)
    after = np.array(counts) + more
    fair = min(share, 1 / len(counts))
    assert (more >= 0).all()
    assert (after / after.sum() >= fair - 0.02).all()
    assert (after[more > 0] <= fair * after.sum() + 1).all()


@pytest.mark.parametrize("model", ["made", "vae"])
def test_given_rows_stay_and_rare_ones_come_below(
    runs: dict[str, api.Trained], model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = payments()
    more = runs[model].augment(given, target="fraud", to_share=0.3, seed=1)
    pd.testing.assert_frame_equal(more[: len(given)], given)
    added = more[len(given) :]
    assert set(added["fraud"]) == {"yes"}
    assert (more["fraud"] == "yes").mean() == pytest.approx(0.3, abs=0.001)
    assert more["key"].is_unique
    said = capsys.readouterr().err.replace("\n", " ")
    for words in (
        "real rows alone: average precision",
        "classes weighted",
        "with new rows",
        "new rows ",
    ):
        assert words in said


def test_rows_of_each_class_come_to_a_number(runs: dict[str, api.Trained]) -> None:
    more = runs["made"].augment(payments(), target="fraud", per_class=250, seed=1)
    assert (more["fraud"] == "yes").sum() == 250


def test_the_command_writes_the_rows_and_says_what_they_are_worth(
    runs: dict[str, api.Trained], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    payments().to_csv(tmp_path / "payments.csv", index=False)
    command = [
        "augment",
        str(runs["made"].run.path),
        str(tmp_path / "payments.csv"),
        "--target",
        "fraud",
        "--json",
    ]
    assert cli.run([*command, "--out", str(tmp_path / "more.csv")]) == 0
    answer = json.loads(capsys.readouterr().out)
    written = pd.read_csv(tmp_path / "more.csv")
    assert (written["fraud"] == "yes").mean() == pytest.approx(0.5, abs=0.001)
    assert answer["files"] == [str(tmp_path / "more.csv")]
    assert {"real rows alone", "classes weighted", "with new rows"} <= set(
        answer["average precision"]
    )


@pytest.mark.parametrize("categories", [[True, False], [False, False], [True, True]])
def test_smote_comes_beside_where_it_is_installed(categories: list[bool]) -> None:
    pytest.importorskip("imblearn")
    random = np.random.default_rng(0)
    x, y = random.integers(0, 3, (200, 2)).astype(float), np.repeat([0, 1], [180, 20])
    x[::7, 1] = np.nan
    made = _smoted((x, y), np.ones(50, int), categories)
    assert made is not None
    assert np.bincount(made[1]).tolist() == [180, 70]
    assert made[0].shape == (250, 2)


def test_rows_that_are_held_out_are_those_of_the_training_and_none_is_added(
    runs: dict[str, api.Trained],
) -> None:
    run, given = runs["made"], payments()
    rows = run.run.modality.open(given, held_out=0.1).view([Given], "augment")
    keys = run.run.modality.read(given)
    _, held = keys.split(0.1)
    assert int(rows.held_out.sum()) == len(held)
    other = given.assign(
        fraud=np.where(rows.held_out.numpy() & (given["fraud"] == "yes"), "no", given["fraud"])
    )
    answer = run.do("augment", other[~rows.held_out.numpy()], target="fraud", seed=1)
    assert isinstance(answer, Augmented)
    assert (
        answer.scores == {} == answer.helped
    )  # nobody was held out of these, so nothing is claimed


WRONG = {
    "no target": ({}, "target='COLUMN'"),
    "no such target": ({"target": "theft"}, "target=: no column 'theft'"),
    "a number": ({"target": "amount"}, "too many values"),
    "no share": ({"target": "fraud", "to_share": 1.5}, "to_share= is 1.5"),
    "none rare": ({"target": "shop", "to_share": 0.2}, "nothing to add"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_said(runs: dict[str, api.Trained], kind: str) -> None:
    options, words = WRONG[kind]
    with pytest.raises(InputError, match=words):
        runs["made"].augment(payments(), **options)


COUNTS = {"cross": 90, "ring/step": 60, "..": 12}


def drawings(folder: Path) -> Path:
    """Images of three classes, in a list: their names are not all fit for folders."""
    random, rows = np.random.default_rng(0), []
    for place, (name, count) in enumerate(COUNTS.items()):
        for i in range(count):
            pixels = random.integers(0, 60, (16, 16), dtype=np.uint8)
            pixels[4 * place : 4 * place + 5, 3:13] += 150
            Image.fromarray(pixels).save(folder / f"{place}-{i}.png")
            rows.append((f"{place}-{i}.png", name))
    pd.DataFrame(rows, columns=["path", "label"]).to_csv(folder / "list.csv", index=False)
    return folder / "list.csv"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[api.Trained, Path]:
    folder = tmp_path_factory.mktemp("drawings")
    source = drawings(folder)
    options = {"steps": 20, "quiet": True, "width": 32, "depth": 1, "held_out": 0.5}
    return api.train("cgan", source, out=folder / "cgan", **options), source


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganvas.tasks.augment.networks.STEPS", 12)


def test_new_images_of_rare_classes_lie_in_folders(
    drawn: tuple[api.Trained, Path], hasty: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, source = drawn
    out = tmp_path / "more"
    assert (
        cli.run(
            ["augment", str(run.run.path), str(source), "--out", str(out), "--seed", "1", "--json"]
        )
        == 0
    )
    said = capsys.readouterr()
    answer = json.loads(said.out)
    classes = run.run.modality.classes
    more = {folder.name: len(list(folder.iterdir())) for folder in out.iterdir() if folder.is_dir()}
    assert more == {
        n: 90 - COUNTS[c]
        for n, c in zip(folder_names(classes), classes, strict=True)
        if COUNTS[c] < 90
    }
    assert answer["added"] == sum(more.values()) == len(answer["files"]) - 1
    assert {"real images alone", "classes weighted", "shifted", "shifted and mirrored"} == set(
        answer["gained by new ones over"]
    )
    assert set(answer["accuracy"]) == {"with new images", *answer["gained by new ones over"]}
    for words in ("added 108 images", "shifted and mirrored: accuracy", "new images "):
        assert words in said.err.replace("\n", " ")
    assert Image.open(out / "sheet.png").size == (10 * 66 + 2, 2 * 66 + 2)


def test_every_class_comes_to_a_number_in_python_too(
    drawn: tuple[api.Trained, Path], hasty: None
) -> None:
    run, source = drawn
    more = run.augment(source, per_class=70, seed=1)
    assert {name: len(images) for name, images in more.items()} == {"ring/step": 10, "..": 58}
    again = run.augment(source, per_class=70, seed=1)
    assert all(
        np.array_equal(a, b) for name in more for a, b in zip(more[name], again[name], strict=True)
    )


def test_images_that_nobody_held_out_are_no_judges(
    drawn: tuple[api.Trained, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run, source = drawn
    data = run.run.modality.read(source)
    learn, _ = data.split(0.5)
    x = ((learn.gather().x + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    names = np.array(run.run.modality.classes)[learn.gather().y.flatten()]  # type: ignore[union-attr] # labelled
    answer = run.do("augment", (x[:4], names[:4].tolist()), per_class=3)
    assert isinstance(answer, Augmented)
    assert answer.scores == {} == answer.helped
    assert "too few held-out images" in capsys.readouterr().err


WRONG_IMAGES = {
    "no number": ({"per_class": 0}, "per_class= is 0"),
    "enough already": ({"per_class": 5}, "ask for more with per_class="),
    "a column": ({"target": "label"}, "target= is for rows of tables"),
}


@pytest.mark.parametrize("kind", WRONG_IMAGES)
def test_what_is_wrong_with_images_is_said(drawn: tuple[api.Trained, Path], kind: str) -> None:
    options, words = WRONG_IMAGES[kind]
    with pytest.raises(InputError, match=words):
        drawn[0].augment(drawn[1], **options)


def test_models_and_images_without_labels_are_said(
    drawn: tuple[api.Trained, Path], tmp_path: Path
) -> None:
    run, source = drawn
    with pytest.raises(InputError, match="what is given has no labels"):
        run.augment(np.zeros((9, 16, 16), np.uint8))
    options = {"steps": 2, "quiet": True}
    plain = api.train("vae", source, out=tmp_path / "vae", width=8, **options)
    with pytest.raises(InputError, match="the model learned no labels"):
        plain.augment(source)
    noise = np.random.default_rng(0).integers(0, 255, (60, 16, 16), dtype=np.uint8)
    unlabelled = api.train("vae", noise, out=tmp_path / "noise", width=8, **options)
    with pytest.raises(InputError, match="the training had no labels"):
        unlabelled.augment(noise)


def test_what_varies_is_only_where_images_lie() -> None:
    x = torch.rand(64, 1, 16, 16)
    moved = augment_shift(x, torch.Generator().manual_seed(0))
    still = (moved == x).flatten(1).all(1)
    assert 16 < still.sum() < 48
    middle, inside = moved[:, :, 4:12, 4:12], x.unfold(2, 8, 1).unfold(3, 8, 1)[:, :, 2:7, 2:7]
    assert (inside == middle[:, :, None, None]).flatten(4).all(4).flatten(1).any(1).all()
    turned = random_flip(x, torch.Generator().manual_seed(0))
    assert ((turned == x) | (turned == x.flip(3))).all()
    cases = Cases(x, torch.zeros(64, dtype=torch.int64))
    data, rows = Varied(Way(cases, shifted=True), 0), torch.arange(8)
    assert torch.equal(data.batch(rows, 3).x, data.batch(rows, 3).x)
    assert not torch.equal(data.batch(rows, 3).x, data.batch(rows, 4).x)


def test_all_classes_count_alike() -> None:
    y, right = np.array([0] * 8 + [2] * 2), np.array([1.0] * 8 + [0.0] * 2)
    assert accuracy(y, right) == 0.5


def test_no_difference_is_rarely_called_one() -> None:
    """Answers of two ways that are equally good, and differ by repetition as by image."""
    random, y, claims = np.random.default_rng(0), np.arange(60) % 3, 0
    figure = lambda rows, right: accuracy(y[rows], right)  # noqa: E731
    for _ in range(60):
        hard = random.random(60)
        a, b = (
            random.random((3, 60)) < hard + 0.1 * random.standard_normal((3, 1)) for _ in range(2)
        )
        _, helped = compare({"alone": a.astype(float), "new": b.astype(float)}, "new", figure, 200)
        claims += helped["alone"].low > 0
    assert claims <= 6


def test_a_verdict_claims_no_more_than_was_seen() -> None:
    better, unsure, worse = (
        Estimate(0.1, 0.05, 0.2),
        Estimate(0.1, -0.05, 0.2),
        Estimate(-0.1, -0.2, -0.05),
    )
    say = lambda *changes: describe_gain("new", "accuracy", dict(zip("abc", changes, strict=True)))  # noqa: E731
    assert say(better, better, better).startswith("new helped: accuracy +0.100")
    assert "but not more than b or c" in say(better, unsure, worse)
    assert say(unsure, better, better).startswith("new made no difference that can be told")
    assert say(worse, better, better).startswith("new did harm")
