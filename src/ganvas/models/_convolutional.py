"""Adversaries on pictures by strided convolutions: networks of Radford et al. (2015), whatever the game."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ..core import Continuous, InputError, Space, Tokens
from ..nets.convolutional import Crop
from ..nets.perceptron import BatchDeviation
from ..nets.strided import Double, Halve
from ._adversarial import Adversarial


class Convolutional(Adversarial):
    """Strided convolutions, batch normalisation, ReLU in the generator, leaky ReLU in the discriminator.

    Pictures of 16 to 256 pixels; a size that is no power of two is cut from the next. With labels the generator gets
    an embedding of y beside the noise, and the discriminator adds <embedding(y), features(x)> to its logit (projection;
    Miyato & Koyama, 2018).

    Arguments:
        latent: Dimensions of the noise a picture is made from.
        channels: Channels at half the picture's resolution; doubled with each halving, up to eightfold.
        discriminator_channels: The same of the discriminator, where it is to be another size than the generator.
        discriminator_normalised: Whether it normalises over the batch; better not where slopes are penalised.
        conditional: Whether to learn the labels, where the data has them.
        deviation: Show the discriminator's last layer how much its units vary over the batch (Karras et al., 2018).
    """

    def __init__(
        self,
        space: Space,
        condition: Tokens | None = None,
        *,
        latent: int = 100,
        channels: int = 64,
        discriminator_channels: int | None = None,
        discriminator_normalised: bool = True,
        conditional: bool = True,
        deviation: bool = False,
        **game: Any,
    ) -> None:
        if not isinstance(space, Continuous) or len(space.shape) != 3 or not 16 <= space.shape[-1] <= 256:
            name = type(self).__name__.lower()
            raise InputError(f"{name} makes pictures of 16 to 256 pixels, not {space}; choose another --size or model")
        condition = condition if conditional else None
        super().__init__(space, condition, latent=latent, **game)
        widths = doubling(space.shape[-1], channels)
        classes = 0 if condition is None else condition.vocabulary
        self.generator = Generator(space.shape, latent, widths[::-1], classes)
        judging = doubling(space.shape[-1], discriminator_channels or channels)
        self.discriminator = Discriminator(
            space.shape, judging, classes, discriminator_normalised, deviation, not self.game.unanchored
        )
        self.apply(initialise)
        self.constrained(self.discriminator)

    def generate(self, z: Tensor, y: Tensor | None) -> Tensor:
        return self.generator(z, y)

    def discriminate(self, x: Tensor, y: Tensor | None) -> Tensor:
        return self.discriminator(x, y)


class Generator(nn.Module):
    """Noise (B, latent) and labels (B,) to raw pictures (B, C, S, S), from 4 x 4 up by transposed convolutions."""

    def __init__(self, shape: tuple[int, ...], latent: int, widths: list[int], classes: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(classes, latent) if classes else None
        layers: list[nn.Module] = [nn.ConvTranspose2d(latent * (2 if classes else 1), widths[0], 4, bias=False)]
        for a, b in pairwise(widths):
            layers += [nn.BatchNorm2d(a), nn.ReLU(True), Double(a, b, bias=False)]
        layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU(True), Double(widths[-1], shape[0])]
        self.layers = nn.Sequential(*layers, Crop(*shape[1:]))

    def forward(self, z: Tensor, y: Tensor | None) -> Tensor:
        joined = z if self.embed is None else torch.cat([z, self.embed(y)], 1)
        return self.layers(joined[:, :, None, None])


class Discriminator(nn.Module):
    """Pictures (B, C, S, S) and labels (B,) to logits (B,), halved by strided convolutions."""

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
        self.beside = BatchDeviation() if deviation else nn.Identity()
        self.head = nn.Conv2d(widths[-1] + deviation, 1, shape[-1] >> len(widths), bias=anchored)
        self.embed = nn.Embedding(classes, widths[-1]) if classes else None

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        features = self.layers(x)
        logit = self.head(self.beside(features)).flatten()
        return logit if self.embed is None else logit + (self.embed(y) * features.sum((2, 3))).sum(1)


def doubling(size: int, channels: int) -> list[int]:
    """Channels at each halving of the picture, down to 4 x 4: doubled, up to eightfold."""
    return [channels * min(2**level, 8) for level in range((size - 1).bit_length() - 2)]


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), gains from N(1, 0.02)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | Halve | Double | nn.Embedding):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
