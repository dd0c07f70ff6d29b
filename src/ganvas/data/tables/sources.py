"""Where tables come from: files, folders of them, databases, frames in memory; all as batches of
Arrow."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.dataset as pads
import pyarrow.json as pajson
import pyarrow.parquet as pq

from ...core import InputError
from ...runtime.console import is_silent, stderr_console
from ...runtime.errors import flag

ENDINGS = frozenset(
    {".csv", ".tsv", ".txt", ".parquet", ".feather", ".arrow", ".jsonl", ".ndjson", ".xlsx", ".xls"}
)
FORMS = ("pandas", "polars", "pyarrow")
NOTHING = ["", "NA", "N/A", "NaN", "nan", "n/a", "null", "NULL", "None", "<NA>", "#N/A"]
"""What files write where a value is missing."""
BLOCK = 2**24  # bytes of a file that are parsed at a time
BUFFER = 2**20  # bytes of a Parquet column that are fetched at a time
ROWS = 2**16
PROSE = 50  # lines of a text that are looked at for columns
MOSTLY = 0.9  # a column of text of which so much is numbers was meant to hold numbers

Form = Literal["file", "pandas", "polars", "pyarrow"]


@dataclass(frozen=True)
class Frame:
    """A table that can be read from its start as often as one likes.

    where: What to call it when something is wrong.
    form: What it is in Python, or "file".
    schema: Names and Arrow types of its columns.
    batches: Reads it from its start.
    """

    where: str
    form: Form
    schema: pa.Schema
    batches: Callable[[], Iterator[pa.RecordBatch]]


def is_table(source: Any) -> bool:
    """Whether a source looks like a table; files that could hold images too are looked into
    elsewhere."""
    if isinstance(source, str | Path):
        path = Path(source)
        shards = path.is_dir() and any(path.glob("*.parquet"))
        own = path.is_file() and path.suffix.lower() in ENDINGS and not is_prose(path)
        return "://" in str(source) or shards or own
    return _form(source) is not None


def is_prose(path: Path) -> bool:
    """Whether a file is text that nothing parts into columns: lines are no numbers, and hold no
    separator equally often."""
    if path.suffix.lower() not in (".txt", ".log"):
        return False
    with path.open(encoding=_encoding(path), errors="replace") as stream:
        lines = [line.strip() for line in islice(stream, PROSE) if line.strip()]
    numbers = pc.all(_looks_like_a_number(pa.array(lines, pa.string()))).as_py()
    parted = len(lines) > 1 and any(
        lines[0].count(c) and len({line.count(c) for line in lines}) == 1 for c in ",;\t|"
    )
    return not (numbers or parted)


def files_of(source: Any) -> list[Any]:
    """The tables in a folder where that holds others than Parquet; else the source itself."""
    if (
        not isinstance(source, str | Path)
        or not Path(source).is_dir()
        or any(Path(source).rglob("*.parquet"))
    ):
        return [source]
    files = sorted(file for file in Path(source).iterdir() if file.suffix.lower() in ENDINGS)
    if not files:
        raise InputError(
            f"{source} has no tables; files of these end in {', '.join(sorted(ENDINGS))}"
        )
    return files


def open_frame(source: Any, query: str | None = None) -> Frame:
    """Opens a table. Raises InputError where there is none, or where it has no columns or repeats a
    name."""
    if isinstance(source, str | Path):
        frame = _database(str(source), query) if "://" in str(source) else _open_path(Path(source))
    elif form := _form(source):
        frame = _in_memory(source, form)
    else:
        raise InputError(
            f"{type(source).__name__} is no table; give a path, a database URL or a data frame"
        )
    names = frame.schema.names
    if repeated := next((n for n in names if names.count(n) > 1), None):
        raise InputError(f"{frame.where} has two columns called {repeated!r}; rename one")
    if not names:
        raise InputError(f"{frame.where} has no columns; give a table with at least one")
    return frame


def _form(source: Any) -> Literal["pandas", "polars", "pyarrow"] | None:
    """Which library a frame in memory belongs to; None for what is no frame."""
    import narwhals as nw

    native = nw.from_native(source, eager_only=True, pass_through=True)
    name = native.implementation.value if isinstance(native, nw.DataFrame) else None
    return next((form for form in ("pandas", "polars", "pyarrow") if form == name), None)


def _in_memory(source: Any, form: Literal["pandas", "polars", "pyarrow"]) -> Frame:
    import narwhals as nw

    where = f"the {form} table"
    try:
        table = (
            pa.Table.from_pandas(source, preserve_index=False)
            if form == "pandas"
            else nw.from_native(source, eager_only=True).to_arrow()
        )
    except (pa.ArrowException, ValueError) as error:
        raise InputError(
            f"{where} mixes types in a column ({_first_line(error)}); make each column one type"
        ) from error
    return Frame(where, form, table.schema, lambda: iter(table.to_batches(ROWS)))


def _open_path(path: Path) -> Frame:
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path")
    if path.is_dir():
        return _parquet(path)
    readers: dict[str, Callable[[Path], Frame]] = {
        ".parquet": _parquet,
        ".feather": _feather,
        ".arrow": _feather,
        ".jsonl": _json_lines,
        ".ndjson": _json_lines,
        ".xlsx": _excel,
        ".xls": _excel,
    }
    return readers.get(path.suffix.lower(), _csv)(path)


def _parquet(path: Path) -> Frame:
    """A file, or a folder of them with the same columns; read page by page, however long their row
    groups are."""
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    with _readable(path):
        schema = pq.read_schema(files[0])

    def batches() -> Iterator[pa.RecordBatch]:
        for file in files:
            with (
                _readable(file),
                pq.ParquetFile(file, pre_buffer=False, buffer_size=BUFFER) as shard,
            ):
                absent = [name for name in schema.names if name not in shard.schema_arrow.names]
                if absent:
                    raise InputError(
                        f"{file} has no column {absent[0]!r}, which {files[0].name} has; add it"
                    )
                for batch in shard.iter_batches(ROWS, columns=schema.names):
                    yield batch.select(schema.names).cast(schema)

    return Frame(str(path), "file", schema, batches)


def _feather(path: Path) -> Frame:
    with _readable(path):
        found = pads.dataset([str(path)], format="feather")
        return Frame(str(path), "file", found.schema, lambda: found.to_batches(batch_size=ROWS))


def _json_lines(path: Path) -> Frame:
    with _readable(path):
        table = pajson.read_json(path)
    return Frame(str(path), "file", table.schema, lambda: iter(table.to_batches(ROWS)))


def _excel(path: Path) -> Frame:
    import pandas as pd

    try:
        sheet = pd.read_excel(path)
    except ImportError as error:
        raise InputError(
            f"{path} needs a reader of Excel files: pip install 'ganvas[tables]'"
        ) from error
    except ValueError as error:
        raise InputError(
            f"{path} is no Excel file that can be read ({_first_line(error)}); save it again"
        ) from error
    found = _in_memory(sheet, "pandas")
    return Frame(str(path), "file", found.schema.remove_metadata(), found.batches)


def _database(url: str, query: str | None) -> Frame:
    """The answer to a query, or a whole table where the query is a table's name."""
    try:
        import sqlalchemy as sa
    except ImportError as error:
        raise InputError(
            "reading a database needs SQLAlchemy: pip install 'ganvas[tables]'"
        ) from error
    import pandas as pd

    shown = url.split("@")[-1]  # no password
    if not query:
        raise InputError(
            f"{shown} is a database; say what to read: {flag('query', 'SELECT * FROM …')}, or a"
            " table's name"
        )

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            with (
                sa.create_engine(url).connect().execution_options(stream_results=True) as connection
            ):
                text = sa.text(
                    query if " " in query.strip() else f'SELECT * FROM "{query.strip()}"'
                )
                for part in pd.read_sql(text, connection, chunksize=ROWS, dtype_backend="pyarrow"):
                    yield from pa.Table.from_pandas(part, preserve_index=False).to_batches()
        except (sa.exc.SQLAlchemyError, pd.errors.DatabaseError, ImportError) as error:
            raise InputError(
                f"{shown} cannot answer the query ({_first_line(error)}); check both"
            ) from error

    first = next(batches(), None)
    if first is None:
        raise InputError(f"{shown} answers the query with no rows; ask for some")
    schema = first.schema.remove_metadata()
    return Frame(shown, "file", schema, lambda: (b.cast(schema) for b in batches()))


