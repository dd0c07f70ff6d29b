"""What is compressed comes back to the last bit, in fewer bytes; what is foreign or damaged is
refused."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganvas import InputError, api
from ganvas.apps import cli
from ganvas.data.tables.lossless import packed_ranks, unpacked_ranks
from test_tables import column, people


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> api.Trained:
    options = {"steps": 60, "width": 32, "quiet": True}
    return api.train(
        "made", people(300), out=tmp_path_factory.mktemp("compress") / "run", **options
    )


def test_every_kind_of_column_comes_back(run: api.Trained) -> None:
    seen = people(300).sample(200, random_state=1).reset_index(drop=True)
    packed = run.compress(seen)
    pd.testing.assert_frame_equal(run.decompress(packed), seen)


def test_what_was_never_learned_comes_back_too(run: api.Trained) -> None:
    seen = people(50).assign(more=np.arange(50.0))
    seen.loc[3, "town"], seen.loc[4, "age"], seen.loc[5, "gain"] = "Nowhere", 10_000, -7
    seen.loc[6, "weight"] = np.nan
    pd.testing.assert_frame_equal(run.decompress(run.compress(seen)), seen)


def test_other_libraries_get_what_they_gave(tmp_path: Path) -> None:
    frame = polars.from_pandas(people(300).drop(columns=["size", "seen"]))
    run = api.train("made", frame, out=tmp_path / "run", steps=3, width=8, quiet=True)
    assert run.decompress(run.compress(frame)).equals(frame, null_equal=True)
    table = pa.table(
        {
            "a": pa.array([1.5, float("nan"), None, -0.0] * 9),
            "b": pa.array([1, 2, 3] * 12, pa.int16()),
        }
    )
    run = api.train("made", table, out=tmp_path / "arrow", steps=3, width=8, quiet=True)
    back = run.decompress(run.compress(table))
    assert back.schema == table.schema
    assert repr(back.to_pylist()) == repr(table.to_pylist())


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.integers(4, 30).flatmap(lambda n: st.lists(column(n), min_size=1, max_size=4)))
def test_any_table_comes_back(columns: list[pd.Series]) -> None:
    frame = pd.DataFrame({f"c{i}": values for i, values in enumerate(columns)})
    frame["letter"] = (list("abcd") * 8)[: len(frame)]
    with tempfile.TemporaryDirectory() as folder:
        run = api.train(
            "made", frame, out=Path(folder) / "run", steps=2, width=8, quiet=True, held_out=0.0
        )
        pd.testing.assert_frame_equal(run.decompress(run.compress(frame)), frame)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.integers(1, 2**38).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))),
        max_size=20,
    )
)
def test_ranks_come_back(pairs: list[tuple[int, int]]) -> None:
    rank, number = (np.array([pair[i] for pair in pairs], np.int64) for i in range(2))
    rank[-1:] = number[-1:] - 1
    (back,) = unpacked_ranks(packed_ranks([(rank, number)]), [number])
    assert back.tolist() == rank.tolist()


def test_what_a_model_has_learned_takes_few_bits(tmp_path: Path) -> None:
    """A column that follows from another costs next to nothing: bits are those of the
    likelihood."""
    random = np.random.default_rng(0)
    kind = random.integers(0, 8, 6000)
    frame = pd.DataFrame(
        {"kind": np.array(list("abcdefgh"))[kind], "twin": np.array(list("stuvwxyz"))[kind]}
    )
    run = api.train("made", frame, out=tmp_path / "run", steps=300, width=32, batch=256, quiet=True)
    bits = 8 * len(run.do("compress", frame).packed) / len(frame)
    nats = run.model.score(run.run.modality.read(frame).gather().x).mean().item()
    assert bits == pytest.approx(nats / np.log(2), rel=0.02)
    assert bits < 3.3


def test_the_command_writes_a_file_that_only_its_model_opens(
    run: api.Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people(200).to_parquet(tmp_path / "people.parquet")
    folder, file = str(run.run.path), str(tmp_path / "people.ganvas")
    assert cli.run(["compress", folder, str(tmp_path / "people.parquet"), "--out", file]) == 0
    assert cli.run(["decompress", folder, file, "--out", str(tmp_path / "back.parquet")]) == 0
    assert pq.read_table(tmp_path / "back.parquet").equals(
        pq.read_table(tmp_path / "people.parquet")
    )
    other = api.train("made", people(300), out=tmp_path / "other", steps=2, width=8, quiet=True)
    content = bytearray(Path(file).read_bytes())
    damaged = bytes(content[:-30]) + bytes([content[-30] ^ 1]) + bytes(content[-29:])
    wrong: list[tuple[api.Trained, Any, str]] = [
        (other, bytes(content), "another model"),
        (run, damaged, "damaged"),
        (run, b"PK\x03\x04 a zip", "no file that"),
        (run, bytes(content[:40]), "damaged"),
        (run, tmp_path / "none.ganvas", "does not exist"),
    ]
    for trained, source, words in wrong:
        with pytest.raises(InputError, match=words):
            trained.decompress(source)


def test_models_that_do_not_factorise_say_so(tmp_path: Path) -> None:
    run = api.train("vae", people(60), out=tmp_path / "run", steps=2, width=8, latent=2, quiet=True)
    with pytest.raises(InputError, match="cannot compress"):
        run.compress(people(10))
