"""Views: examples as vectors whose distances mean something, and attributions of such distances."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core import Continuous, InputError, Mixed, Space

SIDE = 32  # cells along a side of an image, at most
LEAST = 1e-6  # deviation below which nothing varies


class View(nn.Module, ABC):
    """Maps examples (B, *space.shape) to vectors (B, width); every coordinate belongs to one of
    `n_places` places."""

    owner: Tensor
    """The place of each coordinate, int64 (width,)."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.n_places = len(widths)
        self.register_buffer(
            "owner", torch.repeat_interleave(torch.tensor(widths)), persistent=False
        )

    @property
    def width(self) -> int:
        return len(self.owner)

    @abstractmethod
    def deviation(self, v: Tensor) -> Tensor:
        """What coordinates of examples v, (N, width), are divided by, so that places weigh alike:
        (width,)."""

    @abstractmethod
    def to_places(self, parts: Tensor) -> Tensor:
        """Parts of the view's places, (B, n_places), as parts of the space's, (B, *places); sums
        stay."""

    def sum_by_place(self, v: Tensor) -> Tensor:
        """Coordinates (..., width) summed within the places they belong to, (..., n_places)."""
        if self.width == self.n_places:
            return v
        return v.new_zeros(*v.shape[:-1], self.n_places).index_add(-1, self.owner, v)


class Columns(View):
    """Rows and vectors as they are: numbers of one deviation each; two categories lie as far apart
    as two numbers do on average."""

    def __init__(self, space: Continuous | Mixed) -> None:
        super().__init__(space.columns if isinstance(space, Mixed) else (1,) * prod(space.shape))
        self.shape = (self.n_places,) if isinstance(space, Mixed) else space.shape

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).float()

    def deviation(self, v: Tensor) -> Tensor:
        number = self.owner.bincount(minlength=self.n_places)[self.owner] == 1
        return torch.where(number, _or_one(v.std(0)), 1.0)

    def to_places(self, parts: Tensor) -> Tensor:
        return parts.unflatten(1, self.shape)


class Cells(View):
    """Images as perceived brightness, its square root, in cells that are means of three by three
    pixels at every second place, and again until no side has more than 32: shifts by a pixel count
    for little, differences in the dark do not."""

    def __init__(self, space: Continuous) -> None:
        self.shape = space.shape[1:]
        self.cells = self._halve(torch.zeros(1, *space.shape)).shape[1:]
        super().__init__((1,) * self.cells.numel())

    def forward(self, x: Tensor) -> Tensor:
        return self._halve(((x.float() + 1) / 2).clamp(min=0).sqrt()).flatten(1)

    def _halve(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(x, 3, 2, 1)
        return x if max(x.shape[2:]) <= SIDE else self._halve(x)

    def deviation(self, v: Tensor) -> Tensor:
        return _or_one(v.std()).expand(self.width)

    def to_places(self, parts: Tensor) -> Tensor:
        spread = F.interpolate(parts.unflatten(1, self.cells), self.shape, mode="bilinear")
        share = parts.sum(1) / spread.flatten(1).sum(1).clamp(min=LEAST)
        return spread * share.view(-1, 1, 1, 1)


def view(space: Space) -> View:
    """The view that fits a space. Raises InputError for tokens, between which there are no
    distances."""
    if not isinstance(space, Continuous | Mixed):
        raise InputError(
            "this model measures distances: images, vectors and rows of numbers, not tokens"
        )
    if isinstance(space, Continuous) and len(space.shape) == 3:
        return Cells(space)
    return Columns(space)


def _or_one(deviation: Tensor) -> Tensor:
    return torch.where(deviation > LEAST, deviation, 1.0)
