"""Stylises: images in the style of another."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..core import Batch, Space
from ..core.images import with_channels, with_same_channels
from ._base import (
    Ability,
    ErrorMeasure,
    Lesson,
    Preview,
    Signature,
    always,
    random_examples,
    squared_error,
)


def _rows(model: Any, x: Tensor, y: Tensor | None) -> list[Tensor]:
    """Examples y of the first domain, those whose style they are given, x, and what becomes of
    them."""
    return [] if y is None else with_same_channels(y, x, model.stylise(y, x).float())


def _two_palettes(x: Tensor) -> Mapping[str, Tensor]:
    """Grey images as colours, and images each in one of two sets of colours, fire and ice."""
    made = torch.cat([x, 0.6 * x - 0.2, 0.2 * x - 0.7], 1)
    made[::2] = made[::2].flip(1)
    return {"grey": with_channels(x, 3), "palettes": made}


def _error(model: Any, real: Batch, train: Tensor) -> float:
    assert real.y is not None, "a model that stylises is given what"
    batches = zip(real.y.split(64), real.x.split(64), strict=True)
    made = torch.cat(
        [model.stylise(y.to(model.device), x.to(model.device)).float().cpu() for y, x in batches]
    )
    return squared_error(made, _in_style(real.y, real.x))


def _error_unstyled(model: Any, real: Batch, train: Tensor) -> float:
    assert real.y is not None, "a model that stylises is given what"
    return squared_error(real.y, _in_style(real.y, real.x))


def _in_style(y: Tensor, x: Tensor) -> Tensor:
    """Images y whose colours have the mean and the deviation that those of x have (after Reinhard
    et al., 2001)."""
    deviation, mean = torch.std_mean(y, (2, 3), keepdim=True)
    wanted, middle = torch.std_mean(x, (2, 3), keepdim=True)
    return wanted * (y - mean) / (deviation + 1e-3) + middle


class Stylises(Ability):
    """Gives images of one domain, the condition of the data, the style of one image of another,
    its space."""

    space: Space

    condition: Space
    """What an example of the first domain is."""

    preview = Preview(
        "stylised",
        "Unseen images of the first domain (above), others whose style they are given, and what"
        " became of them (below).",
        _rows,
        rank=7,
    )
    lesson = Lesson(_two_palettes, margin=0.7)
    error = ErrorMeasure("squared error to the colours of another", _error, _error_unstyled, rank=2)
    export = Signature(
        "stylist",
        lambda model, x, style: {"stylised": model.stylise(x, style)},
        lambda model, n: {
            "x": random_examples(model.condition, n),
            "style": random_examples(model.space, n),
        },
        rank=5,
        any_size=always,
    )

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where it computes."""

    @abstractmethod
    def stylise(self, x: Tensor, style: Tensor, strength: float = 1.0) -> Tensor:
        """Images (B, C, H, W) of any size in the style of others, as many or one, of any size:
        like x, in [-1, 1].

        strength: How much of the style, from 0 (none) to 1.
        """
