"""An answer in the form that was asked for: JSON, an image, all files in one, or a table as CSV,
Arrow or Parquet."""

from __future__ import annotations

import base64
import json
import os
import zipfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isfinite
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ...core import Modality, Result

JSON, PNG, ZIP, CSV = "application/json", "image/png", "application/zip", "text/csv"
ARROW, PARQUET, BYTES = (
    "application/vnd.apache.arrow.stream",
    "application/vnd.apache.parquet",
    "application/octet-stream",
)
KINDS = (JSON, PNG, ZIP, CSV, ARROW, PARQUET, BYTES)
"""In this order, where somebody takes several as gladly."""

TYPES = {
    ".png": PNG,
    ".gif": "image/gif",
    ".jpg": "image/jpeg",
    ".csv": CSV,
    ".parquet": PARQUET,
    ".html": "text/html",
    ".mp4": "video/mp4",
    ".txt": "text/plain",
    ".npy": "application/octet-stream",
}
PIECE = 2**18  # bytes that are sent at a time


class NotThat(Exception):
    """An answer cannot be had in the form that was asked for."""


@dataclass
class Reply:
    """The content of an answer: bytes, or an open file that nothing else knows of."""

    kind: str
    content: bytes | BinaryIO
    name: str


def negotiate(accept: str) -> str:
    """The media type that an Accept header asks for. Raises NotThat where it asks for none that
    there is."""
    asked = [_read_weight(part) for part in (accept or "*/*").split(",")]
    for weight, kind in sorted(asked, key=lambda pair: -pair[0]):
        fits = [
            one
            for one in KINDS
            if kind in (one, "*/*") or (kind.endswith("/*") and one.startswith(kind[:-1]))
        ]
        if fits and weight > 0:
            return fits[0]
    raise NotThat(f"answers come as {', '.join(KINDS)}")


def _read_weight(part: str) -> tuple[float, str]:
    kind, *parameters = (word.strip().lower() for word in part.split(";"))
    weights = [word[2:] for word in parameters if word.startswith("q=")]
    try:
        return float(weights[0]) if weights else 1.0, kind
    except ValueError:
        return 0.0, kind


def reply(result: Result, modality: Modality, kind: str, folder: Path) -> Reply:
    """A result as a kind; files are made in a new folder. Raises NotThat where it cannot be
    that."""
    match kind:
        case "image/png":
            return _image(result, modality, folder)
        case "application/zip":
            return Reply(ZIP, _zipped(result.save(modality, folder), folder), "answer.zip")
        case "application/octet-stream":
            return _bytes(result)
        case "application/json":
            return Reply(JSON, _json(result, modality, folder), "answer.json")
        case _:
            return _table(result, modality, kind, folder)


def replies_apart(result: Result, modality: Modality, sizes: Sequence[int]) -> list[Reply]:
    """A table of findings as JSON for each of several people, who brought so many examples."""
    (table,) = result.tables(modality).values()
    rows = iter(_rows(table))
    own = [list(islice(rows, size)) for size in sizes]
    figures = result.figures()
    counts = [{"found": sum(row["found"] for row in some), "of": len(some)} for some in own]
    return [
        Reply(JSON, _said({"figures": figures | count, "rows": some, "files": []}), "")
        for count, some in zip(counts, own, strict=True)
    ]


def _image(result: Result, modality: Modality, folder: Path) -> Reply:
    if not result.is_image(modality):
        raise NotThat("this answer is no image; ask for application/json or application/zip")
    content = _only(result.save(modality, folder / "answer.png")).read_bytes()
    return Reply(PNG, content, "answer.png")


def _bytes(result: Result) -> Reply:
    content = result.content()
    if content is None:
        raise NotThat("only what is packed comes as bytes; ask for application/zip")
    return Reply(BYTES, content, "packed.ganvas")


def _only(files: Sequence[Path]) -> Path:
    if len(files) != 1:
        raise NotThat(
            f"the answer is {len(files)} files; ask for application/zip or application/json"
        )
    return files[0]


