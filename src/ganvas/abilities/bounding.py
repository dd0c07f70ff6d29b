"""Bounds: how likely examples are at least."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from ..core import Evidence, Space, Tokens
from ._base import Ability, Baseline, ErrorMeasure
from .scoring import mean_marginal_score, mean_score


def _independent(model: Any, evidence: Evidence, space: Space) -> Bounds:
    return IndependentCoordinates(model.space, evidence.train.x)


class Bounds(Ability):
    """Bounds the likelihood of each example."""

    space: Space

    error = ErrorMeasure("-log likelihood, or a bound", mean_score, mean_marginal_score, rank=3)
    baselines: ClassVar[Mapping[str, Baseline]] = {"independent coordinates": _independent}

    @abstractmethod
    def bound(self, x: Tensor, samples: int = 1) -> Tensor:
        """Upper bounds on -log p(x) in nats, shape (B,), tighter with more samples."""


class IndependentCoordinates(Bounds):
    """Every coordinate by itself, with the likelihood of the model it stands beside."""

    def __init__(self, space: Space, x: Tensor) -> None:
        self.space, self.raw = space, space.marginal(x)

    def bound(self, x: Tensor, samples: int = 1) -> Tensor:
        x = self.space.observe(x)
        one = isinstance(self.space, Tokens) and not self.space.alphabets
        return self.space.nll(self.raw if one else self.raw.expand(len(x), *self.raw.shape[1:]), x)
