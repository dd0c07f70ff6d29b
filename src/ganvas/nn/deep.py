"""DCGAN's players: strided convolutions from 4 x 4 up, and down again (Radford et al., 2015)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from .convolutional import Crop
from .perceptron import MinibatchStandardDeviation
from .strided import Double, Halve


class Generator(nn.Module):
    """Noise (B, latent) and labels (B,) to raw images (B, C, S, S), from 4 x 4 up by transposed
    convolutions."""

    def __init__(
        self, shape: tuple[int, ...], latent: int, widths: list[int], classes: int
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(classes, latent) if classes else None
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent * (2 if classes else 1), widths[0], 4, bias=False)
        ]
        for a, b in pairwise(widths):
            layers += [nn.BatchNorm2d(a), nn.ReLU(True), Double(a, b, bias=False)]
        layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU(True), Double(widths[-1], shape[0])]
        self.layers = nn.Sequential(*layers, Crop(*shape[1:]))

    def forward(self, z: Tensor, y: Tensor | None) -> Tensor:
        joined = z if self.embed is None else torch.cat([z, self.embed(y)], 1)
        return self.layers(joined[:, :, None, None])


class Discriminator(nn.Module):
    """Images (B, C, S, S) and labels (B,) to logits (B,), halved by strided convolutions."""

    def __init__(
        self,
        shape: tuple[int, ...],
        widths: list[int],
        classes: int,
        normalised: bool,
        deviation: bool = False,
        anchored: bool = True,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [Halve(shape[0], widths[0]), nn.LeakyReLU(0.2, True)]
        for a, b in pairwise(widths):
            norm = [nn.BatchNorm2d(b)] * normalised
            layers += [Halve(a, b, bias=not normalised), *norm, nn.LeakyReLU(0.2, True)]
        self.layers = nn.Sequential(*layers)
        self.beside = MinibatchStandardDeviation() if deviation else nn.Identity()
        self.head = nn.Conv2d(widths[-1] + deviation, 1, shape[-1] >> len(widths), bias=anchored)
        self.embed = nn.Embedding(classes, widths[-1]) if classes else None

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        features = self.layers(x)
        logit = self.head(self.beside(features)).flatten()
        if self.embed is None:
            return logit
        return logit + (self.embed(y) * features.sum((2, 3))).sum(1)


def doubling(size: int, channels: int) -> list[int]:
    """Channels at each halving of the image, down to 4 x 4: doubled, up to eightfold."""
    return [channels * min(2**level, 8) for level in range((size - 1).bit_length() - 2)]


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), gains from N(1, 0.02)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | Halve | Double | nn.Embedding):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
