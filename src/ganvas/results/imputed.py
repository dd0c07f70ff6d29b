"""Rows whose missing values were filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from torch import Tensor

from ..core import Given, Interval, Modality, Tabular
from ..core.result import Parts, Result, Tell, tell_nothing
from ..runtime.table_files import save_tables
from ._tables import file_in, given_rows


@dataclass(frozen=True)
class Imputed(Result):
    """Rows whose missing values were filled in, once or several times: of each draw all rows, (n,
    *space.shape)."""

    given: Given
    draws: tuple[Tensor, ...]

    def to_python(self, modality: Modality) -> Any:
        """A table, or of several draws a list of tables, in the form that rows were given in."""
        rows = given_rows(modality)
        tables = [rows.to_python([rows.filled(self.given, x)], self.given.form) for x in self.draws]
        return tables if len(tables) > 1 else tables[0]

    def save(self, modality: Modality, out: Path, tell: Tell = tell_nothing) -> list[Path]:
        """One file for each draw: rows.csv, or rows-1.csv, rows-2.csv and so on."""
        file = file_in(out, "rows.csv")
        tables = self.tables(modality)
        if len(tables) == 1:
            return [save_tables(tables["rows"], file)]
        names = [file.with_stem(f"{file.stem}-{i + 1}") for i in range(len(tables))]
        return [save_tables(x, name) for x, name in zip(tables.values(), names, strict=True)]

    def tables(self, modality: Modality) -> Mapping[str, Iterable[pa.Table]]:
        n, rows = len(self.draws), given_rows(modality)
        names = ["rows"] if n == 1 else [f"rows-{i + 1}" for i in range(n)]
        filled = [Parts(partial(_fill, rows, self.given, x)) for x in self.draws]
        return dict(zip(names, filled, strict=True))


@dataclass(frozen=True)
class ImputationIntervals(Result):
    """Rows whose missing values were filled in, and between what each of these lies."""

    given: Given
    between: Interval

    def to_python(self, modality: Modality) -> Any:
        rows = given_rows(modality)
        return rows.to_python([rows.ranged(self.between, self.given)], self.given.form)

    def save(self, modality: Modality, out: Path, tell: Tell = tell_nothing) -> list[Path]:
        return [save_tables(self.tables(modality)["rows"], file_in(out, "rows.csv"))]

    def tables(self, modality: Modality) -> Mapping[str, Iterable[pa.Table]]:
        return {"rows": [given_rows(modality).ranged(self.between, self.given)]}


def _fill(rows: Tabular, given: Given, x: Tensor) -> list[pa.Table]:
    return [rows.filled(given, x)]