def _csv(path: Path) -> Frame:
    """Text that is sniffed for its separator; the type of a column is the narrowest that all its
    values fit."""
    parse = pacsv.ParseOptions(delimiter=delimiter_of(path), newlines_in_values=True)
    read = pacsv.ReadOptions(block_size=BLOCK, encoding=_encoding(path))
    with _readable(path):
        names = pacsv.open_csv(path, read, parse).schema.names
    texts = pacsv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        null_values=NOTHING,
        strings_can_be_null=True,
    )

    def rows() -> Iterator[pa.RecordBatch]:
        with _readable(path):
            yield from pacsv.open_csv(path, read, parse, texts)

    types = (
        _types(rows(), names, path)
        if len(set(names)) == len(names)
        else dict.fromkeys(names, pa.string())
    )
    schema = pa.schema([pa.field(name, types[name]) for name in names])
    return Frame(str(path), "file", schema, lambda: (_cast(batch, schema) for batch in rows()))


def delimiter_of(path: Path) -> str:
    """What separates the values of a line of text."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    with path.open(encoding=_encoding(path), errors="replace", newline="") as stream:
        head = stream.read(2**16)
    try:
        return csv.Sniffer().sniff(head.partition("\n")[0] or head, ",;\t|").delimiter
    except csv.Error:
        return ","


def _encoding(path: Path) -> str:
    with path.open("rb") as stream:
        start = stream.read(4)
    return "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"


CASTS = {
    "integer": pa.int64(),
    "decimal": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "time": pa.timestamp("us"),
    "zoned time": pa.timestamp("us", "UTC"),
}
"""Types that text may turn out to be, the narrowest first."""


def _types(
    batches: Iterator[pa.RecordBatch], names: list[str], path: Path
) -> dict[str, pa.DataType]:
    """Of each column of text, the narrowest type that all its values fit."""
    fits = {name: dict(CASTS) for name in names}
    seen = dict.fromkeys(names, False)
    numbers = dict.fromkeys(names, (0, 0))
    for batch in batches:
        for name, texts in zip(names, batch.columns, strict=True):
            present = texts.drop_null()
            seen[name] |= len(present) > 0
            parts, whole = numbers[name]
            numbers[name] = (
                parts + int(pc.sum(_looks_like_a_number(present)).as_py() or 0),
                whole + len(present),
            )
            fits[name] = {kind: t for kind, t in fits[name].items() if _fits(present, t)}
    for name, (parts, whole) in numbers.items():
        if seen[name] and not fits[name] and parts > 20 and MOSTLY * whole < parts < whole:
            raise _mixed(path, name, whole - parts)
    return {n: next(iter(fits[n].values()), pa.string()) if seen[n] else pa.null() for n in names}


def _looks_like_a_number(texts: pa.Array) -> pa.Array:
    return pc.match_substring_regex(texts, r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$")


def _mixed(path: Path, name: str, others: int) -> InputError:
    return InputError(
        f"{path}: column {name!r} holds numbers but for {others:,} values; mend those, or say"
        f" {flag('category', name)}"
    )


def _fits(texts: pa.Array, kind: pa.DataType) -> bool:
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if number and pc.any(pc.match_substring_regex(texts, r"^[-+]?0\d")).as_py():
        return False  # leading zeros mean something: a code, not a number
    if pa.types.is_boolean(kind) and pc.any(pc.match_substring_regex(texts, r"^[01]$")).as_py():
        return False
    try:
        pc.cast(texts, kind)
    except pa.ArrowInvalid:
        return False
    return True


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    arrays = [
        pa.nulls(len(batch)) if pa.types.is_null(field.type) else pc.cast(texts, field.type)
        for texts, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Inside, what Arrow cannot read becomes one sentence."""
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        words = _first_line(error)
        advice = "save it as UTF-8" if "UTF" in words or "codec" in words else "mend the file"
        raise InputError(f"{path} cannot be read ({words}); {advice}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def read_batches(frame: Frame, words: str) -> Iterator[pa.RecordBatch]:
    """A frame's batches, with a count of rows where there are many."""
    if is_silent():
        yield from frame.batches()
        return
    rows = 0
    with stderr_console().status(words) as status:
        for batch in frame.batches():
            rows += len(batch)
            status.update(f"{words}: {rows:,}")
            yield batch
