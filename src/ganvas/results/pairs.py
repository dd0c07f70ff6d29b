"""Examples beside what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from torch import Tensor

from ..core import Modality
from ..core.result import Parts, Result, Tell, tell_nothing
from ._sheets import save_stacked, stack_kinds
from ._tables import rows_of


@dataclass(frozen=True)
class Pairs(Result):
    """Examples beside what became of them, both (n, *space.shape)."""

    before: Tensor
    after: Tensor

    def to_python(self, modality: Modality) -> Any:
        """Pairs; of rows, which stand in the order that they came in, what became of them."""
        if rows_of(modality) is not None:
            return modality.to_python(self.after)
        before, after = modality.to_python(self.before), modality.to_python(self.after)
        return list(zip(before, after, strict=True))

    def save(self, modality: Modality, out: Path, tell: Tell = tell_nothing) -> list[Path]:
        """What became of each, and a sheet with rows in twos: above what was given, below what
        became of it."""
        kinds = self.before, self.after
        if out.suffix:
            return [save_stacked(kinds, modality, out)]
        sheet = out / "before-and-after.png"
        return [*modality.save(self.after, out), save_stacked(kinds, modality, sheet)]

    def tables(self, modality: Modality) -> Mapping[str, Iterable[pa.Table]]:
        """Of rows those of its sheet, one below the other."""
        rows = rows_of(modality)
        if rows is None:
            return {}
        return {"rows": Parts(lambda: rows.tables([stack_kinds((self.before, self.after))]))}
