"""Generative adversarial network: a forger and a detective (Goodfellow et al., 2014)."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

from torch import Tensor, nn

from ..core import InputError, Space
from ..nn import perceptron
from ..nn.perceptron import FREQUENCIES, FourierFeatures, MinibatchStandardDeviation
from ..runtime.errors import flag
from ._adversarial import Adversarial


class GAN(Adversarial):
    """The first GAN: two perceptrons, on any space of numbers or rows.

    min over G, max over D of  E log D(x) + E log(1 - D(G(z))),    z ~ N(0, 1)

    Arguments:
        latent: Dimensions of the noise that an example is generated from.
        width: Units of each hidden layer.
        depth: Hidden layers of each player.
        normalised: Whether the generator has batch normalisation.
        minibatch_std: Give the discriminator's last layer the standard deviation of its units over
            the batch (Karras et al., 2018).
        fourier_features: Give the discriminator sines and cosines of examples too, of about so many
            radians a unit (Tancik et al., 2020): for points and rows whose modes are far narrower
            than the distances between them. 0 for none.

    Example: ganvas train gan photos/ --size 32 --out runs/gan-photos
    """

    def __init__(
        self,
        space: Space,
        *,
        latent: int = 64,
        width: int = 512,
        depth: int = 3,
        normalised: bool = True,
        minibatch_std: bool = False,
        fourier_features: float = 0.0,
        **game: Any,
    ) -> None:
        if minibatch_std and not depth:
            raise InputError(
                f"{flag('minibatch_std')} is of the discriminator's last hidden layer, and"
                f" {flag('depth', 0)} has none"
            )
        if fourier_features < 0:
            raise InputError(
                f"{flag('fourier_features')} is {fourier_features:g}; frequencies are above 0, and"
                " 0 stands for none"
            )
        super().__init__(space, None, latent=latent, **game)
        hidden = [width] * depth
        layers = perceptron(
            latent, *hidden, prod(space.raw), activation=nn.ReLU, normalised=normalised
        )
        self.generator = nn.Sequential(layers, nn.Unflatten(1, space.raw))
        anchored = not self.game.unanchored
        into, features = prod(space.shape), list[nn.Module]()
        if fourier_features:
            features = [FourierFeatures(into, fourier_features)]
            into += 2 * FREQUENCIES
        leaky = partial(nn.LeakyReLU, 0.2)
        critic = perceptron(into, *hidden, 1, activation=leaky, bias=anchored)
        if minibatch_std:
            last = nn.Linear(width + 1, 1, bias=anchored)
            critic[-1] = nn.Sequential(MinibatchStandardDeviation(), last)
        network = nn.Sequential(nn.Flatten(), *features, critic, nn.Flatten(0))
        self.discriminator = self.constrain(network)

    def generate(self, z: Tensor, y: Tensor | None) -> Tensor:
        return self.generator(z)

    def discriminate(self, x: Tensor, y: Tensor | None) -> Tensor:
        return self.discriminator(x)
