"""SRGAN: photographs made larger, with detail that looks real (Ledig et al., 2017)."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..core import Space
from ..nn.convolutional import SmallBlock
from ._upscaling import Upscaling


class SRGAN(Upscaling):
    """A residual network is taught by pixels, and then by features and by a discriminator:

    min over G of  content |f(G(low)) - f(x)|^2 + adversarial E[-log D(G(low))] + absolute |G(low) -
    x|

    Pixels alone make all that is uncertain blurred, which is the mean of what may be there; a
    discriminator asks for one of these that could be (section 3 of the paper). low is x,
    bicubically made smaller and rounded to 8 bits, or with `--degrade real` as photographs of the
    world are (Wang et al., 2021).

    Departs from the paper to be fast on a processor: narrower, without batch normalisation (Lim et
    al., 2017, EDSR), the bicubic enlargement added at the end, pixels out of channels in one step
    at the very end; the discriminator judges patches, nothing normalised. Features are learned from
    the same images in the warm-up, where the paper has a VGG that learned ImageNet. Both results
    and all between can be had: `upscale --fidelity`.

    Arguments:
        channels: Channels of the residual blocks.
        depth: How many of these there are.

    Example: ganvas train srgan photos/ --scale 4 --out runs/srgan-photos
    """

    def __init__(
        self,
        space: Space,
        *,
        channels: int = 48,
        depth: int = 10,
        **game: Any,
    ) -> None:
        super().__init__(space, **game)
        self.assemble(
            channels, lambda: nn.Sequential(*(SmallBlock(channels) for _ in range(depth)))
        )
