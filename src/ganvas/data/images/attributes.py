"""Tables of attributes: a CSV file whose first column names images, as CelebA's has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from pyarrow import csv

from ...core import InputError
from ...core.attributes import Attributes


def read_attributes(source: Any) -> Attributes:
    """A CSV file or a data frame: the first column names examples, the others are numbers, or true
    and false.

    Raises InputError where there is no such table.
    """
    table, where = _table(source)
    if table.num_columns < 2 or not len(table):
        raise InputError(
            f"{where} has {table.num_columns} columns and {len(table)} rows; the first column names"
            " files"
        )
    names = [str(name) for name in table.column(0).to_pylist()]
    own = dict(zip(table.column_names[1:], table.columns[1:], strict=True))
    numbers = {name: column for name, column in own.items() if _is_number(column.type)}
    if not numbers:
        raise InputError(
            f"{where} has no column of numbers, or of true and false, beside its first"
        )
    columns = {
        name: torch.tensor(_floats(column), dtype=torch.float64) for name, column in numbers.items()
    }
    return Attributes(names, columns, where)


def _table(source: Any) -> tuple[pa.Table, str]:
    if not isinstance(source, str | Path):
        try:
            return pa.Table.from_pandas(source, preserve_index=False), "the table of attributes"
        except (AttributeError, TypeError) as error:
            raise InputError(
                f"{type(source).__name__} is no table of attributes; give a CSV file"
            ) from error
    if not Path(source).is_file():
        raise InputError(f"{source} does not exist; check the path")
    try:
        return csv.read_csv(source), str(source)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{source} cannot be read as CSV ({error}); its first line names the columns"
        ) from error


def _is_number(kind: pa.DataType) -> bool:
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    return any(test(kind) for test in tests)


def _floats(column: pa.ChunkedArray) -> list[float]:
    """Values, nan where they are missing."""
    whole = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
    values: list[float] = pc.fill_null(whole.cast(pa.float64()), float("nan")).to_pylist()
    return values
