"""Given examples and new ones of classes that lack them, and whether that helps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from torch import Tensor

from ..core import Estimate, Given, LabelledExamples, Modality
from ..core.result import Parts, Result, Tell, tell_nothing
from ..runtime import filenames
from ..runtime.table_files import save_tables
from ._sheets import ACROSS, stack_rows
from ._tables import file_in, given_rows


@dataclass(frozen=True)
class Augmented(Result):
    """Given examples and new ones of classes that lack them, and how well those do who learned from
    either.

    added: The new ones, (n, ...).
    y: The class of each, int64 (n,).
    measure: What the scores are.
    scores: By what was learned from, and how; empty where too few were held out.
    helped: By how much new ones give a higher score than each other way.
    """

    given: Given | LabelledExamples
    added: Tensor
    y: Tensor
    measure: str
    scores: dict[str, Estimate]
    helped: dict[str, Estimate]

    def figures(self) -> dict[str, Any]:
        scores = {name: asdict(estimate) for name, estimate in self.scores.items()}
        helped = {name: asdict(estimate) for name, estimate in self.helped.items()}
        return {
            "added": len(self.added),
            self.measure: scores,
            "gained by new ones over": helped,
        }


@dataclass(frozen=True)
class AugmentedRows(Augmented):
    """Rows of a table, and new ones."""

    given: Given

    def to_python(self, modality: Modality) -> Any:
        """Given rows with new ones below, in the form that they were given in."""
        rows = given_rows(modality)
        return rows.to_python([rows.extended(self.given, self.added)], self.given.form)

    def save(self, modality: Modality, out: Path, tell: Tell = tell_nothing) -> list[Path]:
        """Given rows with new ones below."""
        return [save_tables(self.tables(modality)["rows"], file_in(out, "rows.csv"))]

    def tables(self, modality: Modality) -> Mapping[str, Iterable[pa.Table]]:
        rows = given_rows(modality)
        return {"rows": Parts(lambda: [rows.extended(self.given, self.added)])}


@dataclass(frozen=True)
class AugmentedImages(Augmented):
    """Examples with labels, and new ones."""

    given: LabelledExamples

    def to_python(self, modality: Modality) -> Any:
        """New examples by the name of their class."""
        own = self._by_class(self.given.classes)
        return {name: modality.to_python(x) for name, x in own.items()}

    def save(self, modality: Modality, out: Path, tell: Tell = tell_nothing) -> list[Path]:
        """New examples alone, in sub-folders by class, and a sheet of these."""
        own = self._by_class(filenames.folder_names(self.given.classes))
        across = min(ACROSS, max(map(len, own.values())))
        sheet = stack_rows([x[:across] for x in own.values()], across)
        if out.suffix:
            return [modality.sheet(sheet, out, across)]
        files = list[Path]()
        for name, x in own.items():
            files += modality.save(x, out / name, [f"new-{i:04d}" for i in range(len(x))])
        return [*files, modality.sheet(sheet, out / "sheet.png", across)]

    def _by_class(self, names: Iterable[str]) -> dict[str, Tensor]:
        """New examples by these names of the classes, but for classes that got none."""
        own = {name: self.added[self.y == i] for i, name in enumerate(names)}
        return {name: x for name, x in own.items() if len(x)}
