"""Rows by constraint: conditions mean what SQL means by them, rows are as frequent as the model has
them, and all hold."""

from __future__ import annotations

import re
import sqlite3
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganvas import InputError, api
from ganvas.apps import cli
from ganvas.core import Constraint, Tokens
from ganvas.data.tables.modality import Tables
from ganvas.data.tables.sql import comparable, conditions
from ganvas.models.made import MADE
from ganvas.results.generated import Generated
from ganvas.tasks.sample.raking import rake, resample
from ganvas.tasks.sample.task import sample


def shop(n: int = 400) -> pd.DataFrame:
    """Orders, with missing values, a rare kind, two dates in order and two columns that go
    together."""
    random = np.random.default_rng(0)
    start = pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 300, n), "D")
    city = random.choice(["Ulm", "Bonn", "Kiel"], n)
    return pd.DataFrame(
        {
            "id": [f"A{i:04d}" for i in range(n)],
            "amount": np.round(random.lognormal(3, 1, n), 2),
            "age": random.integers(18, 80, n),
            "kind": np.where(random.random(n) < 0.1, "rare", "common"),
            "paid": random.random(n) < 0.5,
            "score": np.where(random.random(n) < 0.2, np.nan, random.integers(0, 5, n)),
            "city": city,
            "state": pd.Series(city).map({"Ulm": "BW", "Bonn": "NW", "Kiel": "SH"}),
            "start": start,
            "stop": start + pd.to_timedelta(random.integers(0, 30, n), "D"),
            "one": ["x"] * n,
        }
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, api.Trained]:
    folder = tmp_path_factory.mktemp("runs")
    shop().to_parquet(folder / "shop.parquet")
    options: dict[str, Any] = {"steps": 60, "quiet": True, "width": 32}
    return {
        model: api.train(model, folder / "shop.parquet", out=folder / model, **options)
        for model in ("made", "vae")
    }


numbers = st.sampled_from(["a", "b"]) | st.integers(-5, 5).map(str)
sums = st.recursive(
    numbers,
    lambda t: (
        st.tuples(t, st.sampled_from("+-*"), t).map(lambda p: f"({p[0]} {p[1]} {p[2]})")
        | st.tuples(t, t).map(lambda p: f"({p[0]} * 1.0 / {p[1]})")
    ),
    max_leaves=4,
)
signs = st.sampled_from(["=", "!=", "<>", "<", "<=", ">", ">="])
days = st.dates(pd.Timestamp("2024-01-01").date(), pd.Timestamp("2024-02-01").date()).map(
    lambda d: f"'{d}'"
)
towns = st.sampled_from(["'Ulm'", "'Bonn'", "'O''Hara'"])
simple = st.one_of(
    st.tuples(sums, signs, sums).map(" ".join),
    st.tuples(sums, numbers, numbers).map(lambda p: "{} BETWEEN {} AND {}".format(*p)),
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from(["IN", "NOT IN"]),
        st.lists(numbers, min_size=1),
    ).map(lambda p: f"{p[0]} {p[1]} ({', '.join(p[2])})"),
    st.tuples(st.just("s"), signs, towns).map(" ".join),
    st.tuples(st.just("d"), signs, days | st.just("e")).map(" ".join),
    st.sampled_from(
        ["s LIKE '%l%'", "s NOT LIKE 'B_nn'", "a IS NULL", "s IS NOT NULL", "(a + b) IS NULL"]
    ),
)
whole = st.recursive(
    simple,
    lambda c: (
        st.tuples(c, st.sampled_from(["AND", "OR"]), c).map(lambda p: f"({p[0]} {p[1]} {p[2]})")
        | c.map(lambda x: f"NOT ({x})")
    ),
    max_leaves=6,
)


def mixed(n: int = 60) -> pd.DataFrame:
    random = np.random.default_rng(1)
    gaps = lambda values: np.where(random.random(n) < 0.15, None, values)  # noqa: E731

    def days() -> Any:
        return gaps([f"2024-01-{day:02d}" for day in random.integers(1, 32, n)])

    return pd.DataFrame(
        {
            "a": pd.array(gaps(random.integers(-5, 6, n)), "Int64"),
            "b": pd.array(gaps(random.integers(-50, 60, n) / 10), "Float64"),
            "s": gaps(random.choice(["Ulm", "Bonn", "O'Hara"], n)),
            "d": days(),
            "e": days(),
        }
    )


