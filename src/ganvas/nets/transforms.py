"""Transforms of pictures to few numbers that are worth coding, and back, with a density of these numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .convolutional import Crop
from .strided import Double, Halve

MIXED = 3  # logistics that each density is made of
PACE = 10.0  # how much faster a density learns than the transforms whose numbers it follows


def steps(shape: tuple[int, ...], halvings: int) -> list[tuple[int, int]]:
    """(height, width) at each resolution, halved (rounding up) so many times."""
    found = [(shape[1], shape[2])]
    for _ in range(halvings):
        found.append(((found[-1][0] + 1) // 2, (found[-1][1] + 1) // 2))
    return found


class PlainBlock(nn.Module):
    """x + f(x), with f two convolutions and no normalisation, which would forget how bright a picture is."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.SiLU(), nn.Conv2d(width, width, 3, 1, 1), nn.SiLU(), nn.Conv2d(width, width, 3, 1, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def analysis(shape: tuple[int, ...], latent: int, width: int, halvings: int) -> nn.Sequential:
    """Pictures (B, *shape) to latents (B, latent, h, w); channels are doubled where resolution is halved."""
    layers: list[nn.Module] = []
    channels = shape[0]
    for level in range(halvings):
        wide = width * min(2**level, 4)
        layers += [Halve(channels, wide, 3), PlainBlock(wide)]
        channels = wide
    return nn.Sequential(*layers, nn.SiLU(), nn.Conv2d(channels, latent, 3, 1, 1))


def synthesis(shape: tuple[int, ...], latent: int, width: int, halvings: int) -> nn.Sequential:
    """Latents (B, latent, h, w) to pictures (B, *shape): analysis, backwards."""
    sizes = steps(shape, halvings)
    channels = width * min(2 ** (halvings - 1), 4)
    layers: list[nn.Module] = [nn.Conv2d(latent, channels, 3, 1, 1)]
    for level in reversed(range(halvings)):
        wide = width * min(2 ** max(level - 1, 0), 4)
        layers += [PlainBlock(channels), nn.SiLU(), Double(channels, wide), Crop(*sizes[level])]
        channels = wide
    return nn.Sequential(*layers, nn.SiLU(), nn.Conv2d(channels, shape[0], 3, 1, 1))


class Density(nn.Module):
    """A mixture of logistics for each of some independent numbers, (*shape).

    P(bin of width s around y) = sum over k of w_k [F((y + s/2 - m_k) / c_k) - F((y - s/2 - m_k) / c_k)],  F the sigmoid
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
        centred, half = (y.unsqueeze(1) - PACE * self.mean) * inverse, step.unsqueeze(1) / 2 * inverse
        mirrored = -centred.abs()  # F(a) - F(b) = F(-b) - F(-a): taken where nothing cancels
        upper, lower = mirrored + half, mirrored - half
        inside = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))
        return (inside + (PACE * self.weight).log_softmax(0)).logsumexp(1)
