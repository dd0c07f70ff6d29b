"""Windows of series: a machine's sensors, or anything else that is measured again and again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from PIL import Image
from torch import Tensor

from ...core import Continuous, Data, InputError, Modality, Part
from ...core.detection import Detected, Scored, ScoreFunction
from ...core.images import IMAGE_ENDINGS
from ...core.modality import Items, Recommendation, stack_items
from ...runtime.errors import flag
from ...runtime.table_files import save_tables
from .._drawing import save_gif
from ..tables.sources import ENDINGS, Form, Frame
from .plots import PANEL, draw_series, draw_windows, stretches
from .reading import SeriesSource
from .sources import (
    is_series,
    numeric,
    open_series,
)
from .windows import Covered, Windowed

FILLED = 0.8  # of [-1, 1] that all but the rarest values take; beyond is room for more extreme ones
RAREST = 0.001  # of values, at either end
BRIDGED = 8  # a gap is bridged up to a window's length over this
DESCRIBED = 40  # columns that are named


@dataclass(frozen=True)
class Series(Modality):
    """Windows of a series of columns of numbers, (columns, window), each column scaled by what was
    seen of it.

    columns: Their names.
    window, stride: Moments in a window, and from one window to the next.
    time: Column that says when.
    centre, scale: Of each column, what becomes 0 and how much becomes 1.
    low, high: What its least and greatest values become, where that is beyond [-1, 1]; else these.
    rows: How many moments were looked at.
    form: What came in, and so what goes out.
    left_out: Columns that are not numbers, or were to be dropped.
    """

    columns: tuple[str, ...]
    window: int
    stride: int
    time: str | None
    centre: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    rows: int = 0
    form: Literal["array", "tensor"] | Form = "file"
    left_out: tuple[str, ...] = ()

    classes: ClassVar[tuple[str, ...]] = ()
    condition: ClassVar[None] = None
    features: ClassVar[str] = "plain"
    typical = ((Continuous((2, 64)), None),)
    overlapping: ClassVar[bool] = True
    opens: ClassVar[type[SeriesSource]] = SeriesSource
    recommended: ClassVar[tuple[Recommendation, ...]] = (
        Recommendation(
            "ae", 3, "It learns in a minute what is normal and says which sensor is not."
        ),
    )
    endings: ClassVar[frozenset[str]] = ENDINGS

    @property
    def space(self) -> Continuous:
        return Continuous((len(self.columns), self.window))

    @property
    def longest_gap(self) -> int:
        """Moments that a gap has at most to be bridged."""
        return max(self.window // BRIDGED, 1)

    @classmethod
    def recognises(cls, source: Any) -> bool:
        return is_series(source)

    @classmethod
    def learn(
        cls,
        source: Any,
        *,
        window: int = 64,
        stride: int = 1,
        time: str | None = None,
        drop: list[str] | None = None,
    ) -> Series:
        """Looks at every value once, for the range of each column.

        window: Moments in a window.
        stride: Moments from one window to the next.
        time: Column that says when; by default the first, where that holds dates, or whole numbers
            that only rise.
        drop: Columns to leave out.
        """
        if window < 4:
            raise InputError(f"{flag('window')} is {window}; a window has at least 4 moments")
        if not 1 <= stride <= window:
            raise InputError(f"{flag('stride')} is {stride}; it is from 1 to the window, {window}")
        frames = open_series(source)
        if not frames:
            raise InputError("there are no series; give at least one")
        time = time or _guess_time(frames[0])
        columns = _find_columns(frames[0], time, drop or [])
        reader = SeriesSource(
            cls(columns, window, stride, time), source, torch.device("cpu"), 0.0, str
        )
        values = np.concatenate([reader.bridge(frame).values for frame in frames])
        centre, scale = _spread(values)
        scaled = (values - centre) / scale
        low, high = np.minimum(scaled.min(0), -1), np.maximum(scaled.max(0), 1)
        found = {"centre": centre, "scale": scale, "low": low, "high": high}
        ranges = {name: tuple(figures.tolist()) for name, figures in found.items()}
        others = tuple(
            name for name in frames[0].schema.names if name not in columns and name != time
        )
        form = _form(source, frames)
        return cls(
            columns, window, stride, time, **ranges, rows=len(values), form=form, left_out=others
        )

    def score(self, parts: Iterable[Part], weigh: ScoreFunction) -> Iterator[Scored]:
        """The attribution of a moment is what its columns add to the windows around it, and next to
        it in these, on average; its score is their sum."""
        before: Covered | None = None
        for data, hidden in parts:
            assert isinstance(data, Windowed)
            covered = data.cover(hidden, weigh)
            if before and data.known:
                settled, covered = before.join(covered, data.known)
                yield from settled.average()
            elif before:
                yield from before.average()
            settled, before = covered.split(len(covered.times) - self.window)
            yield from settled.average()
        if before:
            yield from before.average()

    def trace(self, parts: Iterable[Detected], folder: Path) -> list[Path]:
        parts = list(parts)
        of = lambda field: torch.cat([getattr(part, field) for part in parts])  # noqa: E731
        x, found, p, scores, attribution = map(of, ("x", "found", "p", "scores", "attribution"))
        times = [time for part in parts for time in part.names]
        spans = stretches(found.numpy(), self.window // 4)
        peaks = [first + int(scores[first:end].argmax()) for first, end in spans]
        worst = [self.columns[int(attribution[first:end].mean(0).argmax())] for first, end in spans]
        table = pa.table(
            {
                "start": pa.array([times[first] for first, _ in spans], pa.string()),
                "end": pa.array([times[end - 1] for _, end in spans], pa.string()),
                "moments": pa.array([end - first for first, end in spans], pa.int64()),
                "peak": pa.array([times[i] for i in peaks], pa.string()),
                "score": pa.array([float(scores[i]) for i in peaks], pa.float64()),
                "p": pa.array([float(p[i]) for i in peaks], pa.float64()),
                "why": pa.array(worst, pa.string()),
            }
        )
        drawing = draw_series(self._unscale(x), self.columns, times, spans, scores.numpy())
        folder.mkdir(parents=True, exist_ok=True)
        drawing.save(folder / "series.png")
        return [save_tables([table], folder / "stretches.csv"), folder / "series.png"]

    def describe(self, data: Data) -> str:
        assert isinstance(data, Windowed)
        left_out = f"; left out: {', '.join(self.left_out[:DESCRIBED])}" if self.left_out else ""
        named = ", ".join(self.columns[:DESCRIBED]) + (
            " …" if len(self.columns) > DESCRIBED else ""
        )
        when = f"in the order of {self.time}" if self.time else "in the order of rows"
        return (
            f"{len(data):,} windows of {self.window} moments, {self.stride} apart, of"
            f" {len(data.times):,} moments {when}; {len(self.columns)} columns ({named}{left_out});"
            f" in memory ({data.x.nbytes / 2**20:,.0f} MB)"
        )

    def _unscale(self, x: Tensor) -> np.ndarray:
        """Moments (..., columns) in [-1, 1], as they are measured."""
        return x.float().cpu().double().numpy() * self.scale + self.centre

    def to_python(self, items: Items, form: str | None = None) -> Any:
        measured = self._unscale(stack_items(items).transpose(1, 2))
        if self.form == "array":
            return measured
        if self.form == "tensor":
            return torch.from_numpy(measured).float()
        frames = [pd.DataFrame(one, columns=list(self.columns)) for one in measured]
        if self.form != "polars":
            return [pa.Table.from_pandas(f) for f in frames] if self.form == "pyarrow" else frames
        import polars

        return [polars.from_pandas(frame) for frame in frames]

    def vectors(self, x: Tensor) -> Tensor:
        return x.flatten(1).float()

    def reasons(self, attribution: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.columns, attribution.unbind(1), strict=True))

    def point_out(
        self, x: Tensor, attribution: Tensor, nearest: Tensor, names: list[str], folder: Path
    ) -> list[Path]:
        return []  # what is found are moments: see `trace`

    def thumbnails(self, x: Tensor, most: int) -> Tensor:
        drawn = (
            draw_windows(one[None], 1, ()).crop((0, 0, *PANEL)).resize((most, most)) for one in x
        )
        return torch.from_numpy(np.stack([np.asarray(image) for image in drawn]))

    def frame(self, x: Tensor) -> None:
        return None

    def save(self, items: Items, target: Path, names: list[str] | None = None) -> list[Path]:
        """One table: window, moment, and the columns."""
        file = target if target.suffix else target / "windows.csv"
        return [save_tables([self._table(stack_items(items))], file)]

    def _table(self, x: Tensor) -> pa.Table:
        measured = self._unscale(x.transpose(1, 2)).reshape(-1, len(self.columns))
        place = np.arange(len(measured))
        columns = {
            name: np.float32(values) for name, values in zip(self.columns, measured.T, strict=True)
        }
        return pa.table({"window": place // self.window, "moment": place % self.window, **columns})

    def sheet(self, x: Tensor, target: Path, columns: int | None = None) -> Path:
        if target.suffix.lower() not in IMAGE_ENDINGS:
            return save_tables([self._table(x)], target)
        target.parent.mkdir(parents=True, exist_ok=True)
        draw_windows(x, columns, self.columns).save(target)
        return target

    def animate(self, frames: list[Tensor], target: Path, seconds: float = 0.1) -> Path:
        return save_gif(
            [draw_windows(frame, None, self.columns) for frame in frames], target, seconds
        )

    def film(self, sheets: list[Path], target: Path) -> Path:
        return save_gif([Image.open(sheet) for sheet in sheets], target, 0.25)


def _guess_time(frame: Frame) -> str | None:
    """The first column, where that holds dates, or whole numbers that only rise."""
    first = frame.schema[0]
    name: str = first.name
    if pa.types.is_temporal(first.type):
        return name
    if not pa.types.is_integer(first.type) or len(frame.schema) < 2:
        return None
    batch = next(frame.batches(), None)
    column = None if batch is None else batch.column(name)
    rising = (
        column is not None
        and not column.null_count
        and len(column) > 1
        and bool((np.diff(column) > 0).all())
    )
    return name if rising else None


def _find_columns(frame: Frame, time: str | None, drop: Sequence[str]) -> tuple[str, ...]:
    """The columns of numbers. Raises InputError where there are none, or for a name there is
    not."""
    for name in [*drop, *([time] if time else [])]:
        if name not in frame.schema.names:
            raise InputError(
                f"{frame.where} has no column {name!r}; it has {', '.join(frame.schema.names[:20])}"
            )
    columns = tuple(
        f.name for f in frame.schema if numeric(f.type) and f.name != time and f.name not in drop
    )
    if not columns:
        raise InputError(
            f"{frame.where} has no column of numbers beside the time, so there is nothing to learn"
        )
    return columns


def _form(source: Any, frames: Sequence[Frame]) -> Any:
    one = source[0] if isinstance(source, list | tuple) else source
    return (
        "array"
        if isinstance(one, np.ndarray)
        else "tensor"
        if isinstance(one, Tensor)
        else frames[0].form
    )


def _spread(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each column what becomes 0 and how much becomes 1: all but the rarest values then fill
    most of [-1, 1]."""
    low, high = np.quantile(values, [RAREST, 1 - RAREST], axis=0)
    scale = (high - low) / 2 / FILLED
    same = scale <= 1e-9 * np.maximum(np.abs(high), np.abs(low))
    return (low + high) / 2, np.where(same, np.maximum(np.abs(high), 1.0), scale)
