"""Transforms of images to few numbers that are worth coding, and back, with their density."""

from __future__ import annotations

from itertools import product
from math import pi

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.space import log_between
from .convolutional import Crop
from .grids import PlainBlock
from .strided import Double, Halve

MIXED = 3  # logistics that each density is made of
PACE = 10.0  # how much faster a density learns than the transforms whose numbers it follows


def resolutions(shape: tuple[int, ...], halvings: int) -> list[tuple[int, int]]:
    """(height, width) at each resolution, halved (rounding up) so many times."""
    found = [(shape[1], shape[2])]
    for _ in range(halvings):
        found.append(((found[-1][0] + 1) // 2, (found[-1][1] + 1) // 2))
    return found


class Analysis(nn.Module):
    """Images (B, *shape) to latents (B, latent, h, w): a linear map of blocks, at first their
    cosine transform, plus a network.

    width: Channels at half resolution, doubled where resolution is halved.
    """

    def __init__(self, shape: tuple[int, ...], latent: int, width: int, halvings: int) -> None:
        super().__init__()
        small = resolutions(shape, halvings)[-1]
        self.missing = [2**halvings * small[axis] - shape[axis + 1] for axis in (0, 1)]
        self.blocks = nn.Conv2d(shape[0], latent, 2**halvings, 2**halvings, bias=False)
        self.blocks.weight.data.copy_(cosines(shape[0], latent, 2**halvings))
        channels, layers = shape[0], list[nn.Module]()
        for level in range(halvings):
            wide = width * min(2**level, 4)
            layers += [Halve(channels, wide, 3), PlainBlock(wide)]
            channels = wide
        self.network = nn.Sequential(
            *layers, nn.SiLU(), _zero_weights(nn.Conv2d(channels, latent, 3, 1, 1))
        )

    def forward(self, x: Tensor) -> Tensor:
        whole = F.pad(x, (0, self.missing[1], 0, self.missing[0]), mode="replicate")
        return self.blocks(whole) + self.network(x)


class Synthesis(nn.Module):
    """Latents (B, latent, h, w) to images (B, *shape): analysis, backwards."""

    def __init__(self, shape: tuple[int, ...], latent: int, width: int, halvings: int) -> None:
        super().__init__()
        sizes, channels = resolutions(shape, halvings), width * min(2 ** (halvings - 1), 4)
        self.blocks = nn.ConvTranspose2d(latent, shape[0], 2**halvings, 2**halvings, bias=False)
        self.blocks.weight.data.copy_(cosines(shape[0], latent, 2**halvings))
        layers: list[nn.Module] = [nn.Conv2d(latent, channels, 3, 1, 1)]
        for level in reversed(range(halvings)):
            wide = width * min(2 ** max(level - 1, 0), 4)
            layers += [PlainBlock(channels), nn.SiLU(), Double(channels, wide), Crop(*sizes[level])]
            channels = wide
        self.crop = Crop(*sizes[0])
        self.network = nn.Sequential(
            *layers, nn.SiLU(), _zero_weights(nn.Conv2d(channels, shape[0], 3, 1, 1))
        )

    def forward(self, y: Tensor) -> Tensor:
        return self.crop(self.blocks(y)) + self.network(y)


def cosines(channels: int, latent: int, side: int) -> Tensor:
    """The discrete cosine transform of blocks, (latent, channels, side, side): orthonormal, low
    frequencies first."""
    n = torch.arange(side)
    waves = torch.cos(pi / side * (n + 0.5) * n.unsqueeze(1)) * (2 / side) ** 0.5
    waves[0] /= 2**0.5
    frequencies = sorted(product(range(side), repeat=2), key=lambda at: (sum(at), at))
    found = torch.zeros(latent, channels, side, side)
    for number in range(min(latent, channels * side**2)):
        i, j = frequencies[number // channels]
        found[number, number % channels] = waves[i].unsqueeze(1) * waves[j]
    return found


def _zero_weights(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer, with zero weights to begin with."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Density(nn.Module):
    """A mixture of logistics for each of some independent numbers, (*shape).

    P(bin of width s around y)
        = sum over k of w_k [F((y + s/2 - m_k) / c_k) - F((y - s/2 - m_k) / c_k)],  F the sigmoid
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        apart = torch.linspace(-0.3, 0.3, MIXED).view(MIXED, *[1] * len(shape)) / PACE
        self.mean = nn.Parameter(apart.repeat(1, *shape))
        self.log_scale = nn.Parameter(torch.full((MIXED, *shape), -1.0 / PACE))
        self.weight = nn.Parameter(torch.zeros(MIXED, *shape))

    def log_mass(self, y: Tensor, step: Tensor) -> Tensor:
        """log P(the bin around y) for y (B, *shape), of this width (broadcasts)."""
        inverse = (-PACE * self.log_scale).exp()
        centred = (y.unsqueeze(1) - PACE * self.mean) * inverse
        half = step.unsqueeze(1) / 2 * inverse
        mirrored = -centred.abs()  # F(a) - F(b) = F(-b) - F(-a): taken where nothing cancels
        inside = log_between(mirrored + half, mirrored - half)
        return (inside + (PACE * self.weight).log_softmax(0)).logsumexp(1)
