"""Results that are tables: which file, and what in Python."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..core import Modality, NamedExamples, Tabular


def rows_of(modality: Modality) -> Tabular | None:
    """The modality as one whose examples are rows of tables; None where they are something else."""
    return modality if isinstance(modality, Tabular) else None


def given_rows(modality: Modality) -> Tabular:
    """The same of a result that keeps rows as they were given, which nothing else has."""
    rows = rows_of(modality)
    assert rows is not None, "only what reads rows as they are given has a result that keeps them"
    return rows


def file_in(out: Path, name: str) -> Path:
    """The file that was asked for, or one of this name in the folder that was."""
    return out if out.suffix else out / name


def to_frame(tables: Iterable[pa.Table], modality: Modality) -> Any:
    """Tables of one schema as one: as rows came in, or of what is no row as a data frame."""
    rows = rows_of(modality)
    return pa.concat_tables(tables).to_pandas() if rows is None else rows.to_python(tables)


def source_columns(given: NamedExamples, modality: Modality) -> dict[str, pa.Array]:
    """name of every example, and its label where it has one."""
    columns = {"name": pa.array(given.names, pa.string())}
    if given.y is not None:
        labels = [modality.classes[i] for i in given.y.flatten().tolist()]
        columns["label"] = pa.array(labels, pa.string())
    return columns
