"""Autoencodes: examples become latents and come back."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..core import Batch, Evidence, Space
from ._base import Baseline, ErrorMeasure, Preview, in_full_precision, squared_error
from .decoding import Decodes
from .encoding import Encodes


def _reconstruct(model: Any, x: Tensor) -> Tensor:
    result: Tensor = model.decode(model.encode(x))
    return result


def _rows(model: Any, x: Tensor, y: Tensor | None) -> tuple[Tensor, ...]:
    return x, in_full_precision(_reconstruct(model, x))


def _error(model: Any, real: Batch, train: Tensor) -> float:
    return squared_error(_reconstruct(model, real.x.to(model.device)).cpu(), real.x)


def _error_of_the_mean(model: Any, real: Batch, train: Tensor) -> float:
    return squared_error(model.space.mean(model.space.marginal(train)), real.x)


def _principal_components(model: Any, evidence: Evidence, space: Space) -> Autoencodes | None:
    """As many as the model has latents."""
    train = evidence.train.x
    if not train.is_floating_point():
        return None
    return PrincipalComponents(train, prod(model.encode(train[:1]).shape[1:]))


def _mean(model: Any, evidence: Evidence, space: Space) -> Autoencodes | None:
    train = evidence.train.x
    return PrincipalComponents(train, 0) if train.is_floating_point() else None


class Autoencodes(Encodes, Decodes):
    """Goes to latents and back."""

    preview = Preview(
        "reconstructions",
        "Unseen images (above) and what came back through the latent (below).",
        _rows,
        rank=4,
        examples=20,
    )
    error = ErrorMeasure("squared error of reconstruction", _error, _error_of_the_mean, rank=6)
    baselines: ClassVar[Mapping[str, Baseline]] = {
        "principal components": _principal_components,
        "mean": _mean,
    }


class PrincipalComponents(Autoencodes):
    """Principal components: the best that linear maps can do with so many latents (Pearson,
    1901)."""

    def __init__(self, x: Tensor, count: int) -> None:
        flat = x.flatten(1)
        self.shape, self.mean = x.shape[1:], flat.mean(0)
        self.directions = self._find(flat, min(count, *flat.shape))

    @staticmethod
    def _find(flat: Tensor, count: int) -> Tensor:
        """Directions (D, count); approximately, as examples may be many and large (Halko et al.,
        2011)."""
        if not count:
            return flat.new_zeros(flat.shape[1], 0)
        return torch.pca_lowrank(flat, count, niter=4)[2]

    def encode(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - self.mean) @ self.directions

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        result: Tensor = (self.mean + z @ self.directions.T).unflatten(1, self.shape).clamp(-1, 1)
        return result
