"""Pictures of any size through networks: whole, or tile by tile, each fading into the next."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from math import ceil

import torch
from torch import Tensor

from ..core import mirrored
from ..machine import choose_precision

TILE = 512  # pixels a side that are worked on at a time
OVERLAP = 64  # pixels that neighbouring tiles share
GRID = 8  # tiles start at multiples of it, as the blocks of a JPEG file do
AT_ONCE = 2**18  # pixels


def on_device(network: Callable[[Tensor], Tensor], device: torch.device) -> Callable[[Tensor], Tensor]:
    """The same for pictures (B, ...) that lie on the CPU and come back there, float32; on a processor that computes in
    bf16, in that."""
    precision = choose_precision("auto", device)

    def compute(x: Tensor) -> Tensor:
        with torch.autocast(device.type, precision) if precision else nullcontext():
            return network(x.to(device)).float().cpu()

    return compute


def side(length: int) -> int:
    """The side of tiles, a multiple of the grid, of which as few as can be cover a length, and little beyond it."""
    count = max(ceil((length - OVERLAP) / (TILE - OVERLAP)), 1)
    return ceil((length + (count - 1) * OVERLAP) / count / GRID) * GRID


def tiled(network: Callable[[Tensor], Tensor], x: Tensor, height: int, width: int, overlap: int) -> Tensor:
    """What becomes of a picture (C, H, W) tile by tile; tiles that reach beyond it are mirrored at its edges. Of the
    whole picture there are no copies but the one that is given back.

    network: Maps tiles (B, C, height, width) to others, (B, O, height, width), which may be changed afterwards.
    """
    tops, lefts = (_starts(n, side, overlap) for n, side in zip(x.shape[1:], (height, width), strict=True))
    down, across = _ramp(height, overlap), _ramp(width, overlap)
    corners = [(top, left) for top in tops for left in lefts]
    some, total = max(AT_ONCE // (height * width), 1), torch.empty(0)
    for part in (corners[i : i + some] for i in range(0, len(corners), some)):
        cut = (x[:, top : top + height, left : left + width] for top, left in part)
        made = network(torch.stack([mirrored(tile, height, width) for tile in cut]))
        if not total.numel():
            total = made.new_zeros(made.shape[1], *x.shape[1:])
        for (top, left), tile in zip(part, made.mul_(down[:, None] * across), strict=True):
            place = total[:, top : top + height, left : left + width]
            place += tile[:, : place.shape[1], : place.shape[2]]
    total /= _weights(tops, down, x.shape[1])[:, None]
    total /= _weights(lefts, across, x.shape[2])
    return total


def _weights(starts: list[int], ramp: Tensor, length: int) -> Tensor:
    """How much all tiles together count along a side, (length,)."""
    total = torch.zeros(max(starts) + len(ramp))
    for start in starts:
        total[start : start + len(ramp)] += ramp
    return total[:length]


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
