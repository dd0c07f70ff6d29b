"""Features for a perceptual loss, learned from the data itself where no trained network is at hand
(Johnson et al., 2016; Zhang et al., 2018, LPIPS)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS = 3  # full resolution, a half, a quarter
PATCH = 4  # side of the squares that are masked
MASKED = 0.25  # share of them, at most
NOISE = 0.5  # standard deviation, at most


class Perception(nn.Module):
    """Convolutions as VGG has them, twice a resolution, halved by averages (Simonyan & Zisserman,
    2015).

    They learn to restore images that lost squares (Pathak et al., 2016), colour (Zhang et al.,
    2016) and detail under noise (Vincent et al., 2008), as a sum of outputs of each resolution, so
    that all of them learn.

    distance(a, b) = mean over layers of  mean over places of  |f(a) / |f(a)| - f(b) / |f(b)||^2

    which is LPIPS without learned weights (Zhang et al., 2018, equation 1, with w = 1). Images are
    (B, C, H, W) in [-1, 1], of at least 4 pixels a side.

    Arguments:
        channels: Of the images.
        width: Channels at full resolution; doubled with each halving.
    """

    def __init__(self, channels: int, width: int = 32) -> None:
        super().__init__()
        widths = [channels, *(width * 2**level for level in range(LEVELS))]
        self.layers = nn.ModuleList(_layer(a, b) for a, b in pairwise(widths))
        self.heads = nn.ModuleList(_head(a, channels) for a in widths[1:])

    def features(self, x: Tensor) -> list[Tensor]:
        """(B, width, H, W), (B, 2 width, H/2, W/2), (B, 4 width, H/4, W/4)."""
        found = list[Tensor]()
        for level, layer in enumerate(self.layers):
            x = layer(F.avg_pool2d(x, 2) if level else x)
            found.append(x)
        return found

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """How different images look, (B,): 0 where they are the same, 4 at most."""
        pairs = zip(self.features(a), self.features(b), strict=True)
        differences = [(_normalise(f) - _normalise(g)).square().sum(1) for f, g in pairs]
        return torch.stack([grid.flatten(1).mean(1) for grid in differences]).mean(0)

    def loss(self, x: Tensor) -> dict[str, Tensor]:
        """What it minimises to learn from images: the squared error of those it restores."""
        return {"restored": (self._restore(degrade(x)) - x).square().mean()}

    def _restore(self, x: Tensor) -> Tensor:
        size = x.shape[2:]
        parts = [head(f) for head, f in zip(self.heads, self.features(x), strict=True)]
        total = torch.zeros_like(x)
        for part in parts:
            total = total + F.interpolate(part, size, mode="bilinear")
        return total


def _layer(a: int, b: int) -> nn.Sequential:
    first, second = nn.Conv2d(a, b, 3, 1, 1), nn.Conv2d(b, b, 3, 1, 1)
    for convolution in (first, second):
        nn.init.kaiming_normal_(convolution.weight, a=0.2)
    return nn.Sequential(first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2))


def _head(width: int, channels: int) -> nn.Conv2d:
    """Has small weights at first, for its output is added to others."""
    head = nn.Conv2d(width, channels, 3, 1, 1)
    nn.init.normal_(head.weight, 0.0, 1e-2)
    return head


def _normalise(f: Tensor) -> Tensor:
    """Features (B, D, H, W) of length one at each place."""
    f = f.float()
    return f * torch.rsqrt(f.square().sum(1, keepdim=True) + 1e-6)


def degrade(x: Tensor) -> Tensor:
    """Images (B, C, H, W), each with noise of a strength of its own and masked squares, half of
    them without colour, where they have any; by torch's random numbers."""
    n, channels, height, width = x.shape
    coin, share, strength = torch.rand(3, n, 1, 1, 1, device=x.device).to(x.dtype)
    grey = x.mean(1, keepdim=True).expand_as(x)
    y = torch.where(coin < 0.5, grey, x) if channels > 1 else x
    y = y + NOISE * strength.square() * torch.randn_like(x)
    rows, columns = -(-height // PATCH), -(-width // PATCH)
    grid = torch.rand(n, 1, rows, columns, device=x.device) < MASKED * share
    mask = grid.repeat_interleave(PATCH, 2).repeat_interleave(PATCH, 3)[:, :, :height, :width]
    return y.masked_fill(mask, 0.0)
