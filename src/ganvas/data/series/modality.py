"""Windows of series: a machine's sensors, or anything else that is measured again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ...core import (
    IMAGE_ENDINGS,
    Batch,
    Continuous,
    Data,
    Detected,
    Followable,
    InputError,
    Modality,
    Overlapping,
    Scored,
    ScoreFunction,
)
from ...runtime.errors import flag
from ...runtime.table_files import save_tables
from .._drawing import save_gif
from .._growing_files import follow_rows, readable_parts
from ..tables.sources import ENDINGS, Form, Frame
from .plots import PANEL, draw_series, draw_windows, stretches
from .sources import (
    Bridge,
    Stretch,
    is_series,
    join_stretches,
    numbers,
    numeric,
    open_series,
    times_of,
)

AT_ONCE = 512  # windows that are weighed at a time
FILLED = 0.8  # of [-1, 1] that all but the rarest values take; beyond is room for stranger ones
RAREST = 0.001  # of values, at either end
# how far beyond [-1, 1], and all that was seen, a value becomes less likely by a factor of e
FALLS = 0.05
FARTHEST = 1e4  # nats that one value hides at most
BLOCKS = 40  # that a series is cut into at least, where it is long enough
SHORTEST_BLOCK, LONGEST_BLOCK = 6, 32  # windows
BRIDGED = 8  # a gap is bridged up to a window's length over this
DESCRIBED = 40  # columns that are named
NEAR = 16  # moments that attribution is averaged over: a window's length over this, on either side
GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Series(Modality, Followable, Overlapping):
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
    endings: ClassVar[frozenset[str]] = ENDINGS

    @property
    def space(self) -> Continuous:
        return Continuous((len(self.columns), self.window))

    @property
    def _longest(self) -> int:
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
        time = time or _guessed_time(frames[0])
        columns = _measured(frames[0], time, drop or [])
        bare = cls(columns, window, stride, time)
        values = np.concatenate([bare._whole(frame).values for frame in frames])
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

    def read(self, source: Any, device: str | torch.device = "cpu") -> Windowed:
        """Windows to learn from and to judge by: the series is cut into blocks, of which some are
        held out as a whole; no window lies in two, and between those of two there is the length of
        a window."""
        whole, starts, keys, at = list[Stretch](), list[Tensor](), list[Tensor](), 0
        for frame in open_series(source):
            series = self._whole(frame)
            x = self._scaled(series)[0]
            for first, end in self._blocks(len(x)):
                own = torch.arange(at + first, at + end - self.window + 1, self.stride)
                starts.append(own)
                keys.append(torch.full_like(own, _key(x[first:end], len(keys))))
            whole.append(series)
            at += len(x)
        every = join_stretches(*whole)
        return Windowed(
            self,
            self._scaled(every)[0].to(device),
            torch.cat(starts),
            every.times,
            keys=torch.cat(keys),
        )

    def _blocks(self, moments: int) -> Iterator[tuple[int, int]]:
        """Where the blocks of a series begin and end."""
        windows = moments / self.window
        size = self.window * int(np.clip(windows // BLOCKS, SHORTEST_BLOCK, LONGEST_BLOCK))
        edges = [*range(0, max(moments - size // 2, 1), size), moments]
        for first, end in pairwise(edges):
            yield first, end if end == moments else end - self.window

    def read_any(
        self, source: Any, device: str | torch.device = "cpu"
    ) -> Iterator[tuple[Windowed, Tensor]]:
        frames = open_series(source)
        for frame in frames:
            where = f"{Path(frame.where).name}: " if len(frames) > 1 else ""
            self._refuse_missing(frame)
            seen = 0
            for part in self._windows(self._stretches(frame, where), device):
                seen += 1
                yield part
            if not seen:
                raise InputError(
                    f"{frame.where} is shorter than a window of {self.window} moments; give more"
                    " of it"
                )

    def follow(
        self, file: Path, wait: Callable[[float], bool]
    ) -> Iterator[tuple[Windowed, Tensor]]:
        wanted = [*self.columns, *([self.time] if self.time else [])]

        def stretches() -> Iterator[Stretch]:
            first = 0
            for frame, batch in follow_rows(file, wanted, wait):
                self._refuse_missing(frame)
                read = lambda part, n: self._stretch(part, frame.where, first + n)  # noqa: B023, E731 # used up at once
                yield from readable_parts(batch, read)
                first += len(batch)

        yield from self._windows(stretches(), "cpu")

    def _refuse_missing(self, frame: Frame) -> None:
        wanted = [*self.columns, *([self.time] if self.time else [])]
        if missing := [name for name in wanted if name not in frame.schema.names]:
            raise InputError(
                f"{frame.where} has no column {missing[0]!r}, which the model learned from; add it"
            )

    def _stretches(self, frame: Frame, where: str = "") -> Iterator[Stretch]:
        first = 0
        for batch in frame.batches():
            yield self._stretch(batch, frame.where, first, where)
            first += len(batch)

    def _stretch(self, batch: pa.RecordBatch, file: str, first: int, where: str = "") -> Stretch:
        values = numbers(batch, self.columns, file)
        times = [where + time for time in times_of(batch, self.time, first)]
        return Stretch(times, values, np.zeros(values.shape, bool))

    def _whole(self, frame: Frame) -> Stretch:
        """A series with its short gaps bridged. Raises InputError for a long one, and for too short
        a series."""
        self._refuse_missing(frame)
        parts = list(Bridge(len(self.columns), self._longest).over(self._stretches(frame)))
        series = (
            join_stretches(*parts)
            if parts
            else Stretch([], np.empty((0, len(self.columns))), np.empty((0, 0), bool))
        )
        if len(series.times) < 2 * self.window:
            rows = (
                f"{len(series.times)} rows; windows of {self.window} to learn from need twice as"
                " many at least"
            )
            raise InputError(f"{frame.where} has {rows}")
        bad = series.lost | ~np.isfinite(series.values)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise InputError(
                f"{frame.where}: column {self.columns[column]!r} is missing or no number in row"
                f" {row}, longer than {self._longest} rows; fill it in, or cut the series there"
                " into two files of a folder"
            )
        return series

    def _scaled(self, series: Stretch) -> tuple[Tensor, Tensor]:
        """Values in [-1, 1], and what that hides, in nats: both (n, columns)."""
        v = np.nan_to_num(
            (series.values - self.centre) / self.scale, nan=0.0, posinf=FARTHEST, neginf=-FARTHEST
        )
        beyond = np.maximum(np.maximum(v - self.high, self.low - v), 0) / FALLS
        hidden = np.where(series.lost, np.log1p(self.rows), beyond.clip(max=FARTHEST))
        return torch.from_numpy(v.clip(-1, 1)).float(), torch.from_numpy(hidden).float()

    def _windows(
        self, stretches: Iterator[Stretch], device: str | torch.device
    ) -> Iterator[tuple[Windowed, Tensor]]:
        """Every window of a series that arrives in stretches; of what went before, only what is
        needed is kept."""
        kept: Stretch | None = None  # from where the next window begins
        last: Stretch | None = None  # the last moments there were, as many as a window has
        known, any_yet = 0, False  # of `kept`, how many were in a part before
        for stretch in Bridge(len(self.columns), self._longest).over(stretches):
            kept, last = (
                join_stretches(kept, stretch),
                join_stretches(last, stretch)[-self.window :],
            )
            if len(kept.times) < self.window:
                continue
            starts = torch.arange(0, len(kept.times) - self.window + 1, self.stride)
            x, hidden = self._scaled(kept)
            yield Windowed(self, x.to(device), starts, kept.times, known=known), hidden
            kept = kept[int(starts[-1]) + self.stride :]
            known, any_yet = len(kept.times), True
        if (
            any_yet and kept and last and len(kept.times) > self.window - self.stride
        ):  # the last window ends too early
            x, hidden = self._scaled(last)
            known += self.window - len(kept.times)
            yield (
                Windowed(
                    self, x.to(device), torch.zeros(1, dtype=torch.int64), last.times, known=known
                ),
                hidden,
            )

    def time_steps(
        self, parts: Iterable[tuple[Data, Tensor]], weigh: ScoreFunction
    ) -> Iterator[Scored]:
        """The attribution of a moment is what its columns add to the windows around it, and next to
        it in these, on average; its score is their sum."""
        before: Covered | None = None
        for data, hidden in parts:
            assert isinstance(data, Windowed)
            covered = data.covered(hidden, weigh)
            if before and data.known:
                settled, covered = before.joined(covered, data.known)
                yield from settled.weighed()
            elif before:
                yield from before.weighed()
            settled, before = covered.split(len(covered.times) - self.window)
            yield from settled.weighed()
        if before:
            yield from before.weighed()

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
        drawing = draw_series(self._measured(x), self.columns, times, spans, scores.numpy())
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

    def _measured(self, x: Tensor) -> np.ndarray:
        """Moments (..., columns) in [-1, 1], as they are measured."""
        return x.float().cpu().double().numpy() * self.scale + self.centre

    def present(self, x: Tensor) -> Any:
        measured = self._measured(x.transpose(1, 2))
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

    def write(self, x: Tensor, target: Path, names: list[str] | None = None) -> list[Path]:
        """One table: window, moment, and the columns."""
        return [save_tables([self._table(x)], target / "windows.csv")]

    def _table(self, x: Tensor) -> pa.Table:
        measured = self._measured(x.transpose(1, 2)).reshape(-1, len(self.columns))
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


class Windowed(Data):
    """Windows that are cut out of series x, (moments, columns), when they are asked for.

    starts: Where each begins, int64 (N,).
    times: What each moment is called.
    known: How many of the moments, from the first, were the last ones of the part before.
    keys: Of the block that each window is in; where there are none, of each window.
    """

    def __init__(
        self,
        windows: Series,
        x: Tensor,
        starts: Tensor,
        times: list[str],
        known: int = 0,
        keys: Tensor | None = None,
    ) -> None:
        self.windows, self.x, self.starts, self.times, self.known = windows, x, starts, times, known
        self.blocks = keys

    @property
    def names(self) -> list[str]:  # type: ignore[override] # made when asked for: there may be very many
        return [self.times[i] for i in self.starts.tolist()]

    def __len__(self) -> int:
        return len(self.starts)

    def batch(self, rows: Tensor, step: int | None = None) -> Batch:
        return Batch(self.x.unfold(0, self.windows.window, 1)[self.starts[rows].to(self.x.device)])

    def keys(self) -> Tensor:
        if self.blocks is not None:
            return self.blocks
        return torch.tensor(
            [_key(self.x[i : i + self.windows.window], i) for i in self.starts.tolist()]
        )

    def subset(self, rows: Tensor) -> Windowed:
        keys = None if self.blocks is None else self.blocks[rows]
        return Windowed(self.windows, self.x, self.starts[rows], self.times, self.known, keys)

    def covered(self, hidden: Tensor, weigh: ScoreFunction) -> Covered:
        """Every moment, with the sums of what these windows say of it."""
        moments, columns = self.x.shape
        hidden = hidden if hidden.dim() else torch.zeros(moments, columns)
        attribution, count, near = (
            torch.zeros(moments, columns),
            torch.zeros(moments),
            self.windows.window // NEAR,
        )
        for rows in torch.arange(len(self)).split(AT_ONCE):
            costs = weigh(self.batch(rows).x)[1].float().cpu()
            costs = F.avg_pool1d(costs, 2 * near + 1, 1, near, count_include_pad=False)
            places = (self.starts[rows].unsqueeze(1) + torch.arange(self.windows.window)).flatten()
            attribution.index_add_(0, places, costs.transpose(1, 2).reshape(-1, columns))
            count.index_add_(0, places, torch.ones(len(places)))
        return Covered(self.times, self.x.cpu(), hidden, attribution, count)


@dataclass(frozen=True)
class Covered:
    """Moments, and sums over the windows that cover them.

    x, hidden, attribution: (moments, columns).
    count: Of windows, (moments,).
    """

    times: list[str]
    x: Tensor
    hidden: Tensor
    attribution: Tensor
    count: Tensor

    def split(self, at: int) -> tuple[Covered, Covered]:
        """The moments before, and the rest."""
        at = min(max(at, 0), len(self.times))
        fields = (self.x, self.hidden, self.attribution, self.count)
        return (
            Covered(self.times[:at], *(value[:at] for value in fields)),
            Covered(self.times[at:], *(value[at:] for value in fields)),
        )

    def joined(self, other: Covered, known: int) -> tuple[Covered, Covered]:
        """What no later window covers, and the rest with the sums of `other`, whose first moments,
        so many, were seen
        before: these are the last ones here, or were settled already."""
        other = other.split(known - len(self.times))[1]
        shared = min(known, len(self.times))
        settled, rest = self.split(len(self.times) - shared)
        for mine, others in ((rest.attribution, other.attribution), (rest.count, other.count)):
            others[:shared] += mine
        return settled, other

    def weighed(self) -> Iterator[Scored]:
        """Of the moments that any window covers, means of the sums, and what was hidden."""
        there = self.count > 0
        if not there.any():
            return
        names = [time for time, covered in zip(self.times, there.tolist(), strict=True) if covered]
        attribution = self.attribution[there] / self.count[there].unsqueeze(1) + self.hidden[there]
        yield Scored(self.x[there], names, attribution.sum(1), attribution)


def _guessed_time(frame: Frame) -> str | None:
    """The first column, where that holds dates, or whole numbers that only rise."""
    first = frame.schema[0]
    if pa.types.is_temporal(first.type):
        return first.name
    if not pa.types.is_integer(first.type) or len(frame.schema) < 2:
        return None
    batch = next(frame.batches(), None)
    column = None if batch is None else batch.column(first.name)
    rising = (
        column is not None
        and not column.null_count
        and len(column) > 1
        and bool((np.diff(column) > 0).all())
    )
    return first.name if rising else None


def _measured(frame: Frame, time: str | None, drop: Sequence[str]) -> tuple[str, ...]:
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


def _key(x: Tensor, number: int) -> int:
    """A hash of a block, but for its lowest bits: those spread evenly over the blocks in their
    order (by the golden ratio), so that of few blocks, too, the right share is held out, and of all
    times."""
    digest = int.from_bytes(
        blake2b(x.cpu().numpy().tobytes(), digest_size=8).digest(), "little", signed=True
    )
    return digest >> 16 << 16 | int((number + 1) * GOLDEN % 1 * 2**16)
