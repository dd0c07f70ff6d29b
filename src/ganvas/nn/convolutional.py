"""Convolutional networks for images of any size."""

from __future__ import annotations

from itertools import pairwise
from math import ceil, gcd, prod
from typing import Any

import torch
from torch import Tensor, nn

from .strided import Double, Halve


def sizes(shape: tuple[int, ...], smallest: int = 4) -> list[tuple[int, int]]:
    """(height, width) at each resolution, halved (rounding up) down to at most `smallest`."""
    found = [(shape[-2], shape[-1])]
    while max(found[-1]) > smallest:
        found.append((ceil(found[-1][0] / 2), ceil(found[-1][1] / 2)))
    return found


class Block(nn.Module):
    """x + f(x), with f two normalised convolutions (He et al., 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(gcd(8, width), width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, 1, 1),
            nn.GroupNorm(gcd(8, width), width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class SmallBlock(nn.Module):
    """h + f(h), with f two convolutions; small at first, so that deep networks begin as the
    identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        last = nn.Conv2d(width, width, 3, 1, 1)
        self.layers = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1), nn.ReLU(), last)
        with torch.no_grad():
            last.weight.mul_(0.3)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.layers(h)


class Crop(nn.Module):
    """Cuts grids (B, C, *sides), such as images, to a size, after doubling made them too large."""

    def __init__(self, *sides: int) -> None:
        super().__init__()
        self.within: tuple[Any, ...] = (..., *(slice(side) for side in sides))

    def forward(self, x: Tensor) -> Tensor:
        return x[self.within]


class ConvolutionalEncoder(nn.Module):
    """Images (B, C, H, W) to vectors (B, out): strided convolutions halve, channels double, up to
    eightfold."""

    def __init__(self, shape: tuple[int, ...], out: int, width: int, depth: int) -> None:
        super().__init__()
        steps = sizes(shape)
        widths = [shape[0], *(width * min(2**level, 8) for level in range(len(steps) - 1))]
        layers: list[nn.Module] = []
        for a, b in pairwise(widths):
            layers += [Halve(a, b, 3), *(Block(b) for _ in range(depth - 1)), nn.SiLU()]
        self.layers = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(widths[-1] * prod(steps[-1]), out)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class ConvolutionalDecoder(nn.Module):
    """Vectors (B, into) to one raw value of each pixel, (B, C, H, W): the encoder, backwards."""

    def __init__(self, shape: tuple[int, ...], into: int, width: int, depth: int) -> None:
        super().__init__()
        steps = sizes(shape)[::-1]
        widths = [width * min(2**level, 8) for level in range(len(steps) - 1)][::-1]
        layers: list[nn.Module] = [
            nn.Linear(into, widths[0] * prod(steps[0])),
            nn.Unflatten(1, (widths[0], *steps[0])),
        ]
        for a, b, step in zip(widths, [*widths[1:], widths[-1]], steps[1:], strict=True):
            layers += [*(Block(a) for _ in range(depth - 1)), nn.SiLU(), Double(a, b), Crop(*step)]
        self.layers = nn.Sequential(*layers, nn.SiLU(), nn.Conv2d(widths[-1], shape[0], 3, 1, 1))

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)
