"""Filling missing values: what was known stays as it was, what was not is drawn, and no missing
value is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pytest
import torch

from ganvas import InputError, api
from ganvas.apps import cli
from test_constraints import shop


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> api.Trained:
    folder = tmp_path_factory.mktemp("run")
    shop(600).to_csv(folder / "shop.csv", index=False)
    return api.train(
        "made", folder / "shop.csv", out=folder / "made", steps=400, width=48, quiet=True
    )


def incomplete(n: int = 60) -> pd.DataFrame:
    """Rows of which a fifth of the cells is missing: also where training had no missing values."""
    frame, random = shop(n), np.random.default_rng(3)
    learned = [name for name in frame if name not in ("id", "one")]
    mask = pd.DataFrame({name: (random.random(n) < 0.2) & (name in learned) for name in frame})
    return frame.mask(mask).assign(note="as it was", amount=frame["amount"] + 0.003)


def agree(filled: pd.DataFrame, given: pd.DataFrame) -> None:
    """Every value that was known is there still, none is missing, and the columns stand as they
    stood."""
    assert list(filled) == list(given)
    assert not filled.drop(columns="score").isna().any(axis=None)
    for name in given:
        known = given[name].notna()
        assert (filled[name][known] == given[name][known]).all(), name


def test_known_values_stay_and_no_hole_is_left(run: api.Trained) -> None:
    given = incomplete().set_index(pd.Index(range(100, 160), name="row"))
    filled = run.complete(given, seed=1)
    agree(filled, given)
    assert not filled["score"].isna().any()
    pd.testing.assert_series_equal(filled.dtypes.drop("paid"), given.dtypes.drop("paid"))
    pd.testing.assert_index_equal(filled.index, given.index)
    pd.testing.assert_frame_equal(filled, run.complete(given, seed=1))
    together = run.complete(shop(200)[["city"]], seed=1)
    right = together["city"].map({"Ulm": "BW", "Bonn": "NW", "Kiel": "SH"}) == together["state"]
    assert right.mean() > 0.6


def test_several_draws_differ_where_there_were_holes_alone(
    run: api.Trained, tmp_path: Path
) -> None:
    given = incomplete()
    one, two = run.complete(given, draws=2, seed=1)
    agree(one, given)
    agree(two, given)
    assert not one.equals(two)
    given.to_csv(tmp_path / "missing values.csv", index=False)
    out = str(tmp_path / "filled.csv")
    command = [
        "complete",
        str(run.run.path),
        str(tmp_path / "missing values.csv"),
        "--draws",
        "2",
        "--seed",
        "1",
        "--out",
        out,
    ]
    assert cli.run(command) == 0
    for number, frame in ((1, one), (2, two)):
        written = pd.read_csv(
            tmp_path / f"filled-{number}.csv", dtype={"paid": bool}, parse_dates=["start", "stop"]
        )
        assert written["city"].tolist() == frame["city"].tolist()
        assert written["amount"].tolist() == pytest.approx(frame["amount"].tolist())
        assert (written["start"] == frame["start"]).all()
    assert (
        cli.run(["complete", str(run.run.path), str(tmp_path / "missing values.csv"), "--out", out])
        == 0
    )
    agree(
        pd.read_csv(out, parse_dates=["start", "stop"]),
        pd.read_csv(tmp_path / "missing values.csv", parse_dates=["start", "stop"]),
    )


def test_whole_columns_may_be_absent_and_other_libraries_get_their_own_frames(
    run: api.Trained,
) -> None:
    given = shop(40)[["age", "city"]]
    filled = run.complete(given, seed=0)
    assert list(filled)[:2] == ["age", "city"]
    assert set(filled) == set(shop(1)) - {"id"}
    pd.testing.assert_frame_equal(filled[["age", "city"]], given)
    assert (filled["one"] == "x").all()
    frame = polars.from_pandas(given).with_columns(polars.lit(None).alias("kind"))
    assert isinstance(run.complete(frame), polars.DataFrame)
    assert run.complete(frame)["kind"].null_count() == 0
    category = given.assign(
        city=pd.Categorical(
            given["city"].where(given["age"] > 40), categories=["Ulm", "Bonn", "Kiel", "Rom"]
        )
    )
    back = run.complete(category)["city"]
    assert back.dtype == category["city"].dtype
    assert not back.isna().any()


def test_missing_is_never_drawn(run: api.Trained) -> None:
    given = pd.DataFrame({"age": range(20, 70), "score": [np.nan] * 50})
    assert not run.complete(given)["score"].isna().any()


def test_a_table_without_holes_comes_back(run: api.Trained) -> None:
    frame = shop(20).drop(columns="score")
    pd.testing.assert_frame_equal(run.complete(frame).drop(columns="score"), frame)


WRONG: dict[str, Any] = {
    "no column of the model's": (
        pd.DataFrame({"height": [1, 2]}),
        {},
        "none of the columns that the model learned",
    ),
    "no rows": (shop(3)[:0], {}, "has no rows"),
    "unknown level": (
        shop(3).assign(city=["Ulm", None, "Rom"]),
        {},
        "row 2: the model never saw 'Rom'",
    ),
    "another type": (shop(3).assign(age="old"), {}, "column 'age' holds"),
    "no draws": (shop(3), {"draws": 0}, "draws= is 0"),
    "a mask": (shop(3), {"mask": "mask.png"}, "mask= is for images, and these are tables"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_said(run: api.Trained, kind: str) -> None:
    frame, options, words = WRONG[kind]
    with pytest.raises(InputError, match=words):
        run.complete(frame, **options)


def test_a_model_of_numbers_completes_no_rows_and_says_so(tmp_path: Path) -> None:
    torch.manual_seed(0)
    run = api.train("vae", shop(100), out=tmp_path / "run", steps=3, width=8, quiet=True)
    with pytest.raises(InputError, match="train made to complete tables"):
        run.complete(shop(3))
