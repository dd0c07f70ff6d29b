"""Where tables go: files of every kind, written one part after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from .errors import InputError

Open = Callable[[Path, pa.Schema], AbstractContextManager[Callable[[pa.Table], Any]]]


def save_tables(tables: Iterable[pa.Table], target: Path) -> Path:
    """Writes tables of one schema one below the other; the file is there when all of it is.

    Raises InputError for an ending that no kind of table has.
    """
    opened = WRITERS.get(target.suffix.lower())
    if opened is None:
        raise InputError(
            f"{target} is no kind of file that rows go into; end it in {', '.join(WRITERS)}"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.part")
    parts = iter(tables)
    try:
        first = next(parts)
        with opened(beside, first.schema) as write:
            for table in chain([first], parts):
                write(table)
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
    return target


@contextmanager
def _csv(file: Path, schema: pa.Schema, delimiter: str = ",") -> Any:
    plain = pa.schema(
        [
            pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type)
            for f in schema
        ]
    )
    with pacsv.CSVWriter(
        file, plain, write_options=pacsv.WriteOptions(delimiter=delimiter)
    ) as writer:
        yield lambda table: writer.write_table(table.cast(plain))


@contextmanager
def _parquet(file: Path, schema: pa.Schema) -> Any:
    with pq.ParquetWriter(file, schema) as writer:
        yield writer.write_table


@contextmanager
def _feather(file: Path, schema: pa.Schema) -> Any:
    options = pa.ipc.IpcWriteOptions(compression="lz4", unify_dictionaries=True)
    with pa.ipc.new_file(str(file), schema, options=options) as writer:
        yield writer.write_table


@contextmanager
def _json_lines(file: Path, schema: pa.Schema) -> Any:
    with file.open("w", encoding="utf-8") as stream:
        yield lambda table: table.to_pandas().to_json(
            stream, orient="records", lines=True, date_format="iso"
        )


@contextmanager
def _excel(file: Path, schema: pa.Schema) -> Any:
    """One sheet, which has to be held in memory until it is whole."""
    parts: list[pa.Table] = []
    yield parts.append
    pa.concat_tables(parts).to_pandas().to_excel(file, index=False, engine="openpyxl")


WRITERS: dict[str, Open] = {
    ".csv": _csv,
    ".tsv": partial(_csv, delimiter="\t"),
    ".parquet": _parquet,
    ".feather": _feather,
    ".jsonl": _json_lines,
    ".xlsx": _excel,
}
