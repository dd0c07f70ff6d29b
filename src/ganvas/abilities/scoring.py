"""Scores: how anomalous examples are, and what of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..core import Batch
from ._base import Ability, ErrorMeasure, Given, Signature, random_examples
from .sampling import shuffle_places


def mean_score(model: Any, real: Batch, train: Tensor) -> float:
    """What held-out examples cost on average, where a score is the cost of an example."""
    result: float = model.score(real.x.to(model.device)).mean().item()
    return result


def mean_marginal_score(model: Any, real: Batch, train: Tensor) -> float:
    """The same where every coordinate is coded by itself, as it is distributed in training."""
    raw = model.space.marginal(train)
    result: float = model.space.nll(raw.expand(len(real), *raw.shape[1:]), real.x).mean().item()
    return result


def _score_beside_shuffled(model: Any, real: Batch, train: Tensor) -> float:
    anomalous, usual = (
        model.score(x.to(model.device)).mean().item() for x in (shuffle_places(real.x), real.x)
    )
    result: float = usual / anomalous
    return result


def _alike(model: Any, real: Batch, train: Tensor) -> float:
    return 1.0


def _call(model: Any, x: Tensor) -> Given:
    score, attribution = model.score_with_attribution(x)
    return {"score": score, "attribution": attribution}


MEANINGS: Mapping[str, str] = {
    "score": "how anomalous each example is: higher is more anomalous",
    "attribution": "what each place adds to the score",
}


class Scores(Ability):
    """Says how anomalous each example is."""

    error = ErrorMeasure(
        "how anomalous examples are, beside shuffled ones",
        _score_beside_shuffled,
        _alike,
        rank=7,
    )
    export = Signature(
        "scorer",
        _call,
        lambda model, n: {"x": random_examples(model.space, n)},
        rank=7,
        meanings=lambda model: MEANINGS,
    )

    @abstractmethod
    def score_with_attribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Anomaly score, shape (B,), higher is more anomalous; and what each place adds, (B,
        *places) as in `Space.costs`."""

    def score(self, x: Tensor) -> Tensor:
        """Anomaly score alone, shape (B,)."""
        return self.score_with_attribution(x)[0]
