"""Examples in groups, and what tells these apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from torch import Tensor

from ..core import InputError, Modality, NamedExamples
from ..core.images import IMAGE_ENDINGS
from ..core.result import Parts, Result, Tell, tell_nothing
from ..runtime.errors import flag
from ..runtime.table_files import save_tables
from ._sheets import stack_rows
from ._tables import source_columns, to_frame
from .columns import format_value, number_columns

TYPICAL = 10  # examples of a group that are shown
TOLD = 3  # columns that tell a group apart


@dataclass(frozen=True)
class Clustered(Result):
    """Examples in groups.

    cluster: The group of each, int64 (n,); 0 is the largest.
    probability: That it belongs there rather than to another, (n,).
    distance: From the middle of its group, in standard deviations of the group, (n,).
    """

    given: NamedExamples
    cluster: Tensor
    probability: Tensor
    distance: Tensor

    def to_python(self, modality: Modality) -> Any:
        """A data frame with one row for each example."""
        return to_frame(self.tables(modality)["clusters"], modality)

    def save(self, modality: Modality, out: Path, tell: Tell = tell_nothing) -> list[Path]:
        """Who is in which group, what the groups are, and where examples can be seen, a row of
        typical ones for each."""
        members = self.tables(modality)["clusters"]
        if out.suffix and out.suffix not in IMAGE_ENDINGS:
            return [save_tables(members, out)]
        x = self.given.x.cpu()
        seen = modality.thumbnails(x[:1], 1) is not None
        if out.suffix and not seen:
            raise InputError(
                f"rows have no typical ones to draw into {out}; end {flag('out')} in .csv"
            )
        sheet = stack_rows([x[own] for own in self._typical()], TYPICAL)
        if out.suffix:
            return [modality.sheet(sheet, out, TYPICAL)]
        files = [
            save_tables(members, out / "clusters.csv"),
            save_tables([self._groups(modality)], out / "groups.csv"),
        ]
        return [*files, modality.sheet(sheet, out / "typical.png", TYPICAL)] if seen else files

    def figures(self) -> dict[str, Any]:
        return {"sizes": self.cluster.bincount().tolist()}

    def tables(self, modality: Modality) -> Mapping[str, Iterable[pa.Table]]:
        return {"clusters": Parts(lambda: [self._members(modality)])}

    def is_image(self, modality: Modality) -> bool:
        return True

    def _members(self, modality: Modality) -> pa.Table:
        """name, label where there is one, cluster, probability and distance of every example."""
        found = {
            "cluster": self.cluster,
            "probability": self.probability,
            "distance": self.distance,
        }
        columns = source_columns(self.given, modality)
        return pa.table(columns | {name: pa.array(x.numpy()) for name, x in found.items()})

    def _groups(self, modality: Modality) -> pa.Table:
        """Of each group its size, its most typical member and, where examples are rows, what tells
        it apart."""
        frame = modality.frame(self.given.x.cpu())
        cluster = pd.Series(self.cluster.numpy())
        groups = sorted(cluster.unique())
        found = {
            "cluster": groups,
            "size": [int((cluster == group).sum()) for group in groups],
            "typical": [self.given.names[int(own[0])] for own in self._typical()],
        }
        if frame is not None:
            found["what tells it apart"] = [_apart(frame, cluster == group) for group in groups]
        return pa.table(found)

    def _typical(self) -> list[Tensor]:
        """Of each group that has any, the numbers of the members nearest to its middle."""
        groups = ((self.cluster == group).nonzero().flatten() for group in self.cluster.unique())
        return [own[self.distance[own].argsort(stable=True)[:TYPICAL]] for own in groups]


def _apart(frame: pd.DataFrame, inside: pd.Series) -> str:
    """The columns in which a group differs most from all rows, in words."""
    told = [
        _number(frame[c], values, inside)
        if (values := number_columns(frame[c])) is not None
        else _category(frame[c], inside)
        for c in frame
    ]
    return "; ".join(words for far, words in sorted(told, reverse=True)[:TOLD] if far > 0)


def _number(column: pd.Series, values: pd.Series, inside: pd.Series) -> tuple[float, str]:
    """How far a group's mean is from that of all, in standard deviations of all; and both
    medians."""
    spread = values.std()
    if not spread > 0 or values[inside].isna().all():
        return 0.0, ""
    own, of_all = (format_value(column[_middle(part)]) for part in (values[inside], values))
    return abs(
        values[inside].mean() - values.mean()
    ) / spread, f"{column.name} {own} (all: {of_all})"


def _middle(values: pd.Series) -> int:
    """Where the median is."""
    ranked = values.dropna().sort_values()
    result: int = ranked.index[len(ranked) // 2]
    return result


def _category(column: pd.Series, inside: pd.Series) -> tuple[float, str]:
    """The value whose share differs most, in standard deviations of being it or not; and both
    shares."""
    texts = column.map(lambda value: format_value(value) or "missing").astype(str)
    of_all, own = texts.value_counts(normalize=True), texts[inside].value_counts(normalize=True)
    rise = (own.reindex(of_all.index, fill_value=0) - of_all) / (of_all * (1 - of_all)).clip(
        lower=1e-12
    ) ** 0.5
    level = str(rise.abs().idxmax())
    return float(
        abs(rise[level])
    ), f"{column.name} = {level} {own.get(level, 0):.0%} (all: {of_all[level]:.0%})"
