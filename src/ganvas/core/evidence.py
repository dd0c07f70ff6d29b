"""What metrics look at, and what they answer: numbers with their intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from .data import Batch

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Estimate:
    """A number and the interval a bootstrap puts around it (95 %)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """A metric's answer: named numbers, and for each name whether larger is better (None:
    neither)."""

    numbers: dict[str, Estimate]
    larger_is_better: dict[str, bool | None]


@dataclass(frozen=True)
class Evidence:
    """What a metric may look at beside the model.

    train: Examples the model learned from, evenly spread over all of them.
    held_out: Examples it never saw. As many samples are asked for as there are of these.
    asked: What each sample is asked to be, (len(held_out), *condition.shape), for a model that
        takes a condition.
    paired: Whether what an example is to be made of, `held_out.y`, is its counterpart and not any
        other example.
    features: Maps examples (N, *space.shape) to feature vectors (N, D).
    classify: Maps examples to class numbers (N,), where the features come from a classifier of the
        same classes.
    frame: Maps examples to a data frame where they are rows of a table, else to None.
    target: Name of the column that matters most to the person, if they named one.
    """

    train: Batch
    held_out: Batch
    asked: Tensor | None
    features: Callable[[Tensor], Tensor]
    classify: Callable[[Tensor], Tensor] | None
    frame: Callable[[Tensor], pd.DataFrame | None] = lambda _: None
    target: str | None = None
    paired: bool = False
