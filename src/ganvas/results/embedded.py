"""Latents of examples, and a map of some."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from ..core import Modality, NamedExamples
from ..core.images import IMAGE_ENDINGS
from ..core.result import Parts, Result, Tell, tell_nothing
from ..runtime.table_files import save_tables
from . import embedding_map
from ._tables import file_in, source_columns, to_frame


@dataclass(frozen=True)
class Embedded(Result):
    """Latents of examples, (n, D), and a map of some of these.

    rows: Which of the examples are on the map, int64 (m,); none where there is no map.
    map: Where these lie, (m, 2).
    words: How the map was made.
    """

    given: NamedExamples
    latents: Tensor
    rows: Tensor
    map: Tensor
    words: str

    def to_python(self, modality: Modality) -> Any:
        """A data frame with one row for each example."""
        return to_frame(self.tables(modality)["latents"], modality)

    def save(self, modality: Modality, out: Path, tell: Tell = tell_nothing) -> list[Path]:
        """A table of latents, an image of their map and a page to point at it; or one of these, as
        the ending asks."""
        if out.suffix == ".html":
            return [embedding_map.embedding_page(self, modality, out)]
        if out.suffix in IMAGE_ENDINGS:
            return [embedding_map.embedding_image(self, modality, out)]
        file = file_in(out, "latents.parquet")
        files = [save_tables(self.tables(modality)["latents"], file)]
        if out.suffix or not len(self.rows):
            return files
        image = embedding_map.embedding_image(self, modality, out / "map.png")
        return [*files, image, embedding_map.embedding_page(self, modality, out / "map.html")]

    def figures(self) -> dict[str, Any]:
        return {
            "examples": len(self.latents),
            "latents": self.latents.shape[1],
            "on the map": len(self.rows),
        }

    def tables(self, modality: Modality) -> Mapping[str, Iterable[pa.Table]]:
        return {"latents": Parts(lambda: [self._table(modality)])}

    def is_image(self, modality: Modality) -> bool:
        return True

    def _table(self, modality: Modality) -> pa.Table:
        """name, label where there is one, z0, z1 ... of every example; and where it is on the map,
        if it is."""
        columns = source_columns(self.given, modality)
        columns |= {f"z{i}": pa.array(z.numpy()) for i, z in enumerate(self.latents.unbind(1))}
        if len(self.rows):
            places = torch.full((len(self.latents), 2), torch.nan)
            places[self.rows] = self.map
            for name, place in zip(("map x", "map y"), places.unbind(1), strict=True):
                columns[name] = pa.array(place.numpy(), from_pandas=True)
        return pa.table(columns)
