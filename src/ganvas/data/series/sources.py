"""Where series come from: tables whose rows follow each other in time, and arrays; all as numbers,
in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from torch import Tensor

from ...core import InputError
from ..tables.sources import ROWS, Frame, files_of, open_frame


@dataclass(frozen=True)
class Stretch:
    """Consecutive moments of a series.

    times: What each is called.
    values: float64 (n, columns).
    lost: Where nothing was measured for so long that a value was made up, boolean (n, columns).
    """

    times: list[str]
    values: np.ndarray
    lost: np.ndarray

    def __getitem__(self, part: slice) -> Stretch:
        return Stretch(self.times[part], self.values[part], self.lost[part])


def join_stretches(*parts: Stretch | None) -> Stretch:
    """Stretches, of which at least one is there, as one."""
    there = [part for part in parts if part is not None]
    times = [time for part in there for time in part.times]
    return Stretch(
        times, np.concatenate([p.values for p in there]), np.concatenate([p.lost for p in there])
    )


def is_series(source: Any) -> bool:
    """Whether a source can be nothing but a series: an array (T,) or (T, D)."""
    return isinstance(source, np.ndarray | Tensor) and source.ndim in (1, 2)


def open_series(source: Any) -> list[Frame]:
    """One table a series: of a file, of each file in a folder, of an array (T, D), of each in (N,
    T, D) or a list."""
    if isinstance(source, list | tuple):
        return [frame for one in source for frame in open_series(one)]
    if isinstance(source, Tensor):
        return open_series(source.detach().cpu().numpy())
    if isinstance(source, np.ndarray):
        if source.ndim == 3:
            return [frame for one in source for frame in open_series(one)]
        return [_of_array(source)]
    if isinstance(source, str | Path) and Path(source).is_dir():
        shards = sorted(Path(source).rglob("*.parquet"))
        return [open_frame(file) for file in shards or files_of(source)]
    return [open_frame(source)]


def _of_array(array: np.ndarray) -> Frame:
    columns = (
        array.reshape(len(array), -1) if array.ndim in (1, 2) and array.size else np.empty((0, 0))
    )
    if not columns.size or not np.issubdtype(columns.dtype, np.number):
        raise InputError(
            f"an array of {array.dtype}, shape {array.shape}, is no series; give numbers (T,) or"
            " (T, D)"
        )
    table = pa.table({f"x{i}": np.ascontiguousarray(column) for i, column in enumerate(columns.T)})
    return Frame("the array", "file", table.schema, lambda: iter(table.to_batches(ROWS)))


def numeric(kind: pa.DataType) -> bool:
    """Whether a column of this type can be measured values."""
    return any(
        test(kind) for test in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    )


def numbers(batch: pa.RecordBatch, columns: Sequence[str], where: str) -> np.ndarray:
    """Columns as float64 (n, columns), nan where missing. Raises InputError for what is no
    number."""
    found = []
    for name in columns:
        try:
            array = batch.column(name).cast(pa.float64())
        except pa.ArrowException as error:
            raise InputError(
                f"{where}: column {name!r} holds what is no number ({error}); mend it"
            ) from error
        found.append(array.to_numpy(zero_copy_only=False))
    return np.stack(found, 1)


def times_of(batch: pa.RecordBatch, time: str | None, first: int) -> list[str]:
    """What moments are called: by the time column, or by the number of their row."""
    if time is None:
        return [str(first + i) for i in range(len(batch))]
    texts = pc.cast(batch.column(time), pa.string()).fill_null("")
    if pa.types.is_temporal(batch.column(time).type):
        texts = pc.replace_substring_regex(texts, r"\.0+$", "")
    names: list[str] = texts.to_pylist()
    return names


@dataclass
class Bridge:
    """Joins stretches that arrive, and bridges where nothing was measured for a while.

    Up to `longest` missing values in a row are put on a line between their neighbours; beyond, the
    last value is kept (or the next, where there was none), and marked as lost. What cannot be
    decided yet waits for the next stretch.
    """

    columns: int
    longest: int
    waiting: list[Stretch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.last = np.full(self.columns, np.nan)  # values before what waits
        self.run = np.zeros(self.columns, np.int64)  # how long each column has been missing by then

    def over(self, stretches: Iterable[Stretch]) -> Iterator[Stretch]:
        """The same moments, with no value missing."""
        for stretch in stretches:
            whole = join_stretches(*self.waiting, stretch)
            absent = np.isnan(whole.values)
            trailing = np.where(absent.all(0), len(absent), absent[::-1].argmin(0))
            undecided = np.where(
                trailing + self.run * absent.all(0) <= self.longest, trailing, 0
            ).max(initial=0)
            cut = len(absent) - int(undecided)
            if cut:
                yield self._bridge(whole, cut)
            self.waiting = [whole[cut:]] if undecided else []
        if self.waiting:
            yield self._bridge(self.waiting[0], len(self.waiting[0].times))

    def _bridge(self, whole: Stretch, cut: int) -> Stretch:
        """The first moments of a stretch, bridged with the help of what follows them."""
        values, lost = whole.values.copy(), whole.lost.copy()
        for j in range(self.columns):
            for start, end in _runs(np.isnan(values[:, j])):
                before = values[start - 1, j] if start else self.last[j]
                after = values[end, j] if end < len(values) else np.nan
                length = end - start + (self.run[j] if start == 0 else 0)
                known = [value for value in (before, after) if not np.isnan(value)]
                values[start:end, j] = known[0] if known else np.nan
                if len(known) == 2 and length <= self.longest:
                    values[start:end, j] = np.linspace(before, after, end - start + 2)[1:-1]
                lost[start:end, j] = length > self.longest or not known
            trailing = np.isnan(whole.values[:cut, j])[::-1]
            self.run[j] = cut + self.run[j] if trailing.all() else trailing.argmin()
        self.last = values[cut - 1]
        return Stretch(whole.times[:cut], values[:cut], lost[:cut])


def _runs(marked: np.ndarray) -> Iterator[tuple[int, int]]:
    """Where runs of true begin and end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
