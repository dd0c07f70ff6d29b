"""Intervals: between what a value lies with the probability that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
import torch
from torch import Tensor

from ..runtime.errors import InputError, flag
from .abilities import ResamplesPosterior

DRAWS = 32
"""Draws of each example that tell how far its values vary."""

FIELDS = ("middle", "low", "high", "share")
"""Of `Interval`, what is said of every value."""

SPAN = 0.8  # of these draws lies between the two ends that intervals are measured in


@dataclass(frozen=True)
class Values:
    """Examples as a person measures them, x, (n, V): of a number nan where it is missing, of a
    category the number of its level, -1 where it is missing; and which of them are categories,
    boolean (V,)."""

    x: np.ndarray
    categories: np.ndarray


Measure = Callable[[Tensor], Values]
"""The values of examples (n, *space.shape)."""


@dataclass(frozen=True)
class Interval:
    """What values are held to be, and between what they lie with a probability; of examples as
    `Values`, (n, V).

    level: The probability.
    middle: What is shown; nan where nothing is said.
    low, high: Of a number; nan for the rest.
    share: Of a category, the probability of the one that is shown; nan for the rest.
    """

    level: float
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray
    share: np.ndarray

    def shaped(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The ends of examples that have nothing but numbers, both shaped like these."""
        low, high = (
            torch.from_numpy(end).to(x.dtype).view(x.shape) for end in (self.low, self.high)
        )
        return low, high


@dataclass(frozen=True)
class Calibration:
    """How examples that a model did not learn from came out of its intervals.

    measure: The modality's.
    scores: How far each value lay from its reconstruction, in times the way from there to where 80
        % of its draws end, (N, V); nan where it was missing.
    least: Ways that are taken for so long at least, (V,).
    """

    measure: Measure
    scores: np.ndarray
    least: np.ndarray

    def reach(self, level: float) -> np.ndarray:
        """How many of those ways an interval must reach for a new value to lie inside with a
        probability of `level` at least, (V,): split conformal prediction (Romano et al., 2019,
        theorem 1; scaled, as Kivaranovic et al., 2020).

        Raises InputError where too few examples were held out for that.
        """
        ranked = np.sort(self.scores, 0)
        there = (~np.isnan(ranked)).sum(0)
        rank = np.ceil((there + 1) * level - 1e-9).astype(int)
        if not (rank <= there).any():
            needed = ceil(level / (1 - level) - 1e-6)
            raise InputError(
                f"{flag('interval', level)} needs {needed} examples held out and this run kept"
                f" {len(ranked)}, of 400 at most; ask for less, or train with a larger"
                f" {flag('held_out')}"
            )
        found = np.take_along_axis(ranked, np.clip(rank, 1, len(ranked))[None] - 1, 0)[0]
        return np.where(rank <= there, found, np.inf)


Calibrated = Callable[[], Calibration]
"""What a run knows of how sure its model may be, for those who ask. Raises InputError where it
cannot know."""


def check_level(level: float) -> float:
    """A level that was asked for. Raises InputError for what is none."""
    if not 0 < level < 1:
        raise InputError(
            f"{flag('interval')} is {level}; it is a probability above 0 and below 1, such as 0.9"
        )
    return level


def draws_needed(level: float) -> int:
    """Draws from which on there are two between which another lies with this probability."""
    return max(ceil(2 / (1 - level) - 1e-6) - 1, 2)


def interval_ends(draws: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Those of draws (D, n, V) between which another draw lies with a probability of `level` at
    least, both (n, V).

    Of D draws and another one, each rank is as likely, so that from the k-th to the k-th last lie D
    + 1 - 2 k of D + 1. What is nan does not count; nan where all is.
    """
    ranked = np.sort(draws, 0)
    there = (~np.isnan(ranked)).sum(0)
    k = np.maximum(np.floor((there + 1) * (1 - level) / 2 + 1e-9).astype(int), 1)
    pick = lambda rank: np.take_along_axis(ranked, np.clip(rank, 0, len(draws) - 1)[None], 0)[0]  # noqa: E731
    return pick(k - 1), pick(there - k)


def interval_of_draws(draws: np.ndarray, categories: np.ndarray, level: float) -> Interval:
    """What draws (D, n, V) say: of a number the middle one and its interval, of a category the most
    frequent."""
    low, high = interval_ends(draws, level)
    middle, share = np.sort(draws, 0)[len(draws) // 2], np.full(low.shape, np.nan)
    for i in np.flatnonzero(categories):
        codes = draws[:, :, i].astype(int) + 1  # missing ones are -1
        counts = np.stack([np.bincount(own, minlength=codes.max() + 1) for own in codes.T])
        middle[:, i], share[:, i] = counts.argmax(1) - 1, counts.max(1) / len(draws)
    low[:, categories], high[:, categories] = np.nan, np.nan
    return Interval(level, middle, low, high, share)


@dataclass(frozen=True)
class Ways:
    """Values of examples and of their reconstructions, (n, V), how far below and above these 80 %
    of draws end, and of categories the share of draws that the reconstruction's has."""

    given: np.ndarray
    shown: Values
    below: np.ndarray
    above: np.ndarray
    share: np.ndarray

    def scores(self, least: np.ndarray) -> np.ndarray:
        """`Calibration.scores` of these examples."""
        error = self.given - self.shown.x
        scores = np.abs(error) / np.maximum(np.where(error < 0, self.below, self.above), least)
        lost = np.isnan(self.shown.x) & ~np.isnan(self.given)  # held to be missing, and was not
        return np.where(lost, np.inf, scores)

    def reaching(self, reach: np.ndarray, least: np.ndarray, level: float) -> Interval:
        """Intervals that reach so many ways, (V,)."""
        x, categories = self.shown.x, self.shown.categories
        low, high = (
            x - reach * np.maximum(self.below, least),
            x + reach * np.maximum(self.above, least),
        )
        low[:, categories], high[:, categories] = np.nan, np.nan
        return Interval(level, x, low, high, self.share)


def predictive_values(
    model: ResamplesPosterior, x: Tensor, shown: Tensor, measure: Measure
) -> Ways:
    """What draws of examples x through a model say of what is shown for them, both (n,
    *space.shape)."""
    values = measure(shown)
    draws = np.stack([measure(part).x for part in model.resample_posterior(x, DRAWS)])
    low, high = interval_ends(draws, SPAN)
    share = np.where(values.categories, (draws == values.x).mean(0), np.nan)
    way = lambda length: np.nan_to_num(np.maximum(length, 0))  # noqa: E731 # where draws are all missing there is none
    return Ways(measure(x).x, values, way(values.x - low), way(high - values.x), share)


def split_draws(x: Tensor) -> tuple[Tensor, ...]:
    """Examples in parts whose draws fit into memory."""
    return x.split(max(floor(2**22 / (DRAWS * x[0].numel())), 1))
