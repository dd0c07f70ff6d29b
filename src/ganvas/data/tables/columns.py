"""What a column of a table is: how its values become codes a model can learn, and codes values
again.

A code is a small number. A `Category` has one for each level, a `Number` one for each value where
there are few and one for each bin, or mode, where there are many; a value that is missing has a
code of its own wherever some are.
"""

from __future__ import annotations

import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import gcd, log10
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ...core import InputError
from ...runtime.errors import flag

Kind = Literal["category", "number", "date", "key"]
Encoding = Literal["modes", "bins", "plain"]

FEW = 256  # values that each get a code of their own, where there are four times as many rows
LEVELS = 1000  # levels that each get a code of their own; the rest share one
BINS = 100  # of numbers, where each holds twenty rows
KNOTS = 16  # pieces of a bin within which values are spread evenly
MODES = 10
REACH = 100.0  # times four deviations, in which a number that is written plainly keeps its value
SPIKE = 0.05  # share of a column that makes one of its values a mode of its own
ENDLESS = 2**38  # steps within a code from which on they are not counted
FARTHEST = 100.0  # nats that lying beyond a range may add
SAMPLE = 100_000  # values that a column of numbers is learned from
DISTINCT = 1_000_000  # levels that are counted
ROOM = 2**16
"""Codes that all columns together may come to, where these are very many: of numbers, ten each at
least."""


@dataclass(frozen=True)
class Column(ABC):
    """One column, as it was learned.

    name: What it is called.
    missing: Share of its values that are missing.
    shares: How frequent each code is.
    listed: Levels as the data lists them, where it does, whether they occur or not.
    """

    name: str
    missing: float = 0.0
    shares: tuple[float, ...] = ()
    listed: tuple[str, ...] = ()

    @property
    @abstractmethod
    def size(self) -> int:
        """How many codes it has; 0 where there is nothing to learn."""

    @property
    @abstractmethod
    def described(self) -> str:
        """What it is, in a few words."""

    @abstractmethod
    def encode(self, values: pa.Array) -> np.ndarray:
        """Codes of values, int64 (N,). Raises InputError for a value the column cannot have."""

    @abstractmethod
    def decode(
        self, codes: np.ndarray, offsets: np.ndarray | None, chance: np.ndarray, first: int = 0
    ) -> pa.Array:
        """Values of codes (N,); offsets in [-1, 1] say where in its mode each lies.

        chance: Numbers in [0, 1) that decide what a code leaves open, (N,).
        first: The number of the first of these rows, where they are part of a longer table.
        """

    @abstractmethod
    def typical(self, points: Sequence[float]) -> tuple[np.ndarray, pa.Array]:
        """Values of every code, and the codes (N,) they are of: all there are, or where values are
        endless the points among them, the ends of their range, and something between any two of
        these."""

    def offsets(self, values: pa.Array, codes: np.ndarray) -> np.ndarray | None:
        """Where in its mode each value lies, float32 (N,) in [-1, 1]; None where there are no
        modes."""
        return None

    @abstractmethod
    def count_sharing(self, codes: np.ndarray) -> np.ndarray:
        """How many values share each of these codes, int64 (N,); 1 where they are endless or
        nothing is left open."""

    @abstractmethod
    def rank_in_code(self, values: pa.Array, codes: np.ndarray) -> np.ndarray:
        """Which of the values that share its code each value is, int64 (N,)."""

    @abstractmethod
    def from_rank(self, codes: np.ndarray, ranks: np.ndarray) -> pa.Array:
        """The values of codes and ranks, (N,); means nothing for codes whose values are endless."""

    @abstractmethod
    def tame(self, values: pa.Array, rows: int) -> tuple[pa.Array, np.ndarray]:
        """Values as the column can have them, and what that hides: minus the log of how rare it is
        to go so far beyond what was seen in so many rows, float32 (N,), 0 for what can be had."""

    def _absent(self, codes: np.ndarray) -> np.ndarray:
        """Which codes say that there is no value, boolean (N,)."""
        return codes == self.size - 1 if self.missing else np.zeros(len(codes), bool)

    def _refuse_missing(self, values: pa.Array) -> None:
        if values.null_count and not self.missing:
            row = int(np.flatnonzero(np.asarray(pc.is_null(values)))[0])
            raise InputError(
                f"column {self.name!r} is empty in row {row}, and never was in training; fill it in"
            )


