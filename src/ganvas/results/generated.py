"""New examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import torch
from torch import Tensor

from ..core import Modality
from ..core.images import IMAGE_ENDINGS
from ..core.result import Parts, Result, Tell, tell_nothing
from ..runtime.table_files import save_tables
from ._tables import file_in, rows_of

SHEET = 100  # examples of the sheet


@dataclass(frozen=True)
class Generated(Result):
    """New examples, in parts (b, *space.shape) that are drawn when they are asked for."""

    parts: Iterable[Tensor]
    synthetic: ClassVar[bool] = True

    @cached_property
    def examples(self) -> Tensor:
        """All of them, (n, *space.shape)."""
        return torch.cat(list(self.parts))

    def to_python(self, modality: Modality) -> Any:
        rows = rows_of(modality)
        if rows is None:
            return modality.to_python(self.examples)
        return rows.to_python(rows.tables(self.parts))

    def save(self, modality: Modality, out: Path, tell: Tell = tell_nothing) -> list[Path]:
        """A table of rows; of all else each by itself, and a sheet of some."""
        tables = {} if out.suffix in IMAGE_ENDINGS else self.tables(modality)
        if tables:
            return [save_tables(tables["rows"], file_in(out, "rows.csv"))]
        if out.suffix:
            return [modality.sheet(self.examples, out)]
        sheet = out / "sheet.png"
        return [*modality.save(self.examples, out), modality.sheet(self.examples[:SHEET], sheet)]

    def tables(self, modality: Modality) -> Mapping[str, Iterable[pa.Table]]:
        rows = rows_of(modality)
        return {} if rows is None else {"rows": Parts(lambda: rows.tables(self.parts))}

    def is_image(self, modality: Modality) -> bool:
        return True
