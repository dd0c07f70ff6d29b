"""R3GAN: a loss under which a plain modern network needs no tricks (Huang et al., 2024)."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import prod
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..core import InputError, Space, Tokens, adam
from ..nn import deep
from ..nn.convolutional import sizes
from ..nn.losses import Loss
from ..nn.residual import Basis, Bottleneck, Down, Downsample, Summary, Up, Upsample, mix
from ..runtime.errors import flag
from ._adversarial import Adversarial, refuse_but_images

EXPANSION = 2  # channels inside of a block for each one outside


class R3GAN(Adversarial):
    """A relativistic loss on pairs of a real and a generated image, with R1 and R2 penalties:

    max over D, min over G of
        E f(D(G(z)) - D(x)) - r1/2 E |grad D(x)|^2 - r2/2 E |grad D(G(z))|^2,   f(t) = -log(1 + e^t)

    Each generated image is compared with a real one, so that no mode of the data can be dropped;
    the two penalties make the game converge where G has the distribution of the data (section 2 of
    the paper).

    `--networks residual` are those of configuration E (section 4): from a learned 4 x 4 image
    scaled by z, blocks of 1 x 1, grouped 3 x 3 and 1 x 1 convolutions, bilinear resampling, no
    normalisation; D is G backwards. The default, `strided`, are DCGAN's, but for a D without
    normalisation: they learn more in minutes.

    Images of 16 to 256 pixels, halved (rounding up) until 4 are left; labels as in DCGAN.

    Departs from the paper to be fast on a CPU: fewer channels; of residual networks one block at
    each resolution, and none at full resolution, where most of the time would go, but a strided
    convolution. Adam's learning rate is 1e-3, for hundreds of thousands of images and not many
    millions; it falls by a cosine, and penalties keep their weights.

    Arguments:
        latent: Dimensions of the noise that an image is generated from.
        networks: Strided convolutions, quick to learn, or the paper's residual blocks.
        channels: Channels at half the image's resolution, a multiple of 8; doubled with each
            halving.
        most: Channels at most; of residual networks 128 by default, of strided ones eight times the
            first.
        blocks: Residual blocks at each resolution.
        finest: Residual blocks at full resolution; with none, one strided convolution leads to it.
        conditional: Whether to learn the labels, where the data has them.
        r1: Weight of the gradient penalty at real images; by default 0.5 for 32 x 32 pixels, in
            proportion to their number for others.
        r2: Weight of the gradient penalty at generated images; by default that of r1.

    Example: ganvas train r3gan photos/ --size 64 --out runs/r3gan-photos
    """

    players = {"discriminator": adam(1e-3, (0.0, 0.99)), "generator": adam(1e-3, (0.0, 0.99))}
    defaults = replace(Adversarial.defaults, schedule="cosine")
    objective_options = frozenset({"conditional"})

    def __init__(
        self,
        space: Space,
        condition: Tokens | None = None,
        *,
        latent: int = 64,
        networks: Literal["strided", "residual"] = "strided",
        channels: int = 32,
        most: int | None = None,
        blocks: int = 1,
        finest: int = 0,
        conditional: bool = True,
        loss: Loss = "relativistic",
        r1: float | None = None,
        r2: float | None = None,
        **game: Any,
    ) -> None:
        strided = networks == "strided"
        refuse_but_images(
            space,
            "r3gan",
            square=strided,
            instead=f"another {flag('size')}, {flag('networks')} or model",
        )
        if game.get("spectral"):
            raise InputError(
                "r3gan has gradient penalties, and residual blocks begin at zero; leave out"
                f" {flag('spectral')}"
            )
        most = most or (8 * channels if strided else 128)
        if channels < 8 or channels % 8 or most < channels or most % 8:
            raise InputError(
                f"{flag('channels', channels)} {flag('most', most)}: multiples of 8, the second no"
                " less than the first"
            )
        if blocks < 1 or finest < 0:
            raise InputError(
                f"{flag('blocks', blocks)} {flag('finest', finest)}: one block at least, and at"
                " the finest none or more"
            )
        r1 = 0.5 * prod(space.shape[1:]) / 32**2 if r1 is None else r1
        condition = condition if conditional else None
        super().__init__(
            space, condition, latent=latent, loss=loss, r1=r1, r2=r1 if r2 is None else r2, **game
        )
        classes = 0 if condition is None else condition.vocabulary
        self.generator: nn.Module
        self.discriminator: nn.Module
        if not strided:
            stages = Stages(space.shape, channels, most, blocks, finest)
            self.generator = Generator(stages, latent, classes)
            self.discriminator = Discriminator(stages, classes)
            return
        widths = [min(width, most) for width in deep.doubling(space.shape[-1], channels)]
        anchored = not self.game.unanchored
        self.generator = deep.Generator(space.shape, latent, widths[::-1], classes)
        self.discriminator = deep.Discriminator(
            space.shape, widths, classes, normalised=False, anchored=anchored
        )
        self.apply(deep.initialise)

    def generate(self, z: Tensor, y: Tensor | None) -> Tensor:
        return self.generator(z, y)

    def discriminate(self, x: Tensor, y: Tensor | None) -> Tensor:
        return self.discriminator(x, y)


class Stages:
    """What both networks are made of: a size of images, channels and residual blocks at each
    level, 0 the finest."""

    def __init__(
        self, shape: tuple[int, ...], channels: int, most: int, blocks: int, finest: int
    ) -> None:
        self.shape, self.strided = shape, not finest
        self.sizes = sizes(shape)[self.strided :]
        self.widths = [min(channels * 2**level, most) for level in range(len(self.sizes))]
        self.blocks = [finest or blocks, *[blocks] * (len(self.sizes) - 1)]

    def level(self, level: int) -> list[nn.Module]:
        """The residual blocks of a level."""
        width, total = self.widths[level], sum(self.blocks)
        return [Bottleneck(width, EXPANSION * width, total) for _ in range(self.blocks[level])]

    def first(self) -> nn.Module:
        """From images to channels of level 0."""
        return (Downsample if self.strided else mix)(self.shape[0], self.widths[0])

    def last(self) -> nn.Module:
        """From channels of level 0 to images."""
        channels, height, width = self.shape
        if self.strided:
            return Upsample(self.widths[0], channels, (height, width))
        return mix(self.widths[0], channels)


class Generator(nn.Module):
    """Noise (B, latent) and labels (B,) to raw images (B, C, H, W), from 4 x 4 or less up."""

    def __init__(self, stages: Stages, latent: int, classes: int) -> None:
        super().__init__()
        widths, sizes = stages.widths, stages.sizes
        self.embed = nn.Embedding(classes, latent) if classes else None
        layers: list[nn.Module] = [Basis(latent * (2 if classes else 1), widths[-1], sizes[-1])]
        for level in range(len(widths) - 1, 0, -1):
            layers += [*stages.level(level), Up(widths[level], widths[level - 1], sizes[level - 1])]
        layers += [*stages.level(0), stages.last()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor, y: Tensor | None) -> Tensor:
        return self.layers(z if self.embed is None else torch.cat([z, self.embed(y)], 1))


class Discriminator(nn.Module):
    """Images (B, C, H, W) and labels (B,) to logits (B,), down to 4 x 4 or less."""

    def __init__(self, stages: Stages, classes: int) -> None:
        super().__init__()
        layers = [stages.first(), *stages.level(0)]
        for level, (a, b) in enumerate(pairwise(stages.widths), 1):
            layers += [Down(a, b), *stages.level(level)]
        out = stages.widths[-1]
        self.layers = nn.Sequential(*layers, Summary(out, stages.sizes[-1]))
        self.head = nn.Parameter(torch.randn(out) / out**0.5)
        self.embed = nn.Embedding(classes, out) if classes else None
        if self.embed is not None:
            nn.init.normal_(self.embed.weight, 0.0, out**-0.5)

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        features = self.layers(x)
        weight = self.head if self.embed is None else self.head + self.embed(y)
        return (features * weight).sum(1)
