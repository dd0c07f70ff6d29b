"""Causal networks: their output at a place of an image depends on the places before it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.space import LEVELS, from_levels

NEAREST = 12  # pixels whose levels are looked up one by one, beside what they are as numbers


class CausalWindow(nn.Module):
    """Levels of images to logits of the level at one place, from a window of those before it.

    Places are in raster order, and of one pixel channel after channel (van den Oord et al., 2016,
    section 3.1). The network is a masked convolution followed by residual blocks of 1 x 1
    convolutions, but it is computed only where it is asked for: an image can be unfolded place by
    place at the cost of one pass.

    shape: (channels, height, width) of images.
    width: Units of each layer.
    depth: Residual blocks of two layers.
    reach: Rows above, and columns to either side, that are seen.
    """

    offsets: Tensor
    starts: Tensor

    def __init__(self, shape: tuple[int, ...], width: int, depth: int, reach: int) -> None:
        super().__init__()
        self.shape, self.reach, channels = shape, reach, shape[0]
        self.stride = shape[2] + 2 * reach  # pixels of a row of the canvas
        pixels = torch.tensor([i * self.stride + j for i, j in _window(reach)])
        before = (pixels[:, None] * channels + torch.arange(channels)).flatten()
        self.register_buffer(
            "offsets", torch.cat([torch.arange(channels - 1), before]), persistent=False
        )
        self.looked_up = channels - 1 + NEAREST * channels
        self.inlet = nn.Linear(len(self.offsets), width)
        sizes = torch.tensor([LEVELS] * self.looked_up + [shape[1], shape[2], channels])
        self.register_buffer("starts", sizes.cumsum(0) - sizes, persistent=False)
        self.table = nn.Parameter(torch.randn(int(sizes.sum()), width) * 0.05)
        self.blocks = nn.Sequential(*(PointBlock(width) for _ in range(depth)))
        self.outlet = nn.Sequential(nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, LEVELS))

    def canvas(self, levels: Tensor) -> Tensor:
        """Levels (B, *shape) with a margin of `reach`, in raster order: (B, cells), uint8."""
        r = self.reach
        return F.pad(levels.to(torch.uint8), (r, r, r, 0)).permute(0, 2, 3, 1).flatten(1)

    def cell(self, place: Tensor) -> Tensor:
        """Where on the canvas the pixel of a place begins."""
        pixel = place // self.shape[0]
        row, column = pixel // self.shape[2], pixel % self.shape[2]
        return ((row + self.reach) * self.stride + column + self.reach) * self.shape[0]

    def forward(self, canvas: Tensor, place: Tensor) -> Tensor:
        """Logits (B, K, 256) at places (B, K), or (1, K) where they are the same for all."""
        channel, pixel = place % self.shape[0], place // self.shape[0]
        at = self.cell(place).unsqueeze(-1) + self.offsets
        seen = canvas[:, at.flatten()] if len(at) == 1 else canvas.gather(1, at.flatten(1))
        seen = seen.unflatten(1, at.shape[1:])
        own = self.shape[0] - 1
        if own:  # of the pixel's own channels, those that are not yet known
            known = torch.arange(own, device=channel.device) < channel.unsqueeze(-1)
            seen = torch.cat([seen[..., :own] * known, seen[..., own:]], -1)
        where = torch.stack([pixel // self.shape[2], pixel % self.shape[2], channel], -1)
        where = where.expand(*seen.shape[:2], -1)
        symbols = torch.cat([seen[..., : self.looked_up].long(), where], -1) + self.starts
        embedded = F.embedding_bag(symbols.flatten(0, 1), self.table, mode="sum")
        embedded = embedded.unflatten(0, seen.shape[:2])
        h = self.inlet(from_levels(seen))
        return self.outlet(self.blocks(F.silu(h + embedded.to(h.dtype))))


def _window(reach: int) -> list[tuple[int, int]]:
    """(rows, columns) from a place to those before it, the nearest first."""
    rows, columns = range(-reach, 1), range(-reach, reach + 1)
    before = [(i, j) for i in rows for j in columns if (i, j) < (0, 0)]
    return sorted(before, key=lambda at: at[0] ** 2 + at[1] ** 2)


class PointBlock(nn.Module):
    """h + f(h) at every place by itself, with f two layers that begin as zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)
        )
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.layers(h)
