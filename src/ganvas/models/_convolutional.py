"""GANs of strided convolutions (Radford et al., 2015), whatever the loss."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..core import Space, Tokens
from ..nn.deep import Discriminator, Generator, doubling, initialise
from ._adversarial import Adversarial, refuse_but_images


class Convolutional(Adversarial):
    """Strided convolutions, batch normalisation, ReLU in the generator, leaky ReLU in the
    discriminator.

    Square images of 16 to 256 pixels; a size that is no power of two is cut from the next. With
    labels the generator gets an embedding of y beside the noise, and the discriminator adds
    <embedding(y), features(x)> to its logit (projection; Miyato & Koyama, 2018).

    Arguments:
        latent: Dimensions of the noise that an image is generated from.
        channels: Channels at half the image's resolution; doubled with each halving, up to
            eightfold.
        discriminator_channels: The same of the discriminator; by default as many as the
            generator's.
        discriminator_normalised: Whether it has batch normalisation; better not where gradients are
            penalised.
        conditional: Whether to learn the labels, where the data has them.
        minibatch_std: Give the discriminator's last layer the standard deviation of its units over
            the batch (Karras et al., 2018).
    """

    objective_options = frozenset({"conditional"})

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
        minibatch_std: bool = False,
        **game: Any,
    ) -> None:
        refuse_but_images(space, type(self).__name__.lower())
        condition = condition if conditional else None
        super().__init__(space, condition, latent=latent, **game)
        widths = doubling(space.shape[-1], channels)
        classes = 0 if condition is None else condition.vocabulary
        self.generator = Generator(space.shape, latent, widths[::-1], classes)
        self.discriminator = Discriminator(
            space.shape,
            doubling(space.shape[-1], discriminator_channels or channels),
            classes,
            discriminator_normalised,
            minibatch_std,
            not self.game.unanchored,
        )
        self.apply(initialise)
        self.constrain(self.discriminator)

    def generate(self, z: Tensor, y: Tensor | None) -> Tensor:
        return self.generator(z, y)

    def discriminate(self, x: Tensor, y: Tensor | None) -> Tensor:
        return self.discriminator(x, y)
