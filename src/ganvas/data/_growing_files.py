"""Files that grow while they are read: CSV and JSON lines, one row a line."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import pyarrow as pa
import pyarrow.csv as pacsv
from rich.console import Console

from ..core import InputError
from .tables.sources import NOTHING, Frame, delimiter_of

POLL = 1.0  # seconds between two looks at a file
CHUNK = 2**20  # bytes that are read at a time
LINES = 8192  # that become one batch
JSON = (".jsonl", ".ndjson")

Read = TypeVar("Read")


def read_growing(file: Path, wait: Callable[[float], bool]) -> Iterator[tuple[bool, list[bytes]]]:
    """Whole lines of a file, then those that are added, without their ends, until `wait` says to
    stop.

    True stands beside the first lines of a file: at the beginning, after it was cut, and where
    another took its place (that is read to its end before). What has no end of line yet is waited
    for.
    """
    stream, rest, fresh = _open(file), b"", True
    try:
        while True:
            if chunk := stream.read(CHUNK):
                *whole, rest = (rest + chunk).split(b"\n")
                if whole:
                    yield fresh, [line.rstrip(b"\r") for line in whole]
                    fresh = False
            elif _was_replaced(file, stream):
                stream.close()
                stream, rest, fresh = _open(file), b"", True
            elif wait(POLL):
                return
    finally:
        stream.close()


def _open(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise InputError(f"{file} cannot be followed ({error.strerror}); check the path") from error


def _was_replaced(file: Path, stream: BinaryIO) -> bool:
    """Whether another file has this name now, or the file is shorter than what was read of it."""
    if not file.exists():  # between two names
        return False
    now, then = file.stat(), os.fstat(stream.fileno())
    return not os.path.samestat(now, then) or now.st_size < stream.tell()


def follow_rows(
    file: Path, columns: Sequence[str], wait: Callable[[float], bool]
) -> Iterator[tuple[Frame, pa.RecordBatch]]:
    """Rows of a growing file in batches, all values as text or as JSON has them; lines that are no
    rows are said and left out.

    columns: Of JSON, what is looked for in each line; what a line lacks is missing there.
    """
    if file.suffix.lower() not in (".csv", ".tsv", ".txt", *JSON):
        raise InputError(
            f"{file} is no kind of file that grows by lines; follow .csv, .tsv or .jsonl"
        )
    names, delimiter = list[str](), ","
    for fresh, lines in read_growing(file, wait):
        if fresh and file.suffix.lower() not in JSON:
            delimiter = delimiter_of(file)
            names = next(
                csv.reader([lines.pop(0).decode("utf-8-sig", "replace")], delimiter=delimiter)
            )
        for start in range(0, len(lines), LINES):
            some = [line for line in lines[start : start + LINES] if line.strip()]
            batch = (
                _from_csv(some, names, delimiter, file)
                if names
                else _from_json(some, columns, file)
            )
            if len(batch):
                yield Frame(str(file), "file", batch.schema, lambda: iter(())), batch


def _from_csv(lines: list[bytes], names: list[str], delimiter: str, file: Path) -> pa.RecordBatch:
    def left_out(row: Any) -> str:
        warn_once(
            file,
            f"a line of {row.actual_columns} values where there are {row.expected_columns} columns",
            row.text,
        )
        return "skip"

    texts = pacsv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        null_values=NOTHING,
        strings_can_be_null=True,
    )
    parse = pacsv.ParseOptions(delimiter=delimiter, invalid_row_handler=left_out)
    if not lines:
        return pa.RecordBatch.from_pylist([])
    content = b"\n".join(lines).decode("utf-8", "replace").encode()
    table = pacsv.read_csv(
        BytesIO(content), pacsv.ReadOptions(column_names=names, use_threads=False), parse, texts
    )
    return table.combine_chunks().to_batches()[0] if len(table) else pa.RecordBatch.from_pylist([])


def _from_json(lines: list[bytes], columns: Sequence[str], file: Path) -> pa.RecordBatch:
    rows = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict):
            rows.append(row)
        else:
            warn_once(file, "a line that is no JSON object", line.decode("utf-8", "replace"))
    return pa.RecordBatch.from_pydict(
        {name: _array([row.get(name) for row in rows]) for name in columns}
    )


def _array(values: list[Any]) -> pa.Array:
    """Values of one type as that; of several as text."""
    try:
        return pa.array(values)
    except pa.ArrowException:
        return pa.array([None if value is None else str(value) for value in values])


def readable_parts(
    batch: pa.RecordBatch, read: Callable[[pa.RecordBatch, int], Read]
) -> Iterator[Read]:
    """What `read` makes of a batch from row 0; where it refuses that, of each row with its number,
    those it refuses left out."""
    try:
        yield read(batch, 0)
    except InputError:
        for i in range(len(batch)):
            try:
                one = read(batch.slice(i, 1), i)
            except InputError as error:
                warn_once(None, str(error))
            else:
                yield one


def warn_once(file: Path | None, what: str, line: str = "") -> None:
    """Says on standard error what was left out."""
    words = f"{f'{file}: ' if file else ''}{what}{f' ({line[:80]})' if line else ''}: left out"
    Console(stderr=True, highlight=False, markup=False).print(words, soft_wrap=True)
