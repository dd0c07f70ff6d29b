"""Completes: imputation, inpainting, continuation; what is missing is filled in."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core import Batch, Continuous, Evidence, Space, seeded_rng
from ..core.random_masks import draw_masks
from ._base import (
    Ability,
    Baseline,
    ErrorMeasure,
    Given,
    Preview,
    Signature,
    accepts_any_size,
    random_examples,
    squared_error,
)

SPREADS = 200  # times that known pixels are spread into a masked region


def _is_image(space: Space) -> bool:
    return isinstance(space, Continuous) and len(space.shape) == 3


def _takes_grids(model: Any) -> bool:
    return len(model.space.shape) == 3


def _rows(model: Any, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, ...]:
    """Images with masked regions, always the same ones, in grey, and completed; both shaped like
    x."""
    with seeded_rng(0):
        known = ~draw_masks(x).expand_as(x)
        return torch.where(known, x, 0.0), model.complete(x, known).float()


def _known(x: Tensor) -> Tensor:
    """Where images have no masked region, always the same, boolean, like x."""
    with seeded_rng(0):
        return ~draw_masks(x).expand_as(x)


def _error(model: Any, real: Batch, train: Tensor) -> float:
    x, known = real.x.to(model.device), _known(real.x).to(model.device)
    return squared_error(model.complete(x, known).cpu(), real.x)


def _error_of_the_mean(model: Any, real: Batch, train: Tensor) -> float:
    mean = model.space.mean(model.space.marginal(train))
    return squared_error(torch.where(_known(real.x), real.x, mean), real.x)


def _inputs(model: Any, n: int) -> Given:
    x = random_examples(model.space, n)
    return {"x": x, "known": torch.rand(n, *model.space.shape) < 0.5}


def _diffusion(model: Any, evidence: Evidence, space: Space) -> Completes | None:
    return Diffusion(model.space) if _is_image(model.space) else None


def _border_mean(model: Any, evidence: Evidence, space: Space) -> Completes | None:
    return BorderMean(model.space) if _is_image(model.space) else None


class Completes(Ability):
    """Fills in what is missing."""

    space: Space

    any_size: ClassVar[bool] = False
    """Whether grids of any height and width can be completed, not only those of its space."""

    preview = Preview(
        "completions",
        "Unseen images with masked regions (above) and completed (below).",
        _rows,
        rank=5,
        examples=20,
        applies=_takes_grids,
    )
    error = ErrorMeasure("squared error in masked regions", _error, _error_of_the_mean, rank=9)
    export = Signature(
        "completer",
        lambda model, x, known: {"completed": model.complete(x, known)},
        _inputs,
        rank=10,
        any_size=accepts_any_size,
        meanings=lambda model: {"known": "true where x is known"},
    )
    baselines: ClassVar[Mapping[str, Baseline]] = {
        "diffusion": _diffusion,
        "border mean": _border_mean,
    }

    @abstractmethod
    def complete(
        self, x: Tensor, known: Tensor, allowed: Mapping[int, Tensor] | None = None
    ) -> Tensor:
        """Examples that agree with `x` where `known` (boolean, like x) is true, shape like x.

        allowed: Which symbols a place may be filled with, boolean (alphabet,), where not with all:
            it is drawn from its distribution among these, given what is known and what was drawn
            before it.
        """


class BorderMean(Completes):
    """Fills masked regions of images with the mean of the known pixels that touch them."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def complete(
        self, x: Tensor, known: Tensor, allowed: Mapping[int, Tensor] | None = None
    ) -> Tensor:
        touched = F.max_pool2d((~known).float(), 3, 1, 1) * known
        total = (x * touched).sum((2, 3), keepdim=True)
        return torch.where(known, x, total / touched.sum((2, 3), keepdim=True).clamp(min=1))


class Diffusion(Completes):
    """Lets known pixels of images spread into masked regions as heat does, each place the mean of
    those around it."""

    def __init__(self, space: Space) -> None:
        self.start = BorderMean(space)
        self.space = space

    def complete(
        self, x: Tensor, known: Tensor, allowed: Mapping[int, Tensor] | None = None
    ) -> Tensor:
        y = self.start.complete(x, known)
        for _ in range(SPREADS):
            around = F.avg_pool2d(F.pad(y, (1, 1, 1, 1), mode="replicate"), 3, 1)
            y = torch.where(known, x, around)
        return y
