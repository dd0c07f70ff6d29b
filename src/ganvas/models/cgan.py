"""Conditional GAN: samples of a class (Mirza & Osindero, 2014)."""

from __future__ import annotations

from math import prod
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..core import InputError, Space, Tokens
from ..nn import perceptron
from ._adversarial import Adversarial


class CGAN(Adversarial):
    """The first GAN, with both players conditioned on the label y (equation 2 of the paper):

    min over G, max over D of  E log D(x | y) + E log(1 - D(G(z | y) | y))

    The discriminator gets y in one of two ways: `concatenation` puts its embedding beside x, as in
    the paper; `projection` adds <embedding(y), features(x)> to the logit (Miyato & Koyama, 2018,
    equation 3).

    Arguments:
        latent: Dimensions of the noise that an example is generated from.
        width: Units of each hidden layer.
        depth: Hidden layers of each player.
        labels: How the discriminator gets the label.

    Example: ganvas train cgan photos/ --size 32 --out runs/cgan-photos
    """

    def __init__(
        self,
        space: Space,
        condition: Tokens | None,
        *,
        latent: int = 64,
        width: int = 512,
        depth: int = 3,
        labels: Literal["projection", "concatenation"] = "projection",
        **game: Any,
    ) -> None:
        if condition is None:
            raise InputError(
                "cgan needs labels and the data has none: put the images into one sub-folder per"
                " class"
            )
        super().__init__(space, condition, latent=latent, **game)
        self.projects = labels == "projection"
        self.generator = nn.ModuleDict(
            {
                "embed": nn.Embedding(condition.vocabulary, latent),
                "layers": perceptron(
                    2 * latent, *[width] * depth, prod(space.raw), normalised=True
                ),
            }
        )
        self.discriminator = nn.ModuleDict(
            {
                "embed": nn.Embedding(condition.vocabulary, width),
                "layers": perceptron(
                    prod(space.shape) + (0 if self.projects else width), *[width] * depth, width
                ),
                "head": nn.Sequential(
                    nn.SiLU(), nn.Linear(width, 1, bias=not self.game.unanchored)
                ),
            }
        )
        self.constrain(self.discriminator)

    def generate(self, z: Tensor, y: Tensor | None) -> Tensor:
        joined = torch.cat([z, self.generator["embed"](y)], 1)
        return self.generator["layers"](joined).unflatten(1, self.space.raw)

    def discriminate(self, x: Tensor, y: Tensor | None) -> Tensor:
        label, flat = self.discriminator["embed"](y), x.flatten(1)
        joined = flat if self.projects else torch.cat([flat, label], 1)
        features = self.discriminator["layers"](joined)
        logit = self.discriminator["head"](features).squeeze(1)
        if not self.projects:
            return logit
        return logit + (label * features).sum(1) / features.shape[1] ** 0.5
