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
    """What becomes of a picture (C, H, W) tile by tile; it is mirrored at its right and lower edges where tiles reach
    beyond.

    network: Maps tiles (B, C, height, width) to others, (B, O, height, width).
    """
    tops, lefts = (_starts(n, side, overlap) for n, side in zip(x.shape[1:], (height, width), strict=True))
    grown = mirrored(x, tops[-1] + height, lefts[-1] + width)
    total, weight = torch.empty(0), torch.zeros_like(grown[0])
    window = _ramp(height, overlap)[:, None] * _ramp(width, overlap)
    corners = [(top, left) for top in tops for left in lefts]
    some = max(AT_ONCE // (height * width), 1)
    for part in (corners[i : i + some] for i in range(0, len(corners), some)):
        tiles = torch.stack([grown[:, top : top + height, left : left + width] for top, left in part])
        made = network(tiles)
        if not total.numel():
            total = made.new_zeros(made.shape[1], *weight.shape)
        for (top, left), tile in zip(part, made, strict=True):
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
