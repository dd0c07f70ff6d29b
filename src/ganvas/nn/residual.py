"""Residual networks without normalisation, initialised as the identity (Huang et al., 2024,
section 4)."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .convolutional import Crop
from .second_order import SLOPE, Convolution, LeakyReLU
from .strided import Double, Halve

GROUP = 16  # channels of each group of a 3 x 3 convolution


class Bottleneck(nn.Module):
    """x + f(x), with f convolutions of 1 x 1, 3 x 3 in groups of 16 channels, and 1 x 1; leaky ReLU
    between them.

    Initialised by Fixup (Zhang et al., 2019): the last convolution at zero, the others at L^(-1/4)
    times what keeps the variance, where L is the number of blocks of the network.

    width: Channels outside of the block.
    inside: Channels inside.
    blocks: L.
    """

    def __init__(self, width: int, inside: int, blocks: int) -> None:
        super().__init__()
        enter = Convolution(width, inside, 1)
        middle = Convolution(inside, inside, 3, 1, 1, groups=max(inside // GROUP, 1))
        leave = Convolution(inside, width, 1, bias=False)
        for layer in (enter, middle):
            _initialise(layer, sqrt(2 / (1 + SLOPE**2)) * blocks**-0.25)
        nn.init.zeros_(leave.weight)
        self.layers = nn.Sequential(enter, LeakyReLU(), middle, LeakyReLU(), leave)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def mix(channels: int, out: int) -> Convolution:
    """A linear map of channels at each place, without a bias, that keeps the variance."""
    layer = Convolution(channels, out, 1, bias=False)
    _initialise(layer, 1.0)
    return layer


class Downsample(nn.Module):
    """(B, C, H, W) to (B, O, H/2, W/2), rounded up, by one strided convolution."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.convolution = Halve(channels, out, bias=False)
        nn.init.normal_(self.convolution.weight, 0.0, (16 * channels) ** -0.5)

    def forward(self, x: Tensor) -> Tensor:
        odd = (0, x.shape[3] % 2, 0, x.shape[2] % 2)
        return self.convolution(F.pad(x, odd) if any(odd) else x)


class Upsample(nn.Module):
    """(B, C, h, w) to (B, O, H, W) of at most twice the size, by one transposed convolution."""

    def __init__(self, channels: int, out: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.convolution = Double(channels, out, bias=False)
        # four places of each kernel meet a pixel
        nn.init.normal_(self.convolution.weight, 0.0, (4 * channels) ** -0.5)
        self.crop = Crop(*size)

    def forward(self, x: Tensor) -> Tensor:
        return self.crop(self.convolution(x))


class Down(nn.Module):
    """(B, C, H, W) to (B, O, H/2, W/2), rounded up: means of four pixels, and a map of channels."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.mix = mix(channels, out) if channels != out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(F.avg_pool2d(x, 2, ceil_mode=True))


class Up(nn.Module):
    """(B, C, h, w) to (B, O, H, W) of at most twice the size: a map of channels, and bilinear.

    The two commute, and channels are cheaper to map where there are fewer places.
    """

    def __init__(self, channels: int, out: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.mix = mix(channels, out) if channels != out else nn.Identity()
        self.crop = Crop(*size)

    def forward(self, x: Tensor) -> Tensor:
        return self.crop(F.interpolate(self.mix(x), scale_factor=2, mode="bilinear"))


class Basis(nn.Module):
    """Vectors z (B, into) to images (B, C, h, w): one learned image, its channels scaled by a
    linear map of z."""

    def __init__(self, into: int, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.basis = nn.Parameter(torch.randn(channels, *size))
        self.scale = nn.Linear(into, channels, bias=False)
        nn.init.normal_(self.scale.weight, 0.0, into**-0.5)

    def forward(self, z: Tensor) -> Tensor:
        return self.basis * self.scale(z)[:, :, None, None]


class Summary(nn.Module):
    """Images (B, C, h, w) to vectors (B, C): each channel weighted by a learned image, in
    float32."""

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, *size) / sqrt(size[0] * size[1]))

    def forward(self, x: Tensor) -> Tensor:
        return (self.weight * x).sum((2, 3))


def _initialise(layer: nn.Conv2d, gain: float) -> None:
    """Weights from N(0, gain^2 / inputs), no biases."""
    nn.init.normal_(layer.weight, 0.0, gain / sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
