"""Pictures as people have them, each of its own size, and what the modality does that reads and writes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

PICTURES = (".png", ".jpg", ".webp")
"""Endings of files that something is drawn into."""


@dataclass(frozen=True)
class Whole:
    """Pictures as they were given.

    names: Where each came from.
    picture: Opens the one with a number: (C, H, W) in [-1, 1], of whatever size it has.
    form: What they came as, as the modality calls it.
    """

    names: list[str]
    picture: Callable[[int], Tensor]
    form: str


class Pictorial(ABC):
    """A modality whose examples are pictures, which it can also read and write as they are, one at a time."""

    @abstractmethod
    def whole(self, source: Any) -> Whole:
        """Opens pictures of any size. Raises InputError on bad input."""

    @abstractmethod
    def album(self, pictures: Iterable[Tensor], form: str) -> Any:
        """Pictures (C, H, W) as a person in Python wants them, in the form that they were given in."""

    @abstractmethod
    def hang(self, pictures: Iterable[Tensor], files: list[Path]) -> list[Path]:
        """Writes pictures (C, H, W), one at a time, each into its file; returns the files."""


class Moving(ABC):
    """A modality whose examples are seen in time."""

    @abstractmethod
    def abreast(self, kinds: Sequence[Tensor], names: list[str], folder: Path) -> list[Path]:
        """Writes several versions of examples, each (n, *space.shape), beside each other: one film for each example."""


def mirrored(x: Tensor, height: int, width: int) -> Tensor:
    """Grids (..., H, W), mirrored at their right and lower edges, as often as it takes to make them this large."""
    return x[..., _folded(x.shape[-2], height).to(x.device), :][..., _folded(x.shape[-1], width).to(x.device)]


def flipped(x: Tensor, random: torch.Generator) -> Tensor:
    """Pictures (B, C, H, W), each left as it is or its left and right exchanged, by a coin."""
    heads = torch.rand(len(x), generator=random) < 0.5
    return torch.where(heads.to(x.device)[:, None, None, None], x.flip(3), x)


def _folded(length: int, wanted: int) -> Tensor:
    """0, 1, ..., length - 1, length - 1, ..., 1, 0, 0, 1, ...: at least as many as there are, or are wanted."""
    place = torch.arange(max(length, wanted)) % (2 * length)
    return torch.minimum(place, 2 * length - 1 - place)