MIXED = mixed()
DATED = MIXED.assign(d=pd.to_datetime(MIXED["d"]), e=pd.to_datetime(MIXED["e"]))
TABLES = Tables.learn(DATED)
BASE = sqlite3.connect(":memory:")
MIXED.to_sql("t", BASE, index=True)
BASE.execute("PRAGMA case_sensitive_like = ON")


@settings(max_examples=300, deadline=None)
@given(whole)
def test_a_condition_selects_the_rows_that_sqlite_selects(text: str) -> None:
    expected = [i for (i,) in BASE.execute(f'SELECT "index" FROM t WHERE {text} ORDER BY 1')]
    try:
        asked = conditions(text, TABLES.columns, TABLES.arrow_schema, "--where")
    except InputError as refusal:
        if not re.search("names no column|divides by zero", str(refusal)):
            raise
        return
    table = pa.Table.from_pandas(DATED, schema=TABLES.arrow_schema)
    rows = {
        name: comparable(values.combine_chunks())
        for name, values in zip(table.column_names, table, strict=True)
    }
    met = np.all([c.truth(rows, False) for c in asked], 0)
    assert np.flatnonzero(met).tolist() == expected


def test_rows_that_are_completed_are_as_frequent_as_the_condition_makes_them() -> None:
    sizes = (2, 3, 4)
    every = torch.tensor(list(product(*map(range, sizes))))
    torch.manual_seed(0)
    model = MADE(Tokens(3, 4, sizes), width=12, depth=2)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5)
    allowed = {2: torch.tensor([True, False, True, True]), 1: torch.tensor([False, True, True])}
    holds = lambda x: allowed[2][x[:, 2]] & allowed[1][x[:, 1]] & (x[:, 0] + x[:, 1] != 2)  # noqa: E731
    condition = Constraint("so", holds, lambda x: x, allowed)
    made = sample(model.eval(), n=30_000, seed=0, where=condition).examples
    with torch.no_grad():
        apart = (-model.space.nll(model.logits(every), every)).exp()
        alone = [float(apart[allowed[k][every[:, k]]].sum()) for k in (1, 2)]
        order = torch.tensor([2, *((0, 1) if alone[0] < alone[1] else (1, 0))])
        likely = (-model.space.nll(model.logits(every, order), every)).exp() * holds(every)
    frequent = torch.bincount((made * torch.tensor([12, 4, 1])).sum(1), minlength=24) / len(made)
    assert (frequent - likely / likely.sum()).abs().max() < 0.012


HOLDS = {
    "kind = 'rare' AND age > 40": "kind == 'rare' and age > 40",
    "amount BETWEEN 20.5 AND 21.7": "20.5 <= amount <= 21.7",
    "paid AND score IS NULL": "paid and score.isna()",
    "kind = 'rare' OR amount > 60": "kind == 'rare' or amount > 60",
    "stop > '2024-06-01' AND start < '2024-06-01'": "stop > '2024-06-01' and start < '2024-06-01'",
    "amount > age * 1.5": "amount > age * 1.5",
    "city LIKE '%l%' AND one = 'x'": "city.str.contains('l')",
}


