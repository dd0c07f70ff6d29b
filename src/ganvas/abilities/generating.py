"""Generates: latents drawn from a prior become new examples."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch import Tensor

from ._base import LABEL, NOISE, Given, Signature, random_labels
from .decoding import Decodes
from .sampling import Samples


def _inputs(model: Any, n: int) -> Given:
    return {"z": model.prior(n), **random_labels(model, n)}


def _samples(model: Any, n: int, given: Given) -> tuple[Tensor, ...]:
    return (model.sample(n, given.get("y")),)


class Generates(Samples, Decodes):
    """Makes new examples by decoding latents drawn from a prior."""

    export = Signature(
        "sampler",
        lambda model, z, y=None: {"x": model.decode(z, y)},
        _inputs,
        rank=1,
        meanings=lambda model: {"z": NOISE, "y": LABEL},
        reference=_samples,
    )

    @abstractmethod
    def prior(self, n: int, truncation: float | None = None) -> Tensor:
        """Latents as new examples are made from, shape (n, ...); truncation as in
        `Samples.sample`."""
