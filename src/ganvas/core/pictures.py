"""Pictures as people have them, each of its own size, and what the modality does that reads and writes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError

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

    domains: tuple[str, ...] = ()
    """Names of the two that pictures are translated between, the first one first; empty where there is one kind."""

    pairs: bool = False
    """Whether every picture of the one has a counterpart in the other."""

    def domain(self, name: str | int) -> int:
        """The number of a domain, by its name. Raises InputError where there is none."""
        if name in self.domains:
            return self.domains.index(str(name))
        known = " and ".join(self.domains) or "none: the model learned from one kind of picture"
        raise InputError(f"no domain is called {name!r}; there are {known}")

    @abstractmethod
    def whole(self, source: Any) -> Whole:
        """Opens pictures of any size. Raises InputError on bad input."""

    @abstractmethod
    def album(self, pictures: Iterable[Tensor], form: str) -> Any:
        """Pictures (C, H, W) as a person in Python wants them, in the form that they were given in."""

    @abstractmethod
    def hang(self, pictures: Iterable[Tensor], files: list[Path]) -> list[Path]:
        """Writes pictures (C, H, W), one at a time, each into its file; returns the files."""


def mirrored(x: Tensor, height: int, width: int) -> Tensor:
    """Grids (..., H, W), mirrored at their right and lower edges, as often as it takes to make them this large."""
    return x[..., _folded(x.shape[-2], height).to(x.device), :][..., _folded(x.shape[-1], width).to(x.device)]


def coloured(x: Tensor, channels: int) -> Tensor:
    """Pictures (..., C, H, W) in grey, one channel, or in colour, three."""
    if x.shape[-3] == channels:
        return x
    if channels == 3:
        return x.expand(*x.shape[:-3], 3, *x.shape[-2:])
    return torch.einsum("...chw,c->...hw", x, x.new_tensor([0.299, 0.587, 0.114])).unsqueeze(-3)


def alike(*pictures: Tensor) -> list[Tensor]:
    """Pictures (..., C, H, W) as they are, or where some are in colour all in colour."""
    return [coloured(x, max(x.shape[-3] for x in pictures)) for x in pictures]


def flipped(x: Tensor, random: torch.Generator) -> Tensor:
    """Pictures (B, C, H, W), each left as it is or its left and right exchanged, by a coin."""
    heads = torch.rand(len(x), generator=random) < 0.5
    return torch.where(heads.to(x.device)[:, None, None, None], x.flip(3), x)


def _folded(length: int, wanted: int) -> Tensor:
    """0, 1, ..., length - 1, length - 1, ..., 1, 0, 0, 1, ...: at least as many as there are, or are wanted."""
    place = torch.arange(max(length, wanted)) % (2 * length)
    return torch.minimum(place, 2 * length - 1 - place)
