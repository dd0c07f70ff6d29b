"""Whether columns have the right shapes, and pairs of them the right trends (as SDMetrics defines
them, 2023)."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import torch

from ...abilities import Samples
from ...core import Evidence, Measured
from ...core.statistics import bootstrap_mean
from .c2st import as_numbers

BINS = 10


def columns(model: Samples, evidence: Evidence) -> Measured:
    """One is ideal. Shapes: of a number 1 - the Kolmogorov-Smirnov distance, of a category 1 - the
    total variation distance, averaged over columns. Trends: of two numbers 1 - half the difference
    of correlations, of other pairs 1 - the total variation distance of their joint frequencies,
    numbers in ten bins; averaged over pairs. The intervals are over columns, and pairs.
    """
    real = evidence.frame(evidence.held_out.x)
    made = evidence.frame(model.sample(len(evidence.held_out), evidence.asked))
    if real is None or made is None:
        return Measured({}, {})
    (a, b), categories = _together(real, made)
    shapes = [
        _variation(a[:, i], b[:, i]) if c else _kolmogorov(a[:, i], b[:, i])
        for i, c in enumerate(categories)
    ]
    numbers = {"column shapes": bootstrap_mean(1 - torch.tensor(shapes))}
    if len(categories) > 1:
        trends = [
            _trend(a[:, [i, j]], b[:, [i, j]], categories[i], categories[j])
            for i, j in combinations(range(len(categories)), 2)
        ]
        numbers["pair trends"] = bootstrap_mean(1 - torch.tensor(trends))
    return Measured(numbers, dict.fromkeys(numbers, True))


def _together(
    real: pd.DataFrame, made: pd.DataFrame
) -> tuple[tuple[np.ndarray, np.ndarray], list[bool]]:
    x, categories = as_numbers(pd.concat([real, made], ignore_index=True), most=10**9)
    return (x[: len(real)], x[len(real) :]), categories


def _kolmogorov(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference between two distribution functions, of the values that are there."""
    a, b = np.sort(a[~np.isnan(a)]), np.sort(b[~np.isnan(b)])
    if not len(a) or not len(b):
        return float(len(a) != len(b))
    points = np.concatenate([a, b])
    below = (np.searchsorted(v, points, "right") / len(v) for v in (a, b))
    return float(np.abs(np.subtract(*below)).max())


def _variation(a: np.ndarray, b: np.ndarray) -> float:
    """Total variation distance of two sets of rows, each one of finitely many; nan is one of
    them."""
    both = np.nan_to_num(np.concatenate([a, b]).reshape(len(a) + len(b), -1), nan=-1)
    place = np.unique(both, axis=0, return_inverse=True)[1].ravel()
    counts = [
        np.bincount(part, minlength=place.max() + 1) / len(part)
        for part in (place[: len(a)], place[len(a) :])
    ]
    return float(np.abs(counts[0] - counts[1]).sum() / 2)


def _trend(a: np.ndarray, b: np.ndarray, first: bool, second: bool) -> float:
    if not (first or second):
        return abs(_correlation(a) - _correlation(b)) / 2
    for i, category in enumerate((first, second)):
        if not category:
            low, high = (
                (0.0, 1.0) if np.isnan(a[:, i]).all() else (np.nanmin(a[:, i]), np.nanmax(a[:, i]))
            )
            inner = np.linspace(low, high, BINS + 1)[1:-1]
            for x in (a, b):
                x[:, i] = np.where(
                    np.isnan(x[:, i]), np.nan, np.searchsorted(inner, x[:, i], "right")
                )
    return _variation(a, b)


def _correlation(x: np.ndarray) -> float:
    x = x[~np.isnan(x).any(1)]
    if len(x) < 2 or (x.std(0) == 0).any():
        return 0.0
    return float(np.corrcoef(x.T)[0, 1])
