"""Squares cut out of images of any size, at full resolution."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from ...core import Batch, Data, seeded_generator
from ...core.images import random_flip

THREADS = min(os.cpu_count() or 1, 16)


class Stack(ABC):
    """Images of any size that squares are cut out of.

    Arguments:
        sizes: (height, width) of each, int64 (N, 2).
        keys: A hash of each, int64 (N,).
        labels: Class numbers, int64 (N, 1), or None.
        names: Where each came from.
    """

    ahead = 0

    def __init__(
        self, sizes: Tensor, keys: Tensor, labels: Tensor | None, names: Sequence[str]
    ) -> None:
        self.sizes, self.keys, self.labels, self.names = sizes, keys, labels, names

    @abstractmethod
    def cut(self, places: Tensor, size: int) -> Tensor:
        """Squares, uint8 (B, C, size, size), at places (B, 3): number of the image, top, left."""

    @abstractmethod
    def kept(self) -> str:
        """Where images are kept, in words."""

    def grid(self, size: int) -> Tensor:
        """The places of all squares that lie side by side, centred, int64 (P, 3)."""
        places = [self._grid_of(number, size) for number in range(len(self.sizes))]
        return torch.cat(places) if places else torch.empty(0, 3, dtype=torch.int64)

    def _grid_of(self, number: int, size: int) -> Tensor:
        top, left = (
            (n % size) // 2 + torch.arange(n // size) * size for n in self.sizes[number].tolist()
        )
        return torch.cartesian_prod(torch.tensor([number]), top, left).view(-1, 3)


class Held(Stack):
    """Images that live on the device: one after the other in one tensor, uint8, each (channels,
    height, width)."""

    def __init__(
        self,
        pixels: Tensor,
        channels: int,
        sizes: Tensor,
        keys: Tensor,
        labels: Tensor | None,
        names: Sequence[str],
    ) -> None:
        super().__init__(sizes, keys, labels, names)
        counts = channels * sizes.prod(1)
        self.pixels, self.channels, self.starts = pixels, channels, counts.cumsum(0) - counts

    def cut(self, places: Tensor, size: int) -> Tensor:
        number, top, left = places.unbind(1)
        height, width = (n.view(-1, 1, 1, 1) for n in self.sizes[number].unbind(1))
        corner = (
            self.starts[number].view(-1, 1, 1, 1)
            + top.view(-1, 1, 1, 1) * width
            + left.view(-1, 1, 1, 1)
        )
        side = torch.arange(size)
        channel = torch.arange(self.channels).view(-1, 1, 1)
        index = corner + channel * height * width + side.view(-1, 1) * width + side
        return self.pixels[index.to(self.pixels.device)]

    def kept(self) -> str:
        return f"in memory ({self.pixels.nbytes / 2**20:,.0f} MB)"


class Filed(Stack):
    """Images that are decoded whenever a square is cut out of them, by threads."""

    ahead = 2

    def __init__(
        self,
        decode: Callable[[int], np.ndarray],
        sizes: Tensor,
        keys: Tensor,
        labels: Tensor | None,
        names: Sequence[str],
    ) -> None:
        super().__init__(sizes, keys, labels, names)
        self.decode, self.pool = decode, ThreadPoolExecutor(THREADS)

    def cut(self, places: Tensor, size: int) -> Tensor:
        def one(place: list[int]) -> np.ndarray:
            number, top, left = place
            return self.decode(number)[:, top : top + size, left : left + size]

        return torch.from_numpy(np.stack(list(self.pool.map(one, places.tolist()))))

    def kept(self) -> str:
        return f"too many for memory: decoded as they are needed, by {THREADS} threads"


class Patches(Data):
    """Every image counts as many examples as squares lie side by side in it. In a step of
    training each of these stands for a square anywhere in its image, which the step decides; all
    squares of an image are held out, or none.

    Arguments:
        places: Which squares these are; by default all.
    """

    parts = True

    def __init__(self, stack: Stack, size: int, flip: bool, places: Tensor | None = None) -> None:
        self.stack, self.size, self.flip = stack, size, flip
        self.places = stack.grid(size) if places is None else places
        self.ahead = stack.ahead

    def __len__(self) -> int:
        return len(self.places)

    @property
    # made when asked for: there may be very many
    def names(self) -> list[str]:  # type: ignore[override]
        return [
            f"{self.stack.names[number]} at {left}, {top}"
            for number, top, left in self.places.tolist()
        ]

    @property
    def labels(self) -> Tensor | None:
        return None if self.stack.labels is None else self.stack.labels[self.places[:, 0]]

    @property
    def images(self) -> int:
        """How many images the squares are of."""
        return len(self.places[:, 0].unique())

    def batch(self, rows: Tensor, step: int | None = None) -> Batch:
        places = self.places[rows]
        if step is not None:
            free = self.stack.sizes[places[:, 0]] - self.size + 1
            corners = (
                torch.rand(len(rows), 2, dtype=torch.float64, generator=seeded_generator(step, 1))
                * free
            )
            places = torch.cat([places[:, :1], corners.long()], 1)
        y = None if self.stack.labels is None else self.stack.labels[places[:, 0]]
        return Batch(
            resize_to_side(self.stack.cut(places, self.size), step if self.flip else None), y
        )

    def keys(self) -> Tensor:
        return self.stack.keys[self.places[:, 0]]

    def subset(self, rows: Tensor) -> Patches:
        return Patches(self.stack, self.size, self.flip, self.places[rows])

    def kept(self) -> str:
        return self.stack.kept()


def resize_to_side(pixels: Tensor, step: int | None) -> Tensor:
    """Levels 0 to 255 as values in [-1, 1]; mirrored or not by a coin that the step decides, if
    given."""
    x = pixels.to(torch.float32).div_(127.5).sub_(1)
    return x if step is None else random_flip(x, seeded_generator(step))
