"""Generative adversarial network: a forger and a detective teach each other (Goodfellow et al., 2014)."""

from __future__ import annotations

from functools import partial
from math import prod

from torch import Tensor, nn

from ..core import Space
from ..nets import perceptron
from ._adversarial import Adversarial, Loss


class GAN(Adversarial):
    """The first GAN: two perceptrons, on any space of numbers or rows.

    min over G, max over D of  E log D(x) + E log(1 - D(G(z))),    z ~ N(0, 1)

    Arguments:
        latent: Dimensions of the noise an example is made from.
        width: Units of each hidden layer.
        depth: Hidden layers of each player.
        loss: What the generator minimises; `minimax` is the game's value, `non-saturating` learns faster.
        discriminator_steps: Rounds the discriminator plays for each one of the generator's (k in algorithm 1).

    Example: ganvas train gan photos/ --size 32 --out runs/gan-photos
    """

    def __init__(
        self,
        space: Space,
        *,
        latent: int = 64,
        width: int = 512,
        depth: int = 3,
        loss: Loss = "non-saturating",
        discriminator_steps: int = 1,
    ) -> None:
        super().__init__(space, None, latent=latent, loss=loss, discriminator_steps=discriminator_steps)
        hidden = [width] * depth
        layers = perceptron(latent, *hidden, prod(space.raw), normalised=True)
        self.generator = nn.Sequential(layers, nn.Unflatten(1, space.raw))
        judging = perceptron(prod(space.shape), *hidden, 1, activation=partial(nn.LeakyReLU, 0.2))
        self.discriminator = nn.Sequential(nn.Flatten(), judging, nn.Flatten(0))

    def generate(self, z: Tensor, y: Tensor | None) -> Tensor:
        return self.generator(z)

    def discriminate(self, x: Tensor, y: Tensor | None) -> Tensor:
        return self.discriminator(x)
