"""Undo damage: noise, missing pixels, JPEG artefacts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from math import ceil

import torch
from torch import Tensor

from ..core import Continuous, InputError, Restored, Restores, Whole, mirrored
from ..machine import choose_precision
from ._progress import counted

TILE = 512  # pixels a side that are restored at a time
OVERLAP = 64  # pixels that neighbouring tiles share
GRID = 8  # tiles start at multiples of it, as the blocks of a JPEG file do
AT_ONCE = 2**18  # pixels
LONG = 0  # even one picture may be a large one


def denoise(model: Restores, x: Whole) -> Restored:
    """Restores pictures of any size, each at its own resolution, tile by tile; grey or in colour as the model is.

    Where tiles overlap, one fades into the next.

    Example: ganvas denoise runs/rednet-photos noisy/ --out clean/
    """
    if not isinstance(model.space, Continuous) or len(model.space.shape) != 3:
        raise InputError("this model learned from no pictures; denoise is for those that did")
    if model.undoes == "none":
        raise InputError("this model learned to undo no damage; train it with --corrupt, such as gaussian")
    return Restored(x, counted(_pairs(model, x), len(x.names), "restoring", lambda pair: 1, LONG))


@torch.no_grad()
def _pairs(model: Restores, x: Whole) -> Iterator[tuple[Tensor, Tensor]]:
    for number in range(len(x.names)):
        picture = x.picture(number)
        yield picture, restored(model, picture)


def restored(model: Restores, x: Tensor) -> Tensor:
    """A picture (C, H, W), restored; on a processor that computes in bf16, in that."""
    precision, any_size = choose_precision("auto", model.device), model.any_size
    height, width = (_side(n) for n in x.shape[1:]) if any_size else model.space.shape[1:]

    def restore(tiles: Tensor) -> Tensor:
        with torch.autocast(model.device.type, precision) if precision else nullcontext():
            return model.restore(tiles.to(model.device)).float().cpu()

    return tiled(restore, x, height, width, OVERLAP if any_size else min(height, width) // 2)


def _side(length: int) -> int:
    """The side of tiles, a multiple of the grid, of which as few as can be cover a length, and little beyond it."""
    count = max(ceil((length - OVERLAP) / (TILE - OVERLAP)), 1)
    return ceil((length + (count - 1) * OVERLAP) / count / GRID) * GRID


def tiled(restore: Callable[[Tensor], Tensor], x: Tensor, height: int, width: int, overlap: int) -> Tensor:
    """A picture (C, H, W), restored tile by tile; mirrored at its right and lower edges where tiles reach beyond.

    restore: Maps tiles (B, C, height, width) to restored ones.
    """
    tops, lefts = (_starts(n, side, overlap) for n, side in zip(x.shape[1:], (height, width), strict=True))
    grown = mirrored(x, tops[-1] + height, lefts[-1] + width)
    total, weight = torch.zeros_like(grown), torch.zeros_like(grown[0])
    window = _ramp(height, overlap)[:, None] * _ramp(width, overlap)
    corners = [(top, left) for top in tops for left in lefts]
    some = max(AT_ONCE // (height * width), 1)
    for part in (corners[i : i + some] for i in range(0, len(corners), some)):
        tiles = torch.stack([grown[:, top : top + height, left : left + width] for top, left in part])
        for (top, left), tile in zip(part, restore(tiles), strict=True):
            total[:, top : top + height, left : left + width] += window * tile
            weight[top : top + height, left : left + width] += window
    return (total / weight)[:, : x.shape[1], : x.shape[2]]


def _starts(length: int, side: int, overlap: int) -> list[int]:
    """Where tiles begin that cover a length together."""
    if length <= side:
        return [0]
    return [i * (side - overlap) for i in range(ceil((length - overlap) / (side - overlap)))]


def _ramp(side: int, overlap: int) -> Tensor:
    """How much each pixel of a tile counts, (side,): rising to one within the overlap, and falling again."""
    place = torch.arange(side) + 0.5
    share = torch.minimum(place, side - place).div(max(overlap, 1)).clamp(max=1)
    return (share * torch.pi / 2).sin().square()
