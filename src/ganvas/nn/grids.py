"""Convolutional networks from grids to smaller grids and back, in 2D and 3D: images and video."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import gcd, prod

import torch
from torch import Tensor, nn

from .convolutional import Crop

Sides = tuple[int, ...]
Transposed = nn.ConvTranspose2d | nn.ConvTranspose3d

CONVOLUTIONS: Mapping[int, Callable[..., nn.Conv2d | nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: Mapping[int, Callable[..., Transposed]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
"""By dimensions of the grid."""

WIDEST = 4  # times as many channels as at first


def strides(factors: Sides) -> list[Sides]:
    """Powers of two as products of ones and twos: (4, 2) as [(2, 2), (2, 1)]."""
    halvings = max(factor.bit_length() - 1 for factor in factors)
    return [_stride(factors, number) for number in range(halvings)]


def _stride(factors: Sides, number: int) -> Sides:
    """Which sides one of the halvings divides by 2, and which by 1."""
    return tuple(2 if factor >> (number + 1) else 1 for factor in factors)


def sizes(sides: Sides, halvings: Sequence[Sides]) -> list[Sides]:
    """Sides of a grid, and after each halving, rounding up."""
    found = [sides]
    for by in halvings:
        found.append(tuple(-(-n // k) for n, k in zip(found[-1], by, strict=True)))
    return found


class PlainBlock(nn.Module):
    """x + f(x) on grids (B, width, *sides), with f two convolutions, and no normalisation, since
    that forgets how bright an image is."""

    def __init__(self, width: int, dimensions: int = 2) -> None:
        super().__init__()
        convolution = CONVOLUTIONS[dimensions]
        self.layers = nn.Sequential(
            nn.SiLU(),
            convolution(width, width, 3, 1, 1),
            nn.SiLU(),
            convolution(width, width, 3, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class GridEncoder(nn.Module):
    """Grids (B, C, *sides) to small grids (B, out, *small).

    halvings: By which of 1 and 2 each side is divided, layer after layer.
    width: Channels after the first halving, doubled with each, up to fourfold.
    depth: Residual blocks after each.
    """

    def __init__(
        self, channels: int, out: int, halvings: Sequence[Sides], width: int, depth: int
    ) -> None:
        super().__init__()
        dimensions = len(halvings[0])
        convolution = CONVOLUTIONS[dimensions]
        layers: list[nn.Module] = []
        widths = _widths(width, halvings)
        for (a, b), by in zip(pairwise([channels, *widths]), halvings, strict=True):
            layers.append(convolution(a, b, 3, by, 1))
            layers += [PlainBlock(b, dimensions) for _ in range(depth)]
        self.layers = nn.Sequential(*layers, nn.SiLU(), convolution(widths[-1], out, 1))
        begin(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class GridDecoder(nn.Module):
    """Small grids (B, into, *small) to grids (B, C, *sides): the encoder, backwards.

    last: The layer that gives the grid.
    """

    def __init__(
        self,
        into: int,
        channels: int,
        sides: Sides,
        halvings: Sequence[Sides],
        width: int,
        depth: int,
    ) -> None:
        super().__init__()
        dimensions, widths = len(sides), _widths(width, halvings)
        sides_at = sizes(sides, halvings)
        layers: list[nn.Module] = [CONVOLUTIONS[dimensions](into, widths[-1], 1)]
        for level in range(len(halvings) - 1, -1, -1):
            layers += [PlainBlock(widths[level], dimensions) for _ in range(depth)]
            layers.append(nn.SiLU())
            if level:
                layers.append(_doubling(widths[level], widths[level - 1], halvings[level]))
                layers.append(Crop(*sides_at[level]))
        self.layers = nn.Sequential(*layers)
        self.last, self.crop = _doubling(widths[0], channels, halvings[0]), Crop(*sides)
        begin(self)

    def forward(self, z: Tensor) -> Tensor:
        return self.crop(self.last(self.layers(z)))


class PatchDiscriminator(nn.Module):
    """Grids (B, C, *sides) to logits of patches being real, (B, patches) (Isola et al., 2017).

    width: Channels after the first halving, doubled with each, up to fourfold.
    """

    def __init__(self, channels: int, halvings: Sequence[Sides], width: int) -> None:
        super().__init__()
        convolution, widths = CONVOLUTIONS[len(halvings[0])], _widths(width, halvings)
        layers: list[nn.Module] = []
        for (a, b), by in zip(pairwise([channels, *widths]), halvings, strict=True):
            first = not layers
            layers.append(convolution(a, b, tuple(2 + k for k in by), by, 1))
            if not first:
                layers.append(nn.GroupNorm(gcd(8, b), b))
            layers.append(nn.LeakyReLU(0.2))
        self.layers = nn.Sequential(*layers, convolution(widths[-1], 1, 3, 1, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten(1)


def _doubling(channels: int, out: int, by: Sides) -> Transposed:
    """Multiplies sides by 1 and 2; every place is reached equally often."""
    return TRANSPOSED[len(by)](channels, out, tuple(2 + k for k in by), by, 1)


@torch.no_grad()
def begin(network: nn.Module) -> None:
    """Weights from N(0, 2 / n), n the inputs of each output (He et al., 2015): without
    normalisation all images would else look the same after a few layers. What residual blocks add
    is small at first."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | Transposed):
            per_output = prod(module.kernel_size) * module.in_channels
            if isinstance(module, Transposed):
                per_output //= prod(module.stride)
            nn.init.normal_(module.weight, 0.0, (2 / per_output) ** 0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, PlainBlock):
            next(module.layers[-1].parameters()).mul_(0.3)


def _widths(width: int, halvings: Sequence[Sides]) -> list[int]:
    return [width * min(2**level, WIDEST) for level in range(len(halvings))]
