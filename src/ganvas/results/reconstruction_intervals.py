"""Examples beside their reconstructions, and between what the values of these lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from torch import Tensor

from ..core import Interval, Modality
from ..core.result import Result, Tell, tell_nothing
from ..runtime.table_files import save_tables
from ._sheets import save_stacked
from ._tables import file_in, rows_of


@dataclass(frozen=True)
class ReconstructionIntervals(Result):
    """Examples and their reconstructions, both (n, *space.shape).

    between: Between what the values of these lie.
    """

    before: Tensor
    after: Tensor
    between: Interval

    def to_python(self, modality: Modality) -> Any:
        """Of each example itself, its reconstruction, and the low and the high ends of its
        intervals; of rows one table."""
        rows = rows_of(modality)
        if rows is not None:
            return rows.to_python([rows.ranged(self.between)])
        low, high = self.between.ends_like(self.after.cpu())
        kinds = [modality.to_python(x) for x in (self.before, self.after, low, high)]
        return list(zip(*kinds, strict=True))

    def save(self, modality: Modality, out: Path, tell: Tell = tell_nothing) -> list[Path]:
        """A table of rows. Of all else reconstructions, both ends, and a sheet with rows in threes:
        what was given, what became of it, and how wide the intervals are, as heat."""
        tables = self.tables(modality)
        if tables:
            return [save_tables(tables["rows"], file_in(out, "rows.csv"))]
        low, high = self.between.ends_like(self.after)
        heat = (high.clamp(-1, 1) - low.clamp(-1, 1)) - 1  # as wide as all values is white
        kinds = self.before, self.after, heat
        if out.suffix:
            return [save_stacked(kinds, modality, out)]
        files = modality.save(self.after, out)
        for name, x in (("low", low), ("high", high), ("unsure", heat)):
            files = [*files, *modality.save(x, out / name)]
        return [*files, save_stacked(kinds, modality, out / "before-and-after.png")]

    def tables(self, modality: Modality) -> Mapping[str, Iterable[pa.Table]]:
        rows = rows_of(modality)
        return {} if rows is None else {"rows": [rows.ranged(self.between)]}
