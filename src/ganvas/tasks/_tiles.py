"""Images of any size, worked on in overlapping tiles, of which one fades into the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from math import ceil

import torch
from torch import Tensor

from ..core.images import mirror_pad
from ..runtime.device import choose_precision

TILE = 512  # pixels a side that are worked on at a time
OVERLAP = 64  # pixels that neighbouring tiles share
GRID = 8  # tiles start at multiples of it, as the blocks of a JPEG file do
AT_ONCE = 2**18  # pixels


def on_device(
    network: Callable[[Tensor], Tensor], device: torch.device
) -> Callable[[Tensor], Tensor]:
    """The same for images (B, ...) that lie on the CPU and come back there, float32; on a
    processor that computes in bf16, in that."""
    precision = choose_precision("auto", device)

    def compute(x: Tensor) -> Tensor:
        with torch.autocast(device.type, precision) if precision else nullcontext():
            return network(x.to(device)).float().cpu()

    return compute


def tile_side(length: int, tile: int = TILE, overlap: int = OVERLAP) -> int:
    """The side of tiles, a multiple of the grid, of which as few as can be cover a length, and
    little beyond it."""
    count = max(ceil((length - overlap) / (tile - overlap)), 1)
    return ceil((length + (count - 1) * overlap) / count / GRID) * GRID


def apply_tiled(
    restore: Callable[[Tensor], Tensor],
    x: Tensor,
    height: int,
    width: int,
    overlap: int,
    scale: int = 1,
) -> Tensor:
    """An image (C, H, W), worked on tile by tile, (C', scale H, scale W); mirrored at its right
    and lower edges where tiles reach beyond.

    restore: Maps tiles (B, C, height, width) to others, (B, C', scale height, scale width).
    """
    return torch.cat(list(bands(restore, x, height, width, overlap, scale)), 1)


def bands(
    restore: Callable[[Tensor], Tensor],
    x: Tensor,
    height: int,
    width: int,
    overlap: int,
    scale: int = 1,
) -> Iterator[Tensor]:
    """The same from top to bottom, in parts (C', rows, scale W), so that no more than one row of
    tiles is in memory."""
    tops, lefts = (
        _starts(n, one, overlap) for n, one in zip(x.shape[1:], (height, width), strict=True)
    )
    grown = mirror_pad(x, tops[-1] + height, lefts[-1] + width)
    window = ramp(height * scale, overlap * scale)[:, None] * ramp(width * scale, overlap * scale)
    above, left = torch.zeros(()), x.shape[1] * scale
    for top in tops:
        row = _row(restore, grown[:, top : top + height], lefts, width, window, scale)
        if above.ndim:
            row[:, : above.shape[1]] += above
        finished = min((height - overlap if top != tops[-1] else height) * scale, left)
        above, left = row[:, finished:], left - finished
        yield (row[:-1, :finished] / row[-1:, :finished])[:, :, : x.shape[2] * scale]


def _row(
    restore: Callable[[Tensor], Tensor],
    x: Tensor,
    lefts: list[int],
    width: int,
    window: Tensor,
    scale: int,
) -> Tensor:
    """A row of tiles, each times its window, added up, (C' + 1, scale height, scale W): last the
    sum of windows."""
    some = max(AT_ONCE // (len(x[0]) * width), 1)
    row = torch.zeros(())
    for part in (lefts[i : i + some] for i in range(0, len(lefts), some)):
        tiles = restore(torch.stack([x[:, :, left : left + width] for left in part]))
        if not row.ndim:
            row = tiles.new_zeros(tiles.shape[1] + 1, len(window), x.shape[2] * scale)
        for left, tile in zip(part, tiles, strict=True):
            place = slice(left * scale, (left + width) * scale)
            row[:-1, :, place] += window * tile
            row[-1, :, place] += window
    return row


def _starts(length: int, side: int, overlap: int) -> list[int]:
    """Where tiles begin that cover a length together."""
    if length <= side:
        return [0]
    return [i * (side - overlap) for i in range(ceil((length - overlap) / (side - overlap)))]


def ramp(side: int, overlap: int) -> Tensor:
    """How much each pixel of a tile counts, (side,): rising to one within the overlap, and falling
    again."""
    place = torch.arange(side) + 0.5
    share = torch.minimum(place, side - place).div(max(overlap, 1)).clamp(max=1)
    return (share * torch.pi / 2).sin().square()
