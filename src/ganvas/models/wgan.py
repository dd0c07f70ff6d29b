"""Wasserstein GAN with gradient penalty (Gulrajani et al., 2017)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..core import Space, Tokens, adam
from ..nn.losses import Loss
from ._convolutional import Convolutional


class WGAN(Convolutional):
    """The networks of DCGAN, the critic without batch normalisation: its penalty is of each example
    (section 4).

    max over D, min over G of  E D(x) - E D(G(z)) - penalty E (|grad D| - 1)^2    (equation 3)

    The critic plays five steps for each one of the generator's, and Adam has no first moment
    (algorithm 1). Its learning rate is 5e-4, where the paper has 1e-4 for hundreds of thousands of
    steps.

    Example: ganvas train wgan photos/ --size 32 --out runs/wgan-photos
    """

    players = {"discriminator": adam(5e-4, (0.0, 0.9)), "generator": adam(5e-4, (0.0, 0.9))}
    defaults = replace(Convolutional.defaults, steps=30_000)

    def __init__(
        self,
        space: Space,
        condition: Tokens | None = None,
        *,
        loss: Loss = "wasserstein",
        discriminator_steps: int = 5,
        gradient_penalty: float = 10.0,
        discriminator_normalised: bool = False,
        **game: Any,
    ) -> None:
        super().__init__(
            space,
            condition,
            loss=loss,
            discriminator_steps=discriminator_steps,
            gradient_penalty=gradient_penalty,
            discriminator_normalised=discriminator_normalised,
            **game,
        )
