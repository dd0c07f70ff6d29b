"""Pix2Pix: image-to-image translation learned from pairs (Isola et al., 2017)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..core import Batch, Defaults, InputError, Space, Turn
from ..nn.losses import discriminator_loss, non_saturating_generator_loss
from ..nn.translation import UNet
from ..runtime.errors import flag
from ._translating import Translating, absolute_error, patch_ordering

DEEPEST = 6  # halvings of the generator


class Pix2Pix(Translating):
    """A conditional GAN with a pixel loss (equation 4 of the paper):

    min over G, max over D of  E log D(y, x) + E log(1 - D(y, G(y))) + pixels E |x - G(y)|_1

    D gives a logit for each patch of an image beside its source; G is a U-Net, so that what need
    not change can pass by. The pixel loss keeps the content, the discriminator makes it look real.

    The two players' losses are those of the paper, G's the non-saturating one; D's is halved
    (section 3.3). Instance normalisation stands for batch normalisation of one image at a time, as
    the paper tests it.

    Arguments:
        pixels: Weight of absolute differences between pixels (lambda).
        channels: Channels of the generator at half resolution (64 in the paper), and of the
            discriminator.
        depth: Halvings of the generator; 0 goes on until 2 pixels a side or less are left, but at
            most six times.
        dropout: Share of the first doublings' outputs that is dropped while it learns (0.5 in the
            paper).
        halvings: Of the discriminator: 3 sees patches of 70 pixels, 2 of 34, 1 of 16; 0 takes what
            fits.

    Example: ganvas train pix2pix sketches/ --to photos/ --out runs/sketches
    """

    defaults = Defaults(
        batch=4,
        epochs=0,
        steps=20_000,
        schedule="linear",
        data_options={"crop": "random", "flip": True, "pairs": True},
    )

    def __init__(
        self,
        space: Space,
        condition: Space | None,
        *,
        pixels: float = 100.0,
        channels: int = 32,
        depth: int = 0,
        dropout: float = 0.5,
        halvings: int = 0,
    ) -> None:
        super().__init__(space, condition, halvings)
        if not 0 <= depth <= 8:
            raise InputError(f"{flag('depth')} is {depth}; it is from 1 to 8, or 0")
        if not 0 <= dropout < 1 or pixels < 0:
            raise InputError(
                f"{flag('dropout')} is {dropout} and {flag('pixels', pixels)}: at least 0 both,"
                " and the first below 1"
            )
        x, y = self.space.shape[0], self.condition.shape[0]
        depth = depth or min(max(min(self.space.shape[1:]).bit_length() - 2, 2), DEEPEST)
        self.hyperparameters["pixels"] = pixels
        self.generator = UNet(y, x, channels, depth, dropout)
        self.discriminator = self.make_discriminator(y + x, channels)
        self.initialise_weights()

    def turns(self, batch: Batch) -> Iterator[Turn]:
        assert batch.y is not None, "a model that translates is given what from"
        x, y = batch.x, batch.y
        made = self.generator(y).tanh()
        beside = torch.cat([torch.cat([y, y]), torch.cat([x, made.detach().to(x.dtype)])], 1)
        real, fake = self.discriminator(beside).float().chunk(2)
        halved = {name: term / 2 for name, term in discriminator_loss(real, fake).items()}
        yield Turn("discriminator", halved, {"ordering": patch_ordering(real, fake)})
        logits = self.discriminator(torch.cat([y, made.to(y.dtype)], 1)).float()
        error = absolute_error(made, x)
        loss = non_saturating_generator_loss(logits)
        loss["pixels"] = self.hyperparameters["pixels"] * error
        yield Turn("generator", loss, {"error": error.detach()})

    def translate(self, x: Tensor, back: bool = False) -> Tensor:
        return self.generator(x).tanh()
