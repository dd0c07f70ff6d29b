"""Rows of rare classes are added below the given ones, and judged on rows that nobody has seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ganvas import InputError, api, cli
from ganvas.core import Augmented
from ganvas.tasks._trees import _smoted
from ganvas.tasks.augment import lacking


def payments(n: int = 1500) -> pd.DataFrame:
    random = np.random.default_rng(0)
    fraud = random.random(n) < 0.08
    return pd.DataFrame({
        "key": [f"P{i:05d}" for i in range(n)],
        "amount": np.round(random.lognormal(3 + fraud, 1, n), 2),
        "hour": np.where(random.random(n) < 0.1, np.nan, random.integers(0, 24, n) // (1 + 2 * fraud)),
        "shop": random.choice(["a", "b", "c"], n),
        "fraud": np.where(fraud, "yes", "no"),
    })  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, api.Trained]:
    folder = tmp_path_factory.mktemp("runs")
    payments().to_parquet(folder / "payments.parquet")
    options = {"steps": 60, "quiet": True, "width": 32}
    return {
        model: api.train(model, folder / "payments.parquet", out=folder / model, **options) for model in ("made", "vae")
    }


@pytest.mark.parametrize("counts", [[90, 10], [10, 90], [50, 50], [500, 30, 10, 4], [1, 0, 7]])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
def test_rare_classes_come_to_their_share(counts: list[int], share: float) -> None:
    more = lacking(np.array(counts), share)
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
    for words in ("real rows alone: average precision", "classes weighted", "with new rows", "new rows "):
        assert words in said


def test_the_command_writes_the_rows_and_says_what_they_are_worth(
    runs: dict[str, api.Trained], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    payments().to_csv(tmp_path / "payments.csv", index=False)
    command = ["augment", str(runs["made"].run.path), str(tmp_path / "payments.csv"), "--target", "fraud", "--json"]
    assert cli.run([*command, "--out", str(tmp_path / "more.csv")]) == 0
    answer = json.loads(capsys.readouterr().out)
    written = pd.read_csv(tmp_path / "more.csv")
    assert (written["fraud"] == "yes").mean() == pytest.approx(0.5, abs=0.001)
    assert answer["files"] == [str(tmp_path / "more.csv")]
    assert {"real rows alone", "classes weighted", "with new rows"} <= set(answer["average precision"])


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


def test_rows_that_are_held_out_are_those_of_the_training_and_none_is_added(runs: dict[str, api.Trained]) -> None:
    run, given = runs["made"], payments()
    rows = run.run.modality.given(given, 0.1)  # type: ignore[attr-defined] # tables
    keys = run.run.modality.read(given)
    _, held = keys.split(0.1)
    assert int(rows.held_out.sum()) == len(held)
    other = given.assign(fraud=np.where(rows.held_out.numpy() & (given["fraud"] == "yes"), "no", given["fraud"]))
    answer = run.do("augment", other[~rows.held_out.numpy()], target="fraud", seed=1)
    assert isinstance(answer, Augmented)
    assert answer.precision == {}  # nobody was held out of these, so nothing is claimed


WRONG = {
    "no target": ({}, "--target COLUMN"),
    "no such target": ({"target": "theft"}, "--target: no column 'theft'"),
    "a number": ({"target": "amount"}, "too many values"),
    "no share": ({"target": "fraud", "to_share": 1.5}, "--to-share is 1.5"),
    "none rare": ({"target": "shop", "to_share": 0.2}, "nothing to add"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_said(runs: dict[str, api.Trained], kind: str) -> None:
    options, words = WRONG[kind]
    with pytest.raises(InputError, match=words):
        runs["made"].augment(payments(), **options)
