"""Prediction intervals: the ends between which a value lies with a given probability."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
import torch
from torch import Tensor

from ..runtime.errors import InputError, flag

DRAWS = 32
"""Draws of each example from which its intervals are estimated."""

FIELDS = ("middle", "low", "high", "share")
"""The fields of `Interval` that every value has."""

SPAN = 0.8  # of draws lie between the two ends that intervals are measured in


@dataclass(frozen=True)
class Values:
    """Examples as a person measures them, x, (n, V): of a number nan where it is missing, of a
    category the number of its level, -1 where it is missing; and which of them are categories,
    boolean (V,)."""

    x: np.ndarray
    categories: np.ndarray


def plain_values(x: Tensor) -> Values:
    """Examples (n, ...) as they are."""
    values = x.flatten(1).float().cpu().numpy()
    return Values(values, np.zeros(values.shape[1], bool))


Measure = Callable[[Tensor], Values]
"""The values of examples (n, *space.shape)."""


@dataclass(frozen=True)
class Interval:
    """Predicted values and the intervals that they lie in; of examples as `Values`, (n, V).

    level: The probability of the intervals.
    middle: The predicted value; nan where there is none.
    low, high: The ends of a number's interval; nan for the rest.
    share: The probability of the predicted category; nan for the rest.
    """

    level: float
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray
    share: np.ndarray

    def ends_like(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The ends of examples x that have nothing but numbers, both shaped like x."""
        low, high = torch.from_numpy(self.low), torch.from_numpy(self.high)
        return low.to(x.dtype).view(x.shape), high.to(x.dtype).view(x.shape)


@dataclass(frozen=True)
class Calibration:
    """Errors of a model on held-out examples, relative to its intervals.

    measure: The modality's.
    scores: How far each value lay from its reconstruction, as a multiple of the distance from there
        to the end of the interval of 80 % of its draws, (N, V); nan where it was missing.
    least: Such distances are taken for so large at least, (V,).
    """

    measure: Measure
    scores: np.ndarray
    least: np.ndarray

    def reach(self, level: float) -> np.ndarray:
        """By which multiple of those distances an interval must reach for a new value to lie inside
        with a probability of `level` at least, (V,): split conformal prediction (Romano et al.,
        2019, theorem 1; scaled, as Kivaranovic et al., 2020).

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
"""Loads the calibration of a run's model. Raises InputError where there is none."""


def check_level(level: float) -> float:
    """The level, if it is one. Raises InputError for what is none."""
    if not 0 < level < 1:
        raise InputError(
            f"{flag('interval')} is {level}; it is a probability above 0 and below 1, such as 0.9"
        )
    return level


def draws_needed(level: float) -> int:
    """Draws from which on there are two between which another lies with this probability."""
    return max(ceil(2 / (1 - level) - 1e-6) - 1, 2)


def interval_ends(draws: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The two of draws (D, n, V) between which another draw lies with a probability of `level` at
    least, both (n, V).

    Of D draws and another one, each rank is as likely, so that D + 1 - 2 k of D + 1 lie from the
    k-th to the k-th last. nan does not count, and stays where all are nan.
    """
    ranked = np.sort(draws, 0)
    there = (~np.isnan(ranked)).sum(0)
    k = np.maximum(np.floor((there + 1) * (1 - level) / 2 + 1e-9).astype(int), 1)
    return _ranked(ranked, k - 1), _ranked(ranked, there - k)


def _ranked(draws: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Of draws (D, n, V) in order, those of these ranks, (n, V)."""
    places = np.clip(rank, 0, len(draws) - 1)[None]
    return np.take_along_axis(draws, places, 0).squeeze(0)


def interval_of_draws(draws: np.ndarray, categories: np.ndarray, level: float) -> Interval:
    """Of draws (D, n, V) the interval: of a number its median and ends, of a category the most
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
class PredictiveValues:
    """Values of examples and of their reconstructions, (n, V); how far below and above these the
    interval of 80 % of draws ends; and of a category the share of draws that agree with the
    reconstruction."""

    given: np.ndarray
    shown: Values
    below: np.ndarray
    above: np.ndarray
    share: np.ndarray

    def scores(self, least: np.ndarray) -> np.ndarray:
        """`Calibration.scores` of these examples."""
        error = self.given - self.shown.x
        scores = np.abs(error) / np.maximum(np.where(error < 0, self.below, self.above), least)
        lost = np.isnan(self.shown.x) & ~np.isnan(
            self.given
        )  # predicted to be missing, and was not
        return np.where(lost, np.inf, scores)

    def interval(self, reach: np.ndarray, least: np.ndarray, level: float) -> Interval:
        """Intervals that reach by these multiples, (V,)."""
        x, categories = self.shown.x, self.shown.categories
        low = x - reach * np.maximum(self.below, least)
        high = x + reach * np.maximum(self.above, least)
        low[:, categories], high[:, categories] = np.nan, np.nan
        return Interval(level, x, low, high, self.share)


def predictive_values(
    resample: Callable[[Tensor, int], Tensor], x: Tensor, shown: Tensor, measure: Measure
) -> PredictiveValues:
    """Draws of examples x through a model beside their reconstructions, both (n, *space.shape).

    resample: `ResamplesPosterior.resample_posterior` of the model.
    """
    values = measure(shown)
    draws = np.stack([measure(part).x for part in resample(x, DRAWS)])
    low, high = interval_ends(draws, SPAN)
    share = np.where(values.categories, (draws == values.x).mean(0), np.nan)
    # where draws are all missing there is no way to their ends
    below = np.nan_to_num(np.maximum(values.x - low, 0))
    above = np.nan_to_num(np.maximum(high - values.x, 0))
    return PredictiveValues(measure(x).x, values, below, above, share)


def split_draws(x: Tensor) -> tuple[Tensor, ...]:
    """Examples in parts whose draws fit into memory."""
    parts: tuple[Tensor, ...] = x.split(max(floor(2**22 / (DRAWS * x[0].numel())), 1))
    return parts
