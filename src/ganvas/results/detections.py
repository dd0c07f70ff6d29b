"""What was found among examples, and how anomalous each is."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import torch
from pyarrow.csv import WriteOptions, write_csv
from torch import Tensor

from ..core import InputError, Modality
from ..core.detection import Detected, ReferenceScores
from ..core.result import Parts, Result, Tell, tell_nothing
from ..runtime.table_files import save_tables
from ._tables import file_in, to_frame

DRAWN = 200  # findings
REASONS = 3  # that are named in words


@dataclass
class Tally:
    """How many examples were found, of how many, in the reading that was begun last.

    complete: Whether that came to the end.
    """

    found: int = 0
    of: int = 0
    complete: bool = False

    def count(self, parts: Iterable[Detected]) -> Iterator[Detected]:
        """The same parts, counted from zero."""
        self.found, self.of, self.complete = 0, 0, False
        for part in parts:
            self.found += int(part.found.sum())
            self.of += len(part.found)
            yield part
        self.complete = True


@dataclass(frozen=True)
class Detections(Result):
    """Examples, judged in parts when they are asked for.

    tally: Counts the parts as they are read.
    endless: Whether more may come at any time: then they can be read once.
    """

    parts: Iterable[Detected]
    normal: ReferenceScores
    tally: Tally = field(default_factory=Tally)
    endless: bool = False
    order_by: ClassVar[str] = "p"

    @cached_property
    def whole(self) -> Detected:
        """All of them as one."""
        return _join(self.parts)

    def to_python(self, modality: Modality) -> Any:
        """A data frame with one row for each example."""
        return to_frame(self.tables(modality)["scores"], modality)

    def save(self, modality: Modality, out: Path, tell: Tell = tell_nothing) -> list[Path]:
        """A table of all examples, written as they are judged; and into a folder, what of the
        findings can be seen. What has no end is added to a table as it comes, and every finding is
        told."""
        file = file_in(out, "scores.csv")
        if self.endless:
            return self._follow(modality, file, tell)
        if out.suffix:
            return [save_tables(self._tables(self.parts, modality), file)]
        if modality.overlapping:
            parts = list[Detected]()
            files = [save_tables(self._tables(_kept(self.parts, parts), modality), file)]
            return [*files, *modality.trace(parts, out)] if self.tally.of else files
        found = MostAnomalous()
        files = [save_tables(self._tables(_kept(self.parts, found), modality), file)]
        return [*files, *self._point_out(found, modality, out / "found")]

    def figures(self) -> dict[str, Any]:
        if not self.tally.complete and not self.endless:
            deque(self.parts, maxlen=0)
        counts = {"found": self.tally.found, "of": self.tally.of}
        return counts | {"normal": len(self.normal.scores)}

    def tables(self, modality: Modality) -> Mapping[str, Iterable[pa.Table]]:
        return {"scores": Parts(lambda: self._tables(self.parts, modality), self.endless)}

    def describe(self) -> str:
        counts = self.figures()
        found = f"{counts['found']:,} of {counts['of']:,} are anomalous"
        words = found if counts["found"] else "Nothing is anomalous beyond doubt"
        return (
            f"{words}, beside {counts['normal']:,} normal ones. Below, the most anomalous come"
            " first."
        )

    def _tables(self, parts: Iterable[Detected], modality: Modality) -> Iterator[pa.Table]:
        return (detection_table(part, self.normal, modality) for part in parts)

    def _point_out(self, found: MostAnomalous, modality: Modality, folder: Path) -> list[Path]:
        if not found:
            return []
        shown, normal = found.most_anomalous(), self.normal.examples
        nearest = normal[shown.nearest] if len(normal) else normal
        return modality.point_out(shown.x, shown.attribution, nearest, shown.names, folder)

    def _follow(self, modality: Modality, file: Path, tell: Tell) -> list[Path]:
        if file.suffix.lower() not in (".csv", ".jsonl"):
            raise InputError(f"{file} cannot be added to while following; end it in .csv or .jsonl")
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as stream:
            for table in self._tables(self.parts, modality):
                if file.suffix.lower() == ".csv":
                    write_csv(table, stream, WriteOptions(include_header=not stream.tell()))
                else:
                    lines = [json.dumps(row).encode() + b"\n" for row in table.to_pylist()]
                    stream.write(b"".join(lines))
                stream.flush()
                for row in table.filter(table["found"]).to_pylist():
                    tell(row)
        return [file]


class MostAnomalous(list[Detected]):
    """Of parts of examples only those that were found, and of these the most anomalous."""

    def append(self, part: Detected) -> None:
        found = part.found.nonzero().flatten()
        if not len(found):
            return
        super().append(_pick(part, found))
        if sum(len(kept.scores) for kept in self) > 2 * DRAWN:
            self[:] = [self.most_anomalous()]

    def most_anomalous(self) -> Detected:
        """At most so many as are drawn, the most anomalous first."""
        whole = _join(self)
        return _pick(whole, whole.scores.argsort(descending=True)[:DRAWN])


def detection_table(part: Detected, normal: ReferenceScores, modality: Modality) -> pa.Table:
    """name, score, p and found of every example; nearest, the name of the normal example that is
    nearest to a finding; and where examples have named parts, why in words, and what each part adds
    to the score beyond what is normal.

    Of moments there is the time instead of a name, and none is near another.
    """
    columns: dict[str, pa.Array] = {
        "time" if modality.overlapping else "name": pa.array(part.names, pa.string()),
        "score": pa.array(part.scores.numpy()),
        "p": pa.array(part.p.numpy()),
        "found": pa.array(part.found.numpy()),
    }
    if not modality.overlapping:
        columns["nearest"] = pa.array(
            [normal.names[i] if i >= 0 else None for i in part.nearest.tolist()], pa.string()
        )
    if reasons := modality.reasons(part.attribution):
        names, most = list(reasons), min(REASONS, len(reasons))
        top = torch.stack(list(reasons.values()), 1).topk(most, 1).indices.tolist()
        columns["why"] = pa.array([", ".join(names[i] for i in row) for row in top])
        columns |= {f"why: {name}": pa.array(values.numpy()) for name, values in reasons.items()}
    return pa.table(columns)


def _kept(parts: Iterable[Detected], kept: list[Detected]) -> Iterator[Detected]:
    """The same parts, which are kept beside."""
    for part in parts:
        kept.append(part)
        yield part


def _join(parts: Iterable[Detected]) -> Detected:
    """Parts as one."""
    parts = list(parts)
    names = [name for part in parts for name in part.names]
    return Detected(
        torch.cat([part.x for part in parts]),
        names,
        torch.cat([part.scores for part in parts]),
        torch.cat([part.p for part in parts]),
        torch.cat([part.found for part in parts]),
        torch.cat([part.attribution for part in parts]),
        torch.cat([part.nearest for part in parts]),
    )


def _pick(part: Detected, rows: Tensor) -> Detected:
    """The examples numbered `rows`, in this order."""
    names = [part.names[i] for i in rows.tolist()]
    rest = part.scores, part.p, part.found, part.attribution, part.nearest
    return Detected(part.x[rows], names, *(value[rows] for value in rest))
