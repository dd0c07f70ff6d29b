"""Series as a model takes them: windows to learn from, and those that arrive while they are
scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ...core import InputError, Part, Source
from .._growing_files import follow_rows, readable_parts
from ..tables.sources import Frame
from .sources import Bridge, Stretch, join_stretches, numbers, open_series, times_of
from .windows import Windowed, hash_block

if TYPE_CHECKING:
    from .modality import Series

FALLS = 0.05
"""How far beyond [-1, 1], and all that was seen, a value becomes less likely by a factor of e."""
FARTHEST = 1e4  # nats that one value hides at most
BLOCKS = 40  # that a series is cut into at least, where it is long enough
SHORTEST_BLOCK, LONGEST_BLOCK = 6, 32  # windows


class SeriesSource(Source):
    """Series in files, frames or arrays."""

    modality: Series

    def examples(self) -> Windowed:
        """Windows to learn from and to judge by: the series is cut into blocks, of which some are
        held out as a whole; no window lies in two, and between those of two there is the length of
        a window."""
        whole, starts, keys, at = list[Stretch](), list[Tensor](), list[Tensor](), 0
        for frame in open_series(self.given):
            series = self.bridge(frame)
            x = self._scale(series)[0]
            for first, end in self._cut_blocks(len(x)):
                own = torch.arange(
                    at + first, at + end - self.modality.window + 1, self.modality.stride
                )
                starts.append(own)
                keys.append(torch.full_like(own, hash_block(x[first:end], len(keys))))
            whole.append(series)
            at += len(x)
        every = join_stretches(*whole)
        scaled = self._scale(every)[0].to(self.device)
        return Windowed(self.modality, scaled, torch.cat(starts), every.times, keys=torch.cat(keys))

    def _cut_blocks(self, moments: int) -> Iterator[tuple[int, int]]:
        """Where the blocks of a series begin and end."""
        windows = moments / self.modality.window
        size = self.modality.window * int(np.clip(windows // BLOCKS, SHORTEST_BLOCK, LONGEST_BLOCK))
        edges = [*range(0, max(moments - size // 2, 1), size), moments]
        for first, end in pairwise(edges):
            yield first, end if end == moments else end - self.modality.window

    def parts(self) -> Iterator[Part]:
        frames = open_series(self.given)
        for frame in frames:
            where = f"{Path(frame.where).name}: " if len(frames) > 1 else ""
            self._refuse_missing(frame)
            seen = 0
            for part in self.cut_windows(self._read_stretches(frame, where)):
                seen += 1
                yield part
            if not seen:
                raise InputError(
                    f"{frame.where} is shorter than a window of {self.modality.window} moments;"
                    " give more of it"
                )

    def follow(self, wait: Callable[[float], bool]) -> Iterator[Part]:
        wanted = [*self.modality.columns, *([self.modality.time] if self.modality.time else [])]

        def stretches() -> Iterator[Stretch]:
            first = 0
            for frame, batch in follow_rows(Path(self.given), wanted, wait):
                self._refuse_missing(frame)
                # used up at once
                read = lambda part, n: self._read_stretch(part, frame.where, first + n)  # noqa: B023, E731
                yield from readable_parts(batch, read)
                first += len(batch)

        yield from self.cut_windows(stretches())

    def _refuse_missing(self, frame: Frame) -> None:
        wanted = [*self.modality.columns, *([self.modality.time] if self.modality.time else [])]
        if missing := [name for name in wanted if name not in frame.schema.names]:
            raise InputError(
                f"{frame.where} has no column {missing[0]!r}, which the model learned from; add it"
            )

    def _read_stretches(self, frame: Frame, where: str = "") -> Iterator[Stretch]:
        first = 0
        for batch in frame.batches():
            yield self._read_stretch(batch, frame.where, first, where)
            first += len(batch)

    def _read_stretch(
        self, batch: pa.RecordBatch, file: str, first: int, where: str = ""
    ) -> Stretch:
        values = numbers(batch, self.modality.columns, file)
        times = [where + time for time in times_of(batch, self.modality.time, first)]
        return Stretch(times, values, np.zeros(values.shape, bool))

    def bridge(self, frame: Frame) -> Stretch:
        """A series with its short gaps bridged. Raises InputError for a long one, and for too short
        a series."""
        self._refuse_missing(frame)
        parts = list(
            Bridge(len(self.modality.columns), self.modality.longest_gap).over(
                self._read_stretches(frame)
            )
        )
        series = (
            join_stretches(*parts)
            if parts
            else Stretch([], np.empty((0, len(self.modality.columns))), np.empty((0, 0), bool))
        )
        if len(series.times) < 2 * self.modality.window:
            rows = (
                f"{len(series.times)} rows; windows of {self.modality.window} to learn from need"
                " twice as many at least"
            )
            raise InputError(f"{frame.where} has {rows}")
        bad = series.lost | ~np.isfinite(series.values)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise InputError(
                f"{frame.where}: column {self.modality.columns[column]!r} is missing or no number"
                f" in row {row}, longer than {self.modality.longest_gap} rows; fill it in, or cut"
                " the series there into two files of a folder"
            )
        return series

    def _scale(self, series: Stretch) -> tuple[Tensor, Tensor]:
        """Values in [-1, 1], and what that hides, in nats: both (n, columns)."""
        v = np.nan_to_num(
            (series.values - self.modality.centre) / self.modality.scale,
            nan=0.0,
            posinf=FARTHEST,
            neginf=-FARTHEST,
        )
        beyond = np.maximum(np.maximum(v - self.modality.high, self.modality.low - v), 0) / FALLS
        hidden = np.where(series.lost, np.log1p(self.modality.rows), beyond.clip(max=FARTHEST))
        return torch.from_numpy(v.clip(-1, 1)).float(), torch.from_numpy(hidden).float()

    def cut_windows(self, stretches: Iterator[Stretch]) -> Iterator[Part]:
        """Every window of a series that arrives in stretches; of what went before, only what is
        needed is kept."""
        kept: Stretch | None = None  # from where the next window begins
        last: Stretch | None = None  # the last moments there were, as many as a window has
        known, any_yet = 0, False  # of `kept`, how many were in a part before
        for stretch in Bridge(len(self.modality.columns), self.modality.longest_gap).over(
            stretches
        ):
            kept, last = (
                join_stretches(kept, stretch),
                join_stretches(last, stretch)[-self.modality.window :],
            )
            if len(kept.times) < self.modality.window:
                continue
            starts = torch.arange(
                0, len(kept.times) - self.modality.window + 1, self.modality.stride
            )
            x, hidden = self._scale(kept)
            yield (
                Windowed(self.modality, x.to(self.device), starts, kept.times, known=known),
                hidden,
            )
            kept = kept[int(starts[-1]) + self.modality.stride :]
            known, any_yet = len(kept.times), True
        if (
            any_yet
            and kept
            and last
            and len(kept.times) > self.modality.window - self.modality.stride
        ):  # the last window ends too early
            x, hidden = self._scale(last)
            known += self.modality.window - len(kept.times)
            yield (
                Windowed(
                    self.modality,
                    x.to(self.device),
                    torch.zeros(1, dtype=torch.int64),
                    last.times,
                    known=known,
                ),
                hidden,
            )