def _json(result: Result, modality: Modality, folder: Path) -> bytes:
    """Figures, rows of the table that a result is, and its files: images in base64, texts, tables
    as rows."""
    tables = {name: _rows(table) for name, table in result.tables(modality).items()}
    if len(tables) == 1:
        (rows,) = tables.values()
        return _said({"figures": result.figures(), "rows": rows, "files": []})
    files = [
        {"name": f"{name}.parquet", "type": PARQUET, "rows": rows} for name, rows in tables.items()
    ]
    if not tables:
        files = [_filed(file, folder) for file in result.save(modality, folder)]
    return _said({"figures": result.figures(), "rows": [], "files": files})


def _rows(tables: Iterable[pa.Table]) -> list[dict[str, Any]]:
    return [row for table in tables for row in records(table)]


def _filed(file: Path, folder: Path) -> dict[str, Any]:
    name, kind = file.relative_to(folder).as_posix(), TYPES.get(file.suffix.lower(), BYTES)
    if kind.startswith("text/"):
        return {"name": name, "type": kind, "text": file.read_text("utf-8")}
    return {"name": name, "type": kind, "base64": base64.b64encode(file.read_bytes()).decode()}


def records(table: pa.Table) -> list[dict[str, Any]]:
    """Rows, in which numbers that are none are missing."""
    names = table.column_names
    return [
        dict(zip(names, row, strict=True))
        for row in zip(*(_values(column) for column in table.columns), strict=True)
    ]


def _values(column: pa.ChunkedArray) -> list[Any]:
    values: list[Any] = column.to_pylist()
    if not pa.types.is_floating(column.type):
        return values
    return [value if value is None or abs(value) < float("inf") else None for value in values]


def _said(answer: Any) -> bytes:
    try:
        return json.dumps(answer, default=_plain, allow_nan=False).encode()
    except ValueError:  # few answers hold what JSON has no word for
        return json.dumps(finite(answer), default=_plain).encode()


def finite(value: Any) -> Any:
    """The same, in which numbers that are none, or without end, are missing, as JSON has it."""
    if isinstance(value, dict):
        return {name: finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _plain(value: Any) -> str:
    """Dates, times and bytes in words."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _table(result: Result, modality: Modality, kind: str, folder: Path) -> Reply:
    if not result.tables(modality):
        raise NotThat(
            "this answer is no table; ask for application/json, image/png or application/zip"
        )
    file = _only(result.save(modality, folder / "rows.parquet"))
    if kind == PARQUET:
        return Reply(PARQUET, file.read_bytes(), "rows.parquet")
    spool = TemporaryFile()  # noqa: SIM115 # closed when it has been sent
    with pq.ParquetFile(file) as parts, ROWS[kind](spool, parts.schema_arrow) as write:
        for batch in parts.iter_batches():
            write(pa.Table.from_batches([batch]))
    return Reply(kind, spool, f"rows.{'csv' if kind == CSV else 'arrows'}")


def _zipped(files: Iterable[Path], folder: Path) -> BinaryIO:
    spool = TemporaryFile()  # noqa: SIM115 # closed when it has been sent
    with zipfile.ZipFile(spool, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in files:
            archive.write(file, file.relative_to(folder).as_posix())
    return spool


class _Writing:
    """Writes tables of one schema into a stream, one below the other."""

    def __init__(
        self, open_: Callable[[Any, pa.Schema], Any], stream: Any, schema: pa.Schema
    ) -> None:
        self.schema = plain(schema)
        self.stream, self.writer = stream, open_(stream, self.schema)

    def __enter__(self) -> Callable[[pa.Table], None]:
        return lambda table: self.writer.write_table(table.cast(self.schema))

    def __exit__(self, *wrong: object) -> None:
        self.writer.close()
        self.stream.flush()


def plain(schema: pa.Schema) -> pa.Schema:
    """A schema whose words are words, not numbers of a dictionary that may grow."""
    return pa.schema(
        [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in schema]
    )


ROWS: dict[str, Callable[[Any, pa.Schema], _Writing]] = {
    CSV: lambda stream, schema: _Writing(pacsv.CSVWriter, stream, schema),
    ARROW: lambda stream, schema: _Writing(pa.ipc.new_stream, stream, schema),
    PARQUET: lambda stream, schema: _Writing(pq.ParquetWriter, stream, schema),
}
"""How tables are written into streams."""


async def pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    """The content of a file, which is closed afterwards."""
    with file:
        place = 0
        while piece := os.pread(file.fileno(), PIECE, place):
            place += len(piece)
            yield piece
