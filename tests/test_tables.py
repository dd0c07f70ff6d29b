"""Tables: whatever people keep rows in is read, and what comes out is of the same kind."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganvas import InputError, api
from ganvas.apps import cli
from ganvas.data._recognition import guess_modality
from ganvas.data.tables.modality import Tables
from ganvas.runs.run import describe_modality


def people(n: int = 300) -> pd.DataFrame:
    """A table with a column of every kind."""
    random = np.random.default_rng(0)
    day = pd.Timestamp("2020-02-28")
    return pd.DataFrame(
        {
            "id": [f"P{i:05d}" for i in range(n)],
            "age": random.integers(18, 90, n),
            "income": np.round(random.lognormal(8, 2, n), 2),
            "weight": random.normal(70, 12, n),
            "gain": np.where(random.random(n) < 0.9, 0, random.integers(1, 10_000, n)),
            "zip": [f"{z:05d}" for z in random.integers(1, 40, n)],
            "member": random.random(n) < 0.3,
            "score": pd.array(
                np.where(random.random(n) < 0.2, None, random.integers(0, 5, n)), dtype="Int64"
            ),
            "town": np.where(
                random.random(n) < 0.1, None, random.choice(["Ulm", "Bonn", "Kiel"], n)
            ),
            "size": pd.Categorical(
                random.choice(["S", "L"], n), categories=["S", "M", "L"], ordered=True
            ),
            "since": day + pd.to_timedelta(random.integers(0, 900, n), "D"),
            "seen": (day + pd.to_timedelta(random.integers(0, 10**7, n), "s")).tz_localize(
                "Europe/Berlin"
            ),
            "nothing": [None] * n,
            "country": ["DE"] * n,
        }
    )


def everything(tables: Tables, source: Any) -> torch.Tensor:
    return tables.read(source).gather().x


@pytest.mark.parametrize("numbers", ["bins", "modes"])
def test_a_table_comes_back_as_it_went_in(numbers: Any) -> None:
    frame = people()
    tables = Tables.learn(frame, numbers=numbers)
    back = tables.to_python(everything(tables, frame))
    pd.testing.assert_frame_equal(back.head(0), frame.head(0))
    for name in ("age", "member", "score", "town", "size", "nothing", "country", "zip"):
        pd.testing.assert_series_equal(back[name], frame[name])
    for name in ("income", "weight", "gain", "since", "seen"):
        assert back[name].between(frame[name].min(), frame[name].max()).all()
        assert (back[name].rank(pct=True) - frame[name].rank(pct=True)).abs().max() < 0.1
    assert ((back["gain"] == 0) == (frame["gain"] == 0)).all()
    assert (back["income"].round(2) == back["income"]).all()
    assert back["since"].dt.normalize().equals(back["since"])
    assert back["id"].is_unique
    assert back["id"].str.fullmatch(r"P\d{5}").all()


def test_the_kinds_of_columns_are_found_and_said() -> None:
    tables = Tables.learn(people())
    found = {c.name: c.described for c in tables.columns}
    assert found["id"].startswith("identifier")
    assert found["country"] == "constant"
    assert found["nothing"] == "always missing"
    assert found["income"] == "decimal, steps of 0.01"
    assert found["age"] == "integer"
    assert found["since"] == "date"
    assert found["zip"].startswith("category")
    said = Tables.learn(people(), category=["age"], drop=["income"], id=["zip"])
    assert {c.name: c.described for c in said.columns}["age"].startswith("category")
    assert "income" not in said.to_python(everything(said, people())).columns


def test_it_is_remembered_as_plain_values() -> None:
    import json

    tables = Tables.learn(people(), numbers="bins")
    state = json.loads(json.dumps(describe_modality(tables)["state"]))
    tuples = lambda v: tuple(map(tuples, v)) if isinstance(v, list) else v  # noqa: E731
    again = Tables(**{k: tuples(v) for k, v in state.items()})
    x = everything(tables, people())
    pd.testing.assert_frame_equal(again.to_python(x), tables.to_python(x))


def _write(frame: pd.DataFrame, file: Path) -> Any:
    match file.suffix:
        case ".csv":
            frame.to_csv(file, index=False)
        case ".tsv":
            frame.to_csv(file, index=False, sep="\t")
        case ".txt":
            frame.to_csv(file, index=False, sep=";")
        case ".parquet":
            frame.to_parquet(file)
        case ".feather":
            frame.to_feather(file)
        case ".jsonl":
            frame.to_json(file, orient="records", lines=True)
        case ".xlsx":
            frame.to_excel(file, index=False)
    return file


@pytest.mark.parametrize("ending", ["csv", "tsv", "txt", "parquet", "feather", "jsonl", "xlsx"])
def test_every_kind_of_file_is_read(ending: str, tmp_path: Path) -> None:
    frame = people()[["age", "income", "town", "member"]]
    file = _write(frame, tmp_path / f"people.{ending}")
    assert guess_modality(file) == "tables"
    tables = Tables.learn(file, numbers="bins")
    back = tables.to_python(everything(tables, file))
    assert back["age"].tolist() == frame["age"].tolist()
    assert back["town"].fillna("-").tolist() == frame["town"].fillna("-").tolist()
    assert back["member"].tolist() == frame["member"].tolist()


def test_shards_and_frames_of_other_libraries_are_read(tmp_path: Path) -> None:
    frame = people()[["age", "town"]]
    for i in range(3):
        frame[i * 100 : (i + 1) * 100].to_parquet(tmp_path / f"{i}.parquet")
    tables = Tables.learn(tmp_path)
    assert len(tables.read(tmp_path)) == 300
    kinds = {polars.DataFrame: polars.from_pandas(frame), pa.Table: pa.Table.from_pandas(frame)}
    for kind, source in kinds.items():
        tables = Tables.learn(source)
        back = tables.to_python(everything(tables, source))
        assert isinstance(back, kind)
        assert back.schema == source.schema


def test_shards_must_have_the_same_columns(tmp_path: Path) -> None:
    people().to_parquet(tmp_path / "1.parquet")
    people().drop(columns="age").to_parquet(tmp_path / "2.parquet")
    with pytest.raises(InputError, match=r"2.parquet has no column 'age', which 1.parquet has"):
        Tables.learn(tmp_path)


def test_a_database_is_asked(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "people.db") as base:
        people()[["age", "town"]].to_sql("people", base, index=False)
    url = f"sqlite:///{tmp_path / 'people.db'}"
    tables = Tables.learn(url, query="SELECT * FROM people WHERE age > 30")
    assert tables.to_python(everything(tables, url))["age"].min() > 30
    assert len(Tables.learn(url, query="people").read(url)) == 300
    with pytest.raises(InputError, match="say what to read"):
        Tables.learn(url)
    with pytest.raises(InputError, match="cannot answer"):
        Tables.learn(url, query="SELECT * FROM nobody")


SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


@pytest.mark.skipif(not SERVERS, reason="needs Debian's package postgresql")
def test_a_postgresql_server_is_asked_what_was_said(tmp_path: Path) -> None:
    import psycopg

    bin, home = (
        SERVERS[-1].parent,
        Path(tempfile.mkdtemp(prefix="pg")),
    )  # a socket's path has to be short
    ask = (
        ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    )  # the server refuses to run as root
    if ask:
        shutil.chown(home, "postgres")
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    control = [*ask, bin / "pg_ctl", "-D", home / "data", "-w"]
    subprocess.run(
        [*ask, bin / "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust"], **quiet
    )
    subprocess.run(
        [*control, "-l", home / "log", "-o", f"-k {home} -c listen_addresses=''", "start"], **quiet
    )
    try:
        with psycopg.connect(f"host={home} user=postgres dbname=postgres", autocommit=True) as base:
            base.execute(
                "create table people (age int, income numeric(8, 2), city text, since timestamptz)"
            )
            for i in range(60):
                age, city = i % 50 if i % 7 else None, "Ulm" if i % 3 else "Kiel"
                row = (age, i * 10.25, city, f"2024-01-{i % 28 + 1:02d} 10:00+00")
                base.execute("insert into people values (%s, %s, %s, %s)", row)
        url = f"postgresql+psycopg://postgres@/postgres?host={home}"
        tables = Tables.learn(url, query="select * from people where city = 'Ulm'")
        data = tables.read(url)
        assert len(data) == 40
        kinds = {column.name: column.described for column in tables.columns}
        assert (kinds["age"], kinds["city"], kinds["since"]) == ("integer", "constant", "date")
        back = tables.table(data.gather().x)
        assert back.column("age").null_count == 6
        assert str(back.schema.field("since").type).startswith("timestamp")
        with pytest.raises(InputError, match="nobody"):
            Tables.learn(url, query="select * from nobody")
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **quiet)
        shutil.rmtree(home)


def test_rare_levels_share_a_code_and_come_back() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "page": [f"/{p}" for p in random.zipf(1.3, 30_000) % 20_000],
            "n": random.integers(0, 9, 30_000),
        }
    )
    tables = Tables.learn(frame, numbers="bins")
    assert max(tables.space.sizes) <= 1001
    back = tables.to_python(everything(tables, frame))
    assert set(back["page"]) <= set(frame["page"])
    assert abs(back["page"].nunique() - frame["page"].nunique()) < 0.5 * frame["page"].nunique()
    unseen = tables.to_python(everything(tables, frame.head(3).assign(page="/never seen")))
    assert (unseen["page"].map(frame["page"].value_counts()) < 30).all()


def test_held_out_rows_stay_held_out_when_rows_are_added() -> None:
    frame = people()
    tables = Tables.learn(frame)
    before = tables.read(frame).split(0.2)[1].keys()
    after = tables.read(pd.concat([people(), people().sample(50)])).split(0.2)[1].keys()
    assert torch.isin(before, after).all()
    assert set(after.tolist()) == set(before.tolist())


def _csv(text: str) -> Any:
    def make(folder: Path) -> Path:
        (folder / "t.csv").write_text(text)
        return folder / "t.csv"

    return make


BAD = {
    "ragged": (_csv("a,b\n1,2\n3\n4,5\n"), "Expected 2 columns, got 1"),
    "header only": (_csv("a,b\n"), "no rows"),
    "one row": (_csv("a,b\n1,2\n"), "only one row"),
    "empty": (_csv(""), "cannot be read"),
    "repeated name": (_csv("a,a\n1,2\n3,4\n"), "two columns called 'a'"),
    "infinity": (lambda _: pd.DataFrame({"a": [1.0, np.inf, 2.0]}), "row 1: infinity"),
    "nothing varies": (_csv("a,b\n1,x\n1,x\n"), "no column that varies"),
    "lists": (lambda _: pd.DataFrame({"a": [[1], [2]]}), "drop='a'"),
    "mixed types": (lambda _: pd.DataFrame({"a": [1, "x", 2.0]}), "mixes types"),
    "free text": (
        lambda _: pd.DataFrame({"a": [f"so it was {i} that came to us" for i in range(99)]}),
        "free text",
    ),
    "mostly numbers": (
        _csv("a,b\n" + "".join(f"{i},1\n" for i in range(99)) + "n.v.,2\n"),
        "but for 1 values",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables_get_one_sentence(name: str, tmp_path: Path) -> None:
    make, words = BAD[name]
    with pytest.raises(InputError) as error:
        Tables.learn(make(tmp_path))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_table_in_latin_1_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("town,n\nKöln,1\nUlm,2\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF"):
        Tables.learn(tmp_path / "t.csv")


def test_another_table_must_fit() -> None:
    tables = Tables.learn(people())
    with pytest.raises(InputError, match="no column 'age'"):
        tables.read(people().drop(columns="age"))
    with pytest.raises(InputError, match="row 0: the model never saw 'XX'"):
        tables.read(people().assign(zip="XX"))
    with pytest.raises(InputError, match="empty in row 3"):
        tables.read(
            people().astype({"age": float}).assign(age=lambda f: f["age"].where(f.index != 3))
        )
    tables.read(people().assign(new=1))


def column(n: int) -> st.SearchStrategy[pd.Series]:
    """A column of any kind, with or without missing values."""
    days = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))
    floats = st.floats(-1e12, 1e12, allow_nan=False)
    kinds = {
        "int64": st.integers(-(2**40), 2**40),
        "Int64": st.none() | st.integers(-5, 5),
        "float64": st.none() | floats,
        "bool": st.booleans(),
        "boolean": st.none() | st.booleans(),
        "str": st.none() | st.text("aé,;\"'", max_size=4),
        "category": st.sampled_from(["x", "y", "z"]),
        "datetime64[us]": st.none() | days,
    }
    return st.one_of(
        st.lists(values, min_size=n, max_size=n).map(lambda v, kind=kind: pd.Series(v, dtype=kind))
        for kind, values in kinds.items()
    )


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    st.integers(2, 30).flatmap(lambda n: st.lists(column(n), min_size=1, max_size=4)),
    st.sampled_from(["bins", "modes"]),
)
def test_any_table_keeps_its_schema(columns: list[pd.Series], numbers: Any) -> None:
    frame = pd.DataFrame({f"c{i}": values for i, values in enumerate(columns)})
    frame["varies"] = range(len(frame))
    tables = Tables.learn(frame, numbers=numbers, number=["varies"])
    x = everything(tables, frame)
    pd.testing.assert_frame_equal(tables.to_python(x).head(0), frame.head(0))
    assert tables.to_python(x).isna().to_numpy().tolist() == frame.isna().to_numpy().tolist()
    raw = torch.randn(5, *tables.space.raw)
    pd.testing.assert_frame_equal(tables.to_python(tables.space.draw(raw)).head(0), frame.head(0))


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    st.integers(4, 30).flatmap(lambda n: st.lists(column(n), min_size=1, max_size=4)),
    st.sampled_from(
        [("made", {"width": 8}), ("ctgan", {"width": 8}), ("vae", {"width": 8, "latent": 2})]
    ),
)
def test_any_table_is_learned_drawn_saved_and_drawn_again(
    columns: list[pd.Series], model: tuple[str, dict[str, Any]]
) -> None:
    frame = pd.DataFrame({f"c{i}": values for i, values in enumerate(columns)})
    frame["varies"] = np.arange(len(frame)) % 3
    frame["letter"] = (list("abcd") * 8)[: len(frame)]
    with tempfile.TemporaryDirectory() as folder:
        run = api.train(
            model[0], frame, out=Path(folder) / "run", steps=2, quiet=True, held_out=0.0, **model[1]
        )
        drawn = run.sample(7, seed=1)
        again = api.load(Path(folder) / "run").sample(n=7, seed=1)
    pd.testing.assert_frame_equal(drawn.head(0), frame.head(0))
    pd.testing.assert_frame_equal(drawn, again)
    assert set(drawn["letter"]) <= set(frame["letter"])
    assert drawn["varies"].between(0, 2).all()


def test_thousands_of_columns_are_learned(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(40, 3_000)).round(2)).rename(columns="c{}".format)
    tables = Tables.learn(frame, numbers="bins")
    assert sum(tables.space.sizes) <= 30_300  # ten each, and spikes
    data = tables.read(frame)
    assert len(tables.describe(data)) < 5000
    back = tables.to_python(data.batch(torch.arange(5)).x)
    assert back.shape == (5, 3_000)


@pytest.mark.parametrize("model", ["made", "vae", "ae", "gan"])
def test_from_a_file_to_new_rows(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(people(), tmp_path / "people.csv")
    run = str(tmp_path / "run")
    assert (
        cli.run(
            [
                "train",
                model,
                str(tmp_path / "people.csv"),
                "--out",
                run,
                "--width",
                "16",
                "--steps",
                "5",
            ]
        )
        == 0
    )
    if model == "ae":
        return
    assert (
        cli.run(["sample", run, "--n", "20", "--seed", "1", "--out", str(tmp_path / "new.parquet")])
        == 0
    )
    new = pq.read_table(tmp_path / "new.parquet").to_pandas()
    assert len(new) == 20
    assert set(new["zip"]) <= set(people()["zip"])
    assert new["since"][0] > date(2020, 1, 1) - timedelta(1)
    assert list((tmp_path / "run" / "previews").glob("*.png"))
    assert (tmp_path / "run" / "report.html").exists()


def test_rows_are_judged_beside_real_ones_and_independent_columns(tmp_path: Path) -> None:
    frame = people(900)
    run = api.train("made", frame[:600], out=tmp_path / "run", width=32, steps=60, quiet=True)
    assert isinstance(run.sample(n=5), pd.DataFrame)
    judged = run.evaluate(frame[600:], quiet=True)
    names = {figure.name for figure in judged.figures}
    assert {
        "column shapes",
        "pair trends",
        "C2ST AUC",
        "recall",
        "near duplicates",
        "bits per dimension",
    } <= names
    beside = next(f for f in judged.figures if f.name == "C2ST AUC").beside
    assert beside["real data"].value < 0.6
    assert set(beside) == {"real data", "independent columns"}
    assert (tmp_path / "run" / "images" / "marginals.png").exists()
