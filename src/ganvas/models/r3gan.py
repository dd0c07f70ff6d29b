"""R3GAN: a loss under which a plain modern network needs no tricks (Huang et al., 2024)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ..core import Continuous, InputError, Practice, Space, Tokens, adam
from ..nets.convolutional import sizes
from ..nets.plain import Basis, Bottleneck, Down, Mix, Summary, Up
from ._adversarial import Adversarial, Loss

EXPANSION = 2  # channels inside of a block for each one outside


class R3GAN(Adversarial):
    """max over D, min over G of  E f(D(G(z)) - D(x)) - r1/2 E |grad D(x)|^2 - r2/2 E |grad D(G(z))|^2."""

    players = {"discriminator": adam(2e-4, (0.0, 0.99)), "generator": adam(2e-4, (0.0, 0.99))}
    practice = Practice(batch=64, epochs=50, steps=10_000, schedule="constant")

    def __init__(
        self,
        space: Space,
        condition: Tokens | None = None,
        *,
        latent: int = 64,
        channels: int = 32,
        most: int = 128,
        blocks: int = 2,
        group: int = 16,
        conditional: bool = True,
        loss: Loss = "relativistic",
        r1: float = 0.5,
        r2: float = 0.5,
        **game: Any,
    ) -> None:
        if not isinstance(space, Continuous) or len(space.shape) != 3 or not 16 <= space.shape[-1] <= 256:
            raise InputError(f"r3gan makes pictures of 16 to 256 pixels, not {space}; choose another --size or model")
        condition = condition if conditional else None
        super().__init__(space, condition, latent=latent, loss=loss, r1=r1, r2=r2, **game)
        classes = 0 if condition is None else condition.vocabulary
        widths = [min(channels * 2**level, most) for level in range(len(sizes(space.shape)))]
        self.generator = Generator(space.shape, latent, widths, blocks, group, classes)
        self.discriminator = Discriminator(space.shape, widths, blocks, group, classes)

    def generate(self, z: Tensor, y: Tensor | None) -> Tensor:
        return self.generator(z, y)

    def discriminate(self, x: Tensor, y: Tensor | None) -> Tensor:
        return self.discriminator(x, y)


class Generator(nn.Module):
    """Noise (B, latent) and labels (B,) to raw pictures (B, C, H, W), from 4 x 4 or less up."""

    def __init__(
        self, shape: tuple[int, ...], latent: int, widths: list[int], blocks: int, group: int, classes: int
    ) -> None:
        super().__init__()
        steps, widths = sizes(shape)[::-1], widths[::-1]
        self.embed = nn.Embedding(classes, latent) if classes else None
        layers: list[nn.Module] = [Basis(latent * (2 if classes else 1), widths[0], steps[0])]
        layers += _stage(widths[0], blocks, group, len(widths))
        for (a, b), step in zip(pairwise(widths), steps[1:], strict=True):
            layers += [Up(a, b, step), *_stage(b, blocks, group, len(widths))]
        self.layers = nn.Sequential(*layers, Mix(widths[-1], shape[0]))

    def forward(self, z: Tensor, y: Tensor | None) -> Tensor:
        return self.layers(z if self.embed is None else torch.cat([z, self.embed(y)], 1))


class Discriminator(nn.Module):
    """Pictures (B, C, H, W) and labels (B,) to logits (B,), down to 4 x 4 or less."""

    def __init__(self, shape: tuple[int, ...], widths: list[int], blocks: int, group: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [Mix(shape[0], widths[0]), *_stage(widths[0], blocks, group, len(widths))]
        for a, b in pairwise(widths):
            layers += [Down(a, b), *_stage(b, blocks, group, len(widths))]
        self.layers = nn.Sequential(*layers, Summary(widths[-1], sizes(shape)[-1]))
        self.head = nn.Parameter(torch.randn(widths[-1]) / widths[-1] ** 0.5)
        self.embed = nn.Embedding(classes, widths[-1]) if classes else None
        if self.embed is not None:
            nn.init.normal_(self.embed.weight, 0.0, widths[-1] ** -0.5)

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        features = self.layers(x)
        return (features * (self.head if self.embed is None else self.head + self.embed(y))).sum(1)


def _stage(width: int, blocks: int, group: int, stages: int) -> list[nn.Module]:
    return [Bottleneck(width, EXPANSION * width, group, blocks * stages) for _ in range(blocks)]