@pytest.mark.parametrize("model", ["made", "vae"])
@pytest.mark.parametrize("where", HOLDS)
def test_every_row_is_as_wished(
    runs: dict[str, api.Trained], model: str, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if model == "vae" and "score IS NULL" in where:
        pytest.skip("rare for a model that has hardly learned")
    made = runs[model].sample(n=30, seed=1, where=where)
    pd.testing.assert_frame_equal(made, made.query(HOLDS[where]))
    assert len(made) == 30
    across = " OR " in where or "* 1.5" in where
    said = capsys.readouterr().err.replace("\n", " ")
    assert ("by rejection" if model == "vae" or across else "by completion") in said


WRONG = {
    "not sql": ("age >", "is no condition"),
    "two statements": ("age > 3; DROP TABLE x", "is no condition"),
    "no such column": ("height > 3", "there is no column 'height'; there are id, amount"),
    "part of a name": ("stat > 3", 'write "state" in double quotes'),
    "no such level": ("city = 'Paris'", "column 'city' has no 'Paris'; it has"),
    "no such level in a list": ("city IN ('Ulm', 'Paris')", "has no 'Paris'"),
    "no such constant": ("one <> 'y'", "has no 'y'; it has 'x'"),
    "out of range": ("age > 200", "no 'age' can meet age > 200; it goes from 18 to 79"),
    "out of range together": ("age > 60 AND age < 50", "no 'age' can meet"),
    "no such date": ("start > 'soon'", "'soon' is no date"),
    "before all dates": ("start < '1999-01-01'", "it goes from 2024-01-01"),
    "text with a number": ("city = 3", "city is a text and 3 a number"),
    "number with text": ("age > '40'", "age is a number and '40' a text"),
    "function": ("ABS(age) > 3", "unknown here; it knows"),
    "question": ("age IN (SELECT 1)", "unknown here"),
    "cast": ("CAST(age AS TEXT) = '3'", "unknown here"),
    "equal to null": ("score = NULL", "write IS NULL"),
    "identifier": ("id = 'A0001'", "made afresh"),
    "no condition": ("age", "is a number, not a condition"),
    "no column": ("1 = 1", "names no column"),
    "reckoning with text": ("city + 1 > 2", "only numbers can be reckoned with"),
    "code": ("__import__('os').system('ls')", ""),
    "deep": ("(" * 5000 + "age > 3" + ")" * 5000, "nested too deeply"),
    "never found": ("amount + age * 1000 < 18000.4 AND age > 70", "of 7 with"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_cannot_be_met_is_said_in_one_sentence(
    runs: dict[str, api.Trained],
    kind: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ganvas.tasks.sample.rejection.GRACE", 1000)
    where, words = WRONG[kind]
    run = str(runs["made"].run.path)
    assert cli.run(["sample", run, "--n", "7", "--where", where, "--out", f"{run}/new.csv"]) == 2
    said = capsys.readouterr().err
    assert words in said.replace("\n", " ")
    assert "Traceback" not in said
    assert not Path(run, "new.csv").exists()


def test_images_cannot_be_wished_for(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    assert cli.run(["train", "gan", str(images), "--out", out, "--steps", "2", "--width", "8"]) == 0
    assert cli.run(["sample", out, "--where", "a = 1"]) == 2
    assert "for rows of tables, and these are images" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize("ending", ["csv", "parquet", "feather", "jsonl", "tsv", "xlsx"])
def test_rows_written_in_parts_are_those_drawn_at_once(
    runs: dict[str, api.Trained], ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganvas.tasks.sample.task.batch_size", lambda space: 64)
    run, file = runs["made"], tmp_path / f"new.{ending}"
    answer = run.do("sample", n=150, seed=3, where="age > 30")
    assert isinstance(answer, Generated)
    command = [
        "sample",
        str(run.run.path),
        "--n",
        "150",
        "--seed",
        "3",
        "--where",
        "age > 30",
        "--out",
        str(file),
    ]
    assert cli.run(command) == 0
    expected = run.sample(n=150, seed=3, where="age > 30")
    assert expected["id"].tolist() == [f"A{i:04d}" for i in range(1, 151)]
    match ending:
        case "parquet":
            pd.testing.assert_frame_equal(pd.read_parquet(file), expected)
        case "feather":
            pd.testing.assert_frame_equal(pd.read_feather(file), expected)
        case "csv" | "tsv":
            delimiter = pacsv.ParseOptions(delimiter="\t" if ending == "tsv" else ",")
            back = pacsv.read_csv(file, parse_options=delimiter).to_pandas()
            assert back["amount"].tolist() == expected["amount"].tolist()
        case "jsonl":
            assert (
                pd.read_json(file, lines=True, precise_float=True)["amount"].tolist()
                == expected["amount"].tolist()
            )
        case "xlsx":
            assert pd.read_excel(file)["amount"].tolist() == expected["amount"].tolist()
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("model", ["made", "vae"])
def test_every_level_comes_equally_often(runs: dict[str, api.Trained], model: str) -> None:
    made = runs[model].sample(n=61, seed=1, balance="kind", where="age > 30")
    assert made["kind"].value_counts().tolist() == [31, 30]
    assert (made["age"] > 30).all()
    assert set(runs[model].sample(n=9, balance="city")["city"].value_counts()) == {3}
    assert runs[model].sample(n=4, balance="paid")["paid"].sum() == 2


def test_weights_meet_the_marginals_that_can_be_met() -> None:
    codes = torch.stack([torch.arange(600) % 2, torch.arange(600) % 3, torch.arange(600) % 5], 1)
    shares = [
        torch.tensor([0.9, 0.1]),
        torch.tensor([0.2, 0.3, 0.5]),
        torch.tensor([0.2, 0.2, 0.2, 0.2, 0.1, 0.1]),
    ]
    weights = rake(codes, [share.double() for share in shares])
    for own, share in zip(codes.unbind(1), shares, strict=True):
        reached = share.clone().double()
        reached[5:] = 0
        assert torch.allclose(
            torch.bincount(own, weights, minlength=len(share)), reached / reached.sum(), atol=1e-5
        )
    assert torch.isclose(weights.sum(), torch.tensor(1.0).double())
    picks = resample(weights, 1000)
    assert ((picks.bincount(minlength=600) - 1000 * weights).abs() < 1 + 1e-6).all()


@pytest.mark.parametrize("model", ["made", "vae"])
def test_columns_are_distributed_like_those_given(
    runs: dict[str, api.Trained], model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds, cities = ["rare"] * 30 + ["common"] * 70, ["Ulm"] * 10 + ["Bonn"] * 40 + ["Kiel"] * 50
    other = pd.DataFrame({"kind": kinds, "city": cities})
    other.to_csv(tmp_path / "other.csv", index=False)
    made = runs[model].sample(n=1000, seed=1, like=tmp_path / "other.csv")
    assert (made["kind"] == "rare").mean() == pytest.approx(0.3, abs=0.003)
    for city, share in {"Ulm": 0.1, "Bonn": 0.4, "Kiel": 0.5}.items():
        assert (made["city"] == city).mean() == pytest.approx(share, abs=0.003)
    assert "a pool of 16,384 rows was worth" in capsys.readouterr().err.replace("\n", " ")
    old = runs[model].sample(n=200, seed=1, like=other, where="age > 50")
    assert (old["age"] > 50).all()
    assert (old["kind"] == "rare").mean() == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("model", ["made", "vae"])
def test_constraints_hold_in_every_row(runs: dict[str, api.Trained], model: str) -> None:
    run = runs[model]
    made = run.sample(
        n=200,
        seed=1,
        constraint=["start <= stop", "score < 3"],
        where="age < 70",
        together="city,state",
    )
    assert len(made) == 200
    assert (made["start"] <= made["stop"]).all()
    assert not (made["score"] >= 3).any()
    assert model == "vae" or made["score"].isna().any()
    assert (made["age"] < 70).all()
    assert (made["city"].map({"Ulm": "BW", "Bonn": "NW", "Kiel": "SH"}) == made["state"]).all()


def test_no_value_comes_twice_over_all_parts(
    runs: dict[str, api.Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganvas.tasks.sample.task.batch_size", lambda space: 20)
    made = runs["made"].sample(n=55, seed=1, unique=["age", "amount", "id"])
    assert made["age"].is_unique
    assert made["amount"].is_unique
    assert runs["made"].sample(n=100, seed=1, unique="score")["score"].dropna().is_unique
    monkeypatch.setattr("ganvas.tasks.sample.rejection.GRACE", 1000)
    with pytest.raises(InputError, match="found 3 of 4 with unique city"):
        runs["made"].sample(n=4, unique="city")


MISUSED: dict[str, Any] = {
    "no such column": ({"balance": "height"}, "no column 'height' was learned"),
    "too many values": ({"balance": "amount"}, "too many values"),
    "an identifier": ({"balance": "id"}, "no column 'id' was learned"),
    "both": ({"balance": "kind", "like": shop(50)}, "contradict each other"),
    "nothing in common": ({"like": pd.DataFrame({"height": [1.0]})}, "none of the columns"),
    "unknown level": ({"like": pd.DataFrame({"city": ["Rom"]})}, "never saw 'Rom'"),
    "unique what": ({"unique": "height"}, "unique=: no column 'height'"),
    "unique and like": ({"unique": "age", "like": shop(50)}, "contradict each other"),
    "together alone": ({"together": "city"}, "names one column"),
    "together with what": ({"together": "city,height"}, "together=: no column 'height'"),
    "constraint": ({"constraint": "start <= finish"}, "constraint=: there is no column 'finish'"),
    "ruled out": (
        {"balance": "kind", "where": "kind = 'rare'"},
        "nothing can meet kind = 'rare' and kind = common",
    ),
}


def test_combinations_need_the_data_of_the_training(tmp_path: Path) -> None:
    run = api.train("made", shop(60), out=tmp_path / "run", steps=2, width=8, quiet=True)
    assert len(run.sample(n=5, together="kind,paid")) == 5
    with pytest.raises(InputError, match="train from a file"):
        api.load(tmp_path / "run").sample(n=5, together="kind,paid")


@pytest.mark.parametrize("kind", MISUSED)
def test_misuse_is_said(runs: dict[str, api.Trained], kind: str) -> None:
    options, words = MISUSED[kind]
    with pytest.raises(InputError, match=words):
        runs["made"].sample(n=10, **options)