@dataclass(frozen=True)
class Category(Column):
    """One of many levels.

    levels: All of them as text, the most frequent first; those beyond the first thousand share a
        code, and what was never seen shares it with them.
    rare: How frequent each of those is among them.
    """

    levels: tuple[str, ...] = ()
    rare: tuple[float, ...] = ()
    kind: Literal["category"] = "category"

    @property
    def own(self) -> int:
        """Levels that have a code of their own."""
        return min(len(self.levels), LEVELS)

    @property
    def size(self) -> int:
        return self.own + (len(self.levels) > LEVELS) + (self.missing > 0)

    @property
    def described(self) -> str:
        return f"category of {len(self.levels):,}"

    @cached_property
    def _texts(self) -> pa.Array:
        return pa.array(self.levels, pa.string())

    def encode(self, values: pa.Array) -> np.ndarray:
        texts = as_text(values)
        self._refuse_missing(texts)
        rank, unknown = self._looked_up(texts)
        if len(self.levels) <= LEVELS and unknown.any():
            row = int(np.flatnonzero(unknown)[0])
            raise InputError(
                f"column {self.name!r}, row {row}: the model never saw {texts[row].as_py()!r}; it"
                f" knows {', '.join(self.levels[:5])}{' …' if len(self.levels) > 5 else ''}"
            )
        codes = np.minimum(np.where(unknown, self.own, rank), self.own)
        return np.where(codes < 0, self.size - 1, codes)

    def _looked_up(self, texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Which level each text is, int64 (N,), -1 for none; and which texts were never seen,
        boolean (N,)."""
        rank = np.asarray(pc.fill_null(pc.index_in(texts, self._texts), -1), dtype=np.int64)
        return rank, (rank < 0) & np.asarray(pc.is_valid(texts))

    def decode(
        self, codes: np.ndarray, offsets: np.ndarray | None, chance: np.ndarray, first: int = 0
    ) -> pa.Array:
        rank = codes.copy()
        if len(self.levels) > LEVELS:
            rare = codes == self.own
            among = (
                np.cumsum(self.rare)
                .searchsorted(chance[rare], "right")
                .clip(max=len(self.rare) - 1)
            )
            rank[rare] = LEVELS + among
        absent = self._absent(codes)
        return self._texts.take(pa.array(np.where(absent, 0, rank), mask=absent))

    def measure(self, values: pa.Array) -> np.ndarray:
        """Which level each value is, -1 where it is missing; float64 (N,)."""
        return self._looked_up(as_text(values))[0].astype(float)

    def from_measured(self, ranks: np.ndarray) -> pa.Array:
        """Levels by number; missing for -1 and nan."""
        ranks = np.nan_to_num(ranks, nan=-1).astype(np.int64)
        return self._texts.take(pa.array(ranks.clip(0), mask=ranks < 0))

    def typical(self, points: Sequence[float]) -> tuple[np.ndarray, pa.Array]:
        codes = np.minimum(np.arange(len(self.levels) + (self.missing > 0)), self.own)
        if not self.missing:
            return codes, self._texts
        codes[-1] = self.size - 1
        return codes, pa.array([*self.levels, None], pa.string())

    def count_sharing(self, codes: np.ndarray) -> np.ndarray:
        return np.where(
            (codes == self.own) & (len(self.levels) > LEVELS), len(self.levels) - LEVELS, 1
        )

    def rank_in_code(self, values: pa.Array, codes: np.ndarray) -> np.ndarray:
        rank, _ = self._looked_up(as_text(values))
        return np.where(self.count_sharing(codes) > 1, rank.clip(0) - LEVELS, 0)

    def from_rank(self, codes: np.ndarray, ranks: np.ndarray) -> pa.Array:
        absent = self._absent(codes)
        return self._texts.take(pa.array(np.where(absent, 0, codes + ranks), mask=absent))

    def tame(self, values: pa.Array, rows: int) -> tuple[pa.Array, np.ndarray]:
        """What was never seen reads as what is most frequent; one in so many rows is thought to be
        new."""
        texts = as_text(values)
        new = np.zeros(len(texts), bool) if self.missing else ~np.asarray(pc.is_valid(texts))
        if len(self.levels) <= LEVELS:
            new |= self._looked_up(texts)[1]
        known = pc.if_else(pa.array(new), self.levels[0], texts)
        return known, (new * np.log1p(rows)).astype(np.float32)


@dataclass(frozen=True)
class Number(Column):
    """A number, or a date as one: `origin + step * value` where it moves in steps.

    low, high: The range it was seen in.
    step: What all its values are multiples of, from the origin; 0 where they are not.
    exact: Values with a code of their own, in order.
    knots: Bins of the others: of each the bounds of the pieces within which they are spread evenly.
    modes: Or modes of the others: mean and standard deviation of each.
    reach: How far beyond [-1, 1] the place within a mode may go, where what lies beyond the range
        keeps its value.
    """

    low: float = 0.0
    high: float = 0.0
    origin: float = 0.0
    step: float = 0.0
    exact: tuple[float, ...] = ()
    knots: tuple[tuple[float, ...], ...] = ()
    modes: tuple[tuple[float, float], ...] = ()
    reach: float = 1.0
    kind: Literal["number", "date"] = "number"

    @property
    def size(self) -> int:
        return len(self.exact) + len(self.knots) + len(self.modes) + (self.missing > 0)

    @property
    def described(self) -> str:
        if self.kind == "date":
            return "date"
        whole = self.step >= 1 and self.step == int(self.step)
        return (
            "integer" if whole else f"decimal, steps of {self.step:g}" if self.step else "decimal"
        )

    def encode(self, values: pa.Array) -> np.ndarray:
        numbers = self._numbers(values)
        absent = np.isnan(numbers)
        v = np.where(absent, self.low, numbers)
        exact = np.asarray(self.exact)
        codes = np.zeros(len(v), np.int64)
        hit = np.zeros(len(v), bool)
        if len(exact):
            after = np.searchsorted(exact, v).clip(0, len(exact) - 1)
            before = (after - 1).clip(0)
            codes = np.where(np.abs(exact[before] - v) < np.abs(exact[after] - v), before, after)
            hit = exact[codes] == v
        if self.knots:
            starts = np.asarray([k[0] for k in self.knots])
            codes = np.where(
                hit, codes, len(exact) + (np.searchsorted(starts, v, "right") - 1).clip(0)
            )
        elif self.modes:
            codes = np.where(hit, codes, len(exact) + self._mode(v))
        return np.where(absent, self.size - 1, codes)

    def _numbers(self, values: pa.Array) -> np.ndarray:
        """Values as float64 counted from the origin in steps, nan where missing. Raises InputError
        for others."""
        numbers = as_numbers(values)
        if np.isinf(numbers).any():
            row = int(np.flatnonzero(np.isinf(numbers))[0])
            raise InputError(
                f"column {self.name!r}, row {row}: infinity is no number; replace it or leave it"
                " empty"
            )
        absent = np.isnan(numbers)
        self._refuse_missing(pa.array(numbers, mask=absent))
        return numbers

    def _mode(self, v: np.ndarray) -> np.ndarray:
        """The mode that a value most likely belongs to."""
        mean, deviation = np.asarray(self.modes).T
        distance = np.abs(v[:, None] - mean) / deviation
        nearest: np.ndarray = (distance**2 / 2 + np.log(deviation)).argmin(1)
        return nearest

    def offsets(self, values: pa.Array, codes: np.ndarray) -> np.ndarray | None:
        if not self.modes:
            return None
        v, (mean, deviation) = np.nan_to_num(self._numbers(values)), np.asarray(self.modes).T
        mode = codes - len(self.exact)
        inside = (mode >= 0) & (mode < len(self.modes))
        mode = np.where(inside, mode, 0)
        places = np.where(inside, (v - mean[mode]) / (4 * deviation[mode]), 0)
        return places.clip(-self.reach, self.reach).astype(np.float32)

    def decode(
        self, codes: np.ndarray, offsets: np.ndarray | None, chance: np.ndarray, first: int = 0
    ) -> pa.Array:
        v = np.zeros(len(codes))
        own = codes < len(self.exact)
        if self.exact:
            v[own] = np.asarray(self.exact)[codes[own]]
        rest = codes - len(self.exact)
        if self.knots:
            inside = ~own & (rest < len(self.knots))
            knots = np.asarray(self.knots)[rest[inside]]
            place = chance[inside] * KNOTS
            piece = place.astype(int)
            rows = np.arange(len(knots))
            start = knots[rows, piece]
            v[inside] = start + (place - piece) * (knots[rows, piece + 1] - start)
        elif self.modes and offsets is not None:
            inside = ~own & (rest < len(self.modes))
            mean, deviation = np.asarray(self.modes).T
            v[inside] = mean[rest[inside]] + 4 * deviation[rest[inside]] * offsets[inside]
        absent = self._absent(codes)
        return pa.array(self._snap(v).clip(self.low, self.high), mask=absent)

    def _snap(self, v: np.ndarray) -> np.ndarray:
        """Numbers moved to the nearest that moves in its steps."""
        if 0 < self.step < 1:
            return np.round(v, -round(log10(self.step)))
        return self.origin + self._steps(v) * self.step if self.step else v

    def _steps(self, v: np.ndarray) -> np.ndarray:
        """How many steps numbers are from the origin, whole ones, as float64."""
        return np.round((v - self.origin) / self.step)

    def measure(self, values: pa.Array) -> np.ndarray:
        """Values as float64 (N,), nan where missing."""
        return as_numbers(values)

    def from_measured(self, numbers: np.ndarray) -> pa.Array:
        """Numbers as values that the column can have; missing for nan."""
        absent = np.isnan(numbers)
        return pa.array(
            self._snap(np.where(absent, self.low, numbers.clip(self.low, self.high))),
            mask=absent,
        )

    @cached_property
    def _grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each code, its first step from the origin and how many it spans, both int64
        (size,)."""
        bounds = (
            [(v, v) for v in self.exact]
            + [(k[0], k[-1]) for k in self.knots]
            + [(self.low, self.low)]
        )
        low, high = np.asarray(bounds)[: self.size].T
        if not self.step or self.modes:
            return np.zeros(self.size, np.int64), np.ones(self.size, np.int64)
        first, last = (self._steps(v).astype(np.int64) for v in (low, high))
        steps = last - first + 1
        return first, np.where(steps > ENDLESS, 1, steps)

    def count_sharing(self, codes: np.ndarray) -> np.ndarray:
        steps: np.ndarray = self._grid[1][codes]
        return steps

    def rank_in_code(self, values: pa.Array, codes: np.ndarray) -> np.ndarray:
        if not self.step:
            return np.zeros(len(codes), np.int64)
        v = np.nan_to_num(as_numbers(values), nan=self.low)
        first, steps = self._grid
        rank: np.ndarray = self._steps(v).astype(np.int64) - first[codes]
        return rank.clip(0, steps[codes] - 1)

    def from_rank(self, codes: np.ndarray, ranks: np.ndarray) -> pa.Array:
        absent = self._absent(codes)
        exact = codes < len(self.exact)
        v = self._snap(self.origin + (self._grid[0][codes] + ranks) * self.step)
        if self.exact:
            v = np.where(exact, np.asarray(self.exact)[np.where(exact, codes, 0)], v)
        return pa.array(v, mask=absent)

    def tame(self, values: pa.Array, rows: int) -> tuple[pa.Array, np.ndarray]:
        """What lies beyond the range reads as its end, with tails thought to fall off as within
        their last codes; what was never missing reads as the lowest, as new as one in so many
        rows."""
        numbers = as_numbers(values)
        absent = np.isnan(numbers)
        (below, above), (low, high) = self._tails, self._bounds
        v = np.nan_to_num(
            numbers, nan=self.low, posinf=np.finfo(float).max, neginf=np.finfo(float).min
        )
        beyond = np.maximum((low - v) / below, (v - high) / above).clip(0, FARTHEST)
        if self.missing:
            known = pa.array(v.clip(low, high), mask=absent)
        else:
            known, beyond = pa.array(v.clip(low, high)), np.where(absent, np.log1p(rows), beyond)
        return restore_values(known, values.type), beyond.astype(np.float32)

    @cached_property
    def _bounds(self) -> tuple[float, float]:
        """Between what values are read as they are, however far beyond the range they lie."""
        if self.reach <= 1:
            return self.low, self.high
        ((mean, deviation),) = self.modes
        return mean - 4 * self.reach * deviation, mean + 4 * self.reach * deviation

    @cached_property
    def _tails(self) -> tuple[float, float]:
        """How far beyond its range a number becomes less likely by a factor of e, below and
        above."""
        middles = (
            [k[KNOTS // 2] for k in self.knots]
            + [mean for mean, _ in self.modes]
            + list(self.exact)
        )
        seen = np.asarray(middles)
        low, high = seen.min() - self.low, self.high - seen.max()
        least = max(self.step, (self.high - self.low) / BINS, 1e-12)
        return max(low / np.log(2), least), max(high / np.log(2), least)

    def typical(self, points: Sequence[float]) -> tuple[np.ndarray, pa.Array]:
        ranges = [(k[0], k[-1]) for k in self.knots] + [(self.low, self.high)] * len(self.modes)
        values = [[value] for value in self.exact] + [
            _between(low, high, points) for low, high in ranges
        ]
        if self.missing:
            values.append([np.nan])
        joined = np.concatenate(values)
        return np.repeat(np.arange(self.size), [len(v) for v in values]), pa.array(
            joined, mask=np.isnan(joined)
        )


@dataclass(frozen=True)
class Unlearned(Column):
    """Nothing to learn: one code says nothing about any value."""

    size = 0

    def encode(self, values: pa.Array) -> np.ndarray:
        return np.zeros(len(values), np.int64)

    def count_sharing(self, codes: np.ndarray) -> np.ndarray:
        return np.ones(len(codes), np.int64)

    def rank_in_code(self, values: pa.Array, codes: np.ndarray) -> np.ndarray:
        return np.zeros(len(codes), np.int64)

    def from_rank(self, codes: np.ndarray, ranks: np.ndarray) -> pa.Array:
        return self.decode(codes, None, np.zeros(len(codes)))

    def tame(self, values: pa.Array, rows: int) -> tuple[pa.Array, np.ndarray]:
        return values, np.zeros(len(values), np.float32)


@dataclass(frozen=True)
class Same(Unlearned):
    """Always the same: nothing to learn. None where every value is missing."""

    value: str | None = None
    kind: Literal["same"] = "same"

    @property
    def described(self) -> str:
        return "always missing" if self.value is None else "constant"

    def decode(
        self, codes: np.ndarray, offsets: np.ndarray | None, chance: np.ndarray, first: int = 0
    ) -> pa.Array:
        return pa.array([self.value] * len(codes), pa.string())

    def typical(self, points: Sequence[float]) -> tuple[np.ndarray, pa.Array]:
        return np.zeros(1, np.int64), pa.array([self.value], pa.string())


@dataclass(frozen=True)
class Key(Unlearned):
    """Identifies a row: made afresh, never learned.

    example: What one looks like.
    """

    example: str = ""
    kind: Literal["key"] = "key"

    @property
    def described(self) -> str:
        return "identifier, made afresh"

    def decode(
        self, codes: np.ndarray, offsets: np.ndarray | None, chance: np.ndarray, first: int = 0
    ) -> pa.Array:
        numbers = range(first + 1, first + len(codes) + 1)
        if re.fullmatch(r"-?\d+", self.example):
            return pa.array([str(i) for i in numbers], pa.string())
        if re.fullmatch(r"[0-9a-fA-F-]{36}", self.example):
            random = np.random.default_rng([first, *(chance * 2**32).astype(np.int64)])
            return pa.array(
                [str(uuid.UUID(bytes=random.bytes(16), version=4)) for _ in codes], pa.string()
            )
        stem = re.sub(r"\d+$", "", self.example) or "key"
        width = max(len(self.example) - len(stem), 1)
        return pa.array([f"{stem}{i:0{width}d}" for i in numbers], pa.string())

    def typical(self, points: Sequence[float]) -> tuple[np.ndarray, pa.Array]:
        return np.zeros(0, np.int64), pa.array([], pa.string())


KINDS: dict[str, type[Column]] = {
    "category": Category,
    "number": Number,
    "date": Number,
    "same": Same,
    "key": Key,
}


def column_of(state: Mapping[str, Any]) -> Column:
    """The column that `dataclasses.asdict` made plain."""
    return KINDS[state["kind"]](**state)


@dataclass
class Sketch:
    """What is remembered of a column while its table goes by: bounded, however many rows there
    are."""

    name: str
    type: pa.DataType
    rows: int = 0
    missing: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    many: bool = False
    low: float = np.inf
    high: float = -np.inf
    sample: np.ndarray = field(default_factory=lambda: np.empty((2, 0)))
    first: float | None = None
    common: int = 0
    example: str = ""
    listed: tuple[str, ...] = ()

    def add(self, values: pa.Array, random: np.random.Generator) -> None:
        """Takes in a batch. Raises InputError for infinity and for kinds of values no model here
        can learn."""
        if is_nested(self.type):
            raise InputError(
                f"column {self.name!r} holds {self.type}, which is neither number nor category;"
                f" leave it out with {flag('drop', self.name)}"
            )
        self.missing += len(values) - int(np.count_nonzero(present_values(values)))
        if is_numeric(self.type):
            self._add_numbers(as_numbers(values), random)
        if not self.many:
            self._count(values)
        if pa.types.is_dictionary(self.type):
            self.listed = tuple(
                dict.fromkeys([*self.listed, *as_text(values.dictionary).to_pylist()])
            )
        self.rows += len(values)

    def _add_numbers(self, numbers: np.ndarray, random: np.random.Generator) -> None:
        if np.isinf(numbers).any():
            row = self.rows + int(np.flatnonzero(np.isinf(numbers))[0])
            raise InputError(
                f"column {self.name!r}, row {row}: infinity is no number; replace it or leave it"
                " empty"
            )
        numbers = numbers[~np.isnan(numbers)]
        if not len(numbers):
            return
        self.low, self.high = min(self.low, numbers.min()), max(self.high, numbers.max())
        if self.first is None:
            self.first = float(numbers[0])
        if not (pa.types.is_floating(self.type) or pa.types.is_decimal(self.type)):
            self.common = gcd(
                self.common, int(np.gcd.reduce((numbers - self.first).astype(np.int64)))
            )
        drawn = np.concatenate([self.sample, np.stack([random.random(len(numbers)), numbers])], 1)
        if drawn.shape[1] > SAMPLE:
            drawn = drawn[:, np.argpartition(drawn[0], SAMPLE)[:SAMPLE]]
        self.sample = drawn

    def _count(self, values: pa.Array) -> None:
        counted = as_text(values).drop_null().value_counts()
        for text, count in zip(
            counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True
        ):
            self.counts[text] = self.counts.get(text, 0) + count
        self.example = self.example or next(iter(self.counts), "")
        if len(self.counts) > (LEVELS if is_numeric(self.type) else DISTINCT):
            self.many, self.counts = True, {}

    def column(self, kind: Kind | None, encoding: Encoding, room: int) -> Column:
        """What the column is: what was said, or what it looks like. Raises InputError for free
        text.

        room: Codes that a number may take, or ten where that is more.
        """
        column = replace(self._column(kind, encoding, max(room, MODES)), listed=self.listed)
        return replace(column, shares=self._shares(column)) if column.size else column

    def _shares(self, column: Column) -> tuple[float, ...]:
        """How frequent each code is."""
        if isinstance(column, Number):
            counts = np.bincount(
                column.encode(pa.array(self.sample[1])), minlength=column.size
            ).astype(float)
        else:
            ranked = np.array(sorted(self.counts.values(), reverse=True), float)
            counts = np.zeros(column.size)
            counts[: min(len(ranked), LEVELS)] = ranked[:LEVELS]
            counts[min(len(ranked), LEVELS) - 1 + (len(ranked) > LEVELS)] += ranked[LEVELS:].sum()
        shares = counts / counts.sum() * (1 - column.missing)
        if column.missing:
            shares[-1] = column.missing
        return _plain(shares)

    def _column(self, kind: Kind | None, encoding: Encoding, room: int) -> Column:
        share = self.missing / max(self.rows, 1)
        present = self.rows - self.missing
        if present == 0:
            return Same(self.name, 1.0)
        if kind != "key" and not self.many and len(self.counts) == 1 and not self.missing:
            return Same(self.name, value=next(iter(self.counts)))
        if kind == "key" or (kind is None and self._identifies(present)):
            return Key(self.name, example=self.example)
        if kind in ("number", "date") and not is_numeric(self.type):
            raise InputError(
                f"column {self.name!r} holds {self.type}, no numbers; leave out {flag(kind)}"
                f" {self.name!r}"
            )
        if kind in ("number", "date") or (kind is None and is_numeric(self.type)):
            return self._number(share, encoding, room)
        if self.many:
            raise InputError(
                f"column {self.name!r} has too many different values to be a category; leave it"
                f" out with {flag('drop', self.name)}, or say {flag('id', self.name)} to have it"
                " made afresh"
            )
        if kind is None:
            self._refuse_text(present)
        ranked = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        tail = np.array([n for _, n in ranked[LEVELS:]])
        return Category(
            self.name,
            share,
            levels=tuple(text for text, _ in ranked),
            rare=_plain(tail / max(tail.sum(), 1)),
        )

    def _identifies(self, present: int) -> bool:
        """Whether no value comes twice, and values look made up to tell rows apart."""
        if present < 20 or self.missing:
            return False
        if is_numeric(self.type):
            named = re.search(r"(^|_|\b)(id|key|uuid|index)$", self.name.lower()) is not None
            whole = (
                pa.types.is_integer(self.type)
                and len(np.unique(self.sample[1])) == self.sample.shape[1]
            )
            return whole and (named or self.high - self.low + 1 == present)
        return len(self.counts) == present and not self._is_text()

    def _is_text(self) -> bool:
        some = list(self.counts)[:1000]
        return sum(len(text.split()) for text in some) > 3 * len(some)

    def _refuse_text(self, present: int) -> None:
        if len(self.counts) > max(0.5 * present, 20) and self._is_text():
            raise InputError(
                f"column {self.name!r} holds free text, which rows of a table cannot be made of;"
                f" leave it out with {flag('drop', self.name)}, or say"
                f" {flag('category', self.name)}"
            )

    def _number(self, share: float, encoding: Encoding, room: int) -> Number:
        values = np.sort(self.sample[1])
        step = self._step(values)
        known = Number(
            self.name,
            share,
            low=self.low,
            high=self.high,
            origin=self.low if step >= 1 else 0.0,
            step=step,
            kind="date" if pa.types.is_temporal(self.type) else "number",
        )
        if encoding == "plain":
            return replace(known, modes=(_whole(values),), reach=REACH)
        distinct, counts = np.unique(values, return_counts=True)
        shares = counts / len(values)
        few = max(min(FEW, room, len(values) // 4), MODES) if encoding == "bins" else MODES
        if len(distinct) <= few:
            return replace(known, exact=_plain(distinct))
        bins = min(BINS, room, max(len(values) // 20, MODES))
        spikes = distinct[shares >= (1 / bins if encoding == "bins" else SPIKE)]
        rest = values[~np.isin(values, spikes)]
        if not len(rest):
            return replace(known, exact=_plain(distinct))
        if encoding == "bins":
            return replace(known, exact=_plain(spikes), knots=_bins(rest, bins))
        return replace(known, exact=_plain(spikes), modes=_modes(rest, min(MODES, room // MODES)))

    def _step(self, values: np.ndarray) -> float:
        """What values are multiples of: their common divisor, or a power of ten; 0 where there is
        neither."""
        if not pa.types.is_floating(self.type) and not pa.types.is_decimal(self.type):
            return float(self.common or 1)
        for decimals in range(9):
            if np.array_equal(np.round(values, decimals), values):
                return float(10.0**-decimals)
        return 0.0


def _between(low: float, high: float, points: Sequence[float]) -> np.ndarray:
    """The ends of a range, the points inside it, and the middles of what lies between them."""
    marks = np.unique([low, high, *(p for p in points if low < p < high)])
    return np.unique([*marks, *(marks[:-1] + marks[1:]) / 2])


def _plain(values: np.ndarray) -> tuple[float, ...]:
    return tuple(map(float, values))


def _bins(values: np.ndarray, bins: int) -> tuple[tuple[float, ...], ...]:
    """Bins with equally many of the sorted values, and in each the bounds of pieces with equally
    many."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1), method="nearest"))
    if len(edges) < 2:
        return ((float(values[0]),) * (KNOTS + 1),)
    place = (np.searchsorted(edges, values, "right") - 1).clip(0, len(edges) - 2)
    share = np.linspace(0, 1, KNOTS + 1)
    inside = [values[place == i] for i in range(len(edges) - 1)]
    return tuple(_plain(np.quantile(v, share)) for v in inside if len(v))


def _whole(values: np.ndarray) -> tuple[float, float]:
    """All values as one mode."""
    return float(values.mean()), float(values.std()) or 1.0


def _modes(values: np.ndarray, most: int) -> tuple[tuple[float, float], ...]:
    """A variational mixture of at most so many Gaussians (Xu et al., 2019, section 4.2), of some of
    the values."""
    from warnings import catch_warnings, simplefilter

    from sklearn.mixture import BayesianGaussianMixture

    some = values[np.linspace(0, len(values) - 1, min(len(values), 2000)).round().astype(int)]
    if most == 1 or len(some) == 1:
        return ((float(some.mean()), float(some.std()) or 1e-6 * max(abs(float(some[0])), 1.0)),)
    scale = some.std() or 1.0
    mixture = BayesianGaussianMixture(
        n_components=min(most, len(some)),
        weight_concentration_prior=1e-3,
        max_iter=100,
        random_state=0,
    )
    with catch_warnings():
        simplefilter("ignore")  # that it has not converged is of no concern
        mixture.fit(((some - some.mean()) / scale)[:, None])
    deviations = np.sqrt(mixture.covariances_[:, 0, 0]) * scale
    means = mixture.means_[:, 0] * scale + some.mean()
    kept = mixture.weights_ > 0.005
    return tuple(
        (float(m), float(d)) for m, d in sorted(zip(means[kept], deviations[kept], strict=True))
    )


def is_numeric(kind: pa.DataType) -> bool:
    """Whether values of an Arrow type are numbers, or dates that can be counted as such."""
    t = pa.types
    tests = (t.is_integer, t.is_floating, t.is_decimal, t.is_temporal)
    return any(test(kind) for test in tests)


def is_nested(kind: pa.DataType) -> bool:
    """Whether values of an Arrow type are lists, structures or bytes."""
    tests = (pa.types.is_nested, pa.types.is_binary, pa.types.is_large_binary)
    return any(test(kind) for test in tests)


def as_text(values: pa.Array) -> pa.Array:
    """Values as text that can be cast back."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    return values.cast(pa.string())


def as_numbers(values: pa.Array) -> np.ndarray:
    """Numbers and dates as float64, (N,); nan where missing. Dates count in units of their type."""
    kind = values.type
    if pa.types.is_temporal(kind):
        wide = pa.int32() if kind.bit_width == 32 else pa.int64()
        values = values.cast(wide)
    elif pa.types.is_null(kind):
        return np.full(len(values), np.nan)
    values = values.cast(pa.float64(), safe=False)
    found: np.ndarray = values.to_numpy(zero_copy_only=False)
    return found.astype(np.float64)


def restore_values(values: pa.Array, kind: pa.DataType, listed: tuple[str, ...] = ()) -> pa.Array:
    """Decoded text or numbers as the Arrow type they came in."""
    if pa.types.is_dictionary(kind):
        levels = pa.array(listed, pa.string())
        places = pc.index_in(values, levels).cast(kind.index_type)
        return pa.DictionaryArray.from_arrays(
            places, levels.cast(kind.value_type), ordered=kind.ordered
        )
    if pa.types.is_null(kind):
        return pa.nulls(len(values))
    if pa.types.is_string(values.type):
        return values.cast(kind)
    if pa.types.is_temporal(kind):
        return (
            values.cast(pa.int64(), safe=False)
            .cast(pa.int32() if kind.bit_width == 32 else pa.int64())
            .cast(kind)
        )
    if pa.types.is_integer(kind):
        values = pa.array(
            np.round(values.to_numpy(zero_copy_only=False)), mask=np.asarray(pc.is_null(values))
        )
        return values.cast(pa.int64(), safe=False).cast(kind)
    return values.cast(kind, safe=False)


def mark_values(columns: Sequence[pa.Array]) -> np.ndarray:
    """A hash of each row's values as text, int64 (N,), never 0."""
    frame = pd.DataFrame(
        {i: as_text(values).to_pandas().astype(object) for i, values in enumerate(columns)}
    )
    return pd.util.hash_pandas_object(frame, index=False).to_numpy().view(np.int64) | 1


def patch_values(values: pa.Array, there: np.ndarray, others: pa.Array) -> pa.Array:
    """Values where they are there, others elsewhere: of their type, or of the others' where that
    cannot hold them."""
    kind, mask = values.type, pa.array(there)
    if pa.types.is_dictionary(kind):
        texts = pc.if_else(mask, as_text(values), as_text(others))
        return restore_values(
            texts,
            kind,
            tuple(dict.fromkeys([*as_text(values.dictionary).to_pylist(), *texts.to_pylist()])),
        )
    others = others.dictionary_decode() if pa.types.is_dictionary(others.type) else others
    try:
        return pc.if_else(mask, values, others.cast(kind))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pc.if_else(mask, values.cast(others.type), others)


def present_values(values: pa.Array) -> np.ndarray:
    """Which values are not missing, boolean (N,)."""
    valid = np.asarray(pc.is_valid(values))
    if pa.types.is_floating(values.type):
        valid &= ~np.isnan(values.to_numpy(zero_copy_only=False))
    return valid
