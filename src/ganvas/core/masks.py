"""Examples of which parts are missing, and masks that say which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ..runtime.errors import InputError, flag
from .inputs import Input


@dataclass(frozen=True)
class Mask(Input):
    """Where something is to be filled in: of each example by its name, or where it is one, of all.

    missing: Boolean, like an example each.
    names: Where each came from.
    sizes: Height and width of each as it was given.
    """

    refusal: ClassVar[str] = f"{flag('mask')} is for images, and these are {{data}}"

    missing: Sequence[Tensor]
    names: list[str]
    sizes: Sequence[tuple[int, ...]]


@dataclass(frozen=True)
class Masked(Input):
    """Examples of which parts may be missing.

    x: Each as the model takes it, (*space.shape), or of images of any size; means nothing where
        it is not known.
    known: Which of its places are known, boolean, each like its example.
    names: Where each came from.
    sizes: Height and width of each as it was given.
    form: What they came as, as the modality calls it.
    """

    refusal: ClassVar[str] = "{asker} fills in images, videos, texts and rows; these are {data}"

    x: Sequence[Tensor]
    known: Sequence[Tensor]
    names: list[str]
    sizes: Sequence[tuple[int, ...]]
    form: str = ""

    def but(self, mask: Mask) -> Masked:
        """The same examples, and also missing what a mask says. Raises InputError where one has
        none that fits."""
        own = [_own(mask, name, size) for name, size in zip(self.names, self.sizes, strict=True)]
        known = [
            known & ~mask.missing[i].to(known.device)
            for known, i in zip(self.known, own, strict=True)
        ]
        return replace(self, known=known)

    def to(self, device: torch.device) -> Masked:
        return replace(
            self, x=[x.to(device) for x in self.x], known=[known.to(device) for known in self.known]
        )


def from_nearest_known(x: Tensor, known: Tensor) -> Tensor:
    """Examples on grids (B, C, *sides) of which what is not known (boolean, like x) is filled ring
    by ring, each place with the mean of those around it that are known or filled already; with zero
    where nothing is known."""
    mean = F.avg_pool2d if x.dim() == 4 else F.avg_pool3d
    x, there = torch.where(known, x, 0.0), known
    while True:
        near = mean(there.to(x.dtype), 3, 1, 1)
        ring = ~there & (near > 0)
        if not ring.any():
            return x
        x, there = torch.where(ring, mean(x, 3, 1, 1) / near, x), there | ring


def _own(mask: Mask, name: str, size: tuple[int, ...]) -> int:
    """The number of the mask of an example. Raises InputError where there is none, or one of
    another size."""
    stems = [str(PurePosixPath(one).with_suffix("")) for one in mask.names]
    stem = str(PurePosixPath(name).with_suffix(""))
    if len(stems) > 1 and stem not in stems:
        raise InputError(
            f"no mask is called like {name}; there are {', '.join(mask.names[:5])}: give each"
            " image one"
        )
    number = stems.index(stem) if len(stems) > 1 else 0
    if mask.sizes[number] != size:
        own, other = (" × ".join(map(str, reversed(sides))) for sides in (mask.sizes[number], size))
        raise InputError(
            f"the mask {mask.names[number]} is {own} pixels and {name} {other}; make them alike"
        )
    return number
