"""What tasks and metrics answer: small named types. A modality turns them into what people open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from .modality import Data


@dataclass(frozen=True)
class Made:
    """New examples, shape (n, *space.shape)."""

    examples: Tensor


@dataclass(frozen=True)
class Pairs:
    """Examples beside what became of them, both (n, *space.shape)."""

    before: Tensor
    after: Tensor


@dataclass(frozen=True)
class Frames:
    """Examples that belong in order, shape (frames, n, *space.shape): n strips, or one animation of n panels."""

    examples: Tensor


@dataclass(frozen=True)
class Estimate:
    """A number and the interval a bootstrap puts around it (95 %)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """A metric's answer: named numbers, and for each name whether larger is better (None: neither)."""

    numbers: dict[str, Estimate]
    larger_is_better: dict[str, bool | None]


@dataclass(frozen=True)
class Evidence:
    """What a metric may look at beside the model.

    train: Data the model learned from.
    held_out: Data it never saw.
    features: Maps examples (B, *space.shape) to feature vectors (B, D).
    classify: Maps examples to class numbers (B,), where the features come from a classifier.
    size: Examples to use at most.
    """

    train: Data
    held_out: Data
    features: Callable[[Tensor], Tensor]
    classify: Callable[[Tensor], Tensor] | None
    size: int
