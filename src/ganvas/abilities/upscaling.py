"""Upscales: super-resolution."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..core import Batch, Continuous, Evidence, Space, seeded_rng
from ..core.images import crop_to_multiple, upscale_bicubic
from ._base import (
    Ability,
    Baseline,
    ErrorMeasure,
    Given,
    Preview,
    Signature,
    always,
    random_examples,
    squared_error,
)


def _rows(model: Any, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, ...]:
    """Examples at low resolution, every time alike; these bicubically and by the model; and as they
    were.

    Sides of all are the largest multiples of the scale that those of the examples hold.
    """
    x = crop_to_multiple(x, model.scale)
    with seeded_rng(0):
        low = model.degrade(x)
    blocks = low.repeat_interleave(model.scale, 2).repeat_interleave(model.scale, 3)
    return blocks, _bicubic(low, model.scale), model.upscale(low).float(), x


def _bicubic(x: Tensor, scale: int) -> Tensor:
    return upscale_bicubic(x, scale).clamp(-1, 1)


def _error(model: Any, real: Batch, train: Tensor) -> float:
    *_, after, x = _rows(model, real.x.to(model.device))
    return squared_error(after, x)


def _error_of_bicubic(model: Any, real: Batch, train: Tensor) -> float:
    _, bicubic, _, x = _rows(model, real.x.to(model.device))
    return squared_error(bicubic, x)


def _low(model: Any, n: int) -> Given:
    channels, height, width = model.space.shape
    small = Continuous((channels, height // model.scale, width // model.scale))
    return {"x": random_examples(small, n)}


def _make_bicubic(model: Any, evidence: Evidence, space: Space) -> Upscales:
    return Bicubic(model)


class Upscales(Ability):
    """Makes images larger, and adds the detail that they lack."""

    space: Space

    scale: int
    """How many times as many pixels a side."""

    preview = Preview(
        "upscaled",
        "Unseen images at low resolution, bicubically upscaled, upscaled by the model, and as they"
        " were.",
        _rows,
        rank=2,
    )
    error = ErrorMeasure("squared error, upscaled", _error, _error_of_bicubic, rank=8)
    export = Signature(
        "upscaler",
        lambda model, x: {"larger": model.upscale(x)},
        _low,
        rank=3,
        any_size=always,
    )
    baselines: ClassVar[Mapping[str, Baseline]] = {"bicubic": _make_bicubic}

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where it computes."""

    @abstractmethod
    def degrade(self, x: Tensor) -> Tensor:
        """Images as the model saw them while it learned, (B, C, H / scale, W / scale); by torch's
        random numbers."""

    @abstractmethod
    def upscale(self, x: Tensor, fidelity: float = 0.0) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] of any size as (B, C, scale * H, scale * W).

        fidelity: 1 keeps to what pixels say, 0 looks as sharp as real images do; between,
            something of both.
        """


class Bicubic(Upscales):
    """Enlarges what a model enlarges, and adds nothing."""

    def __init__(self, model: Upscales) -> None:
        self.model, self.space, self.scale = model, model.space, model.scale

    @property
    def device(self) -> torch.device:
        return self.model.device

    def degrade(self, x: Tensor) -> Tensor:
        return self.model.degrade(x)

    def upscale(self, x: Tensor, fidelity: float = 0.0) -> Tensor:
        return _bicubic(x, self.scale)
