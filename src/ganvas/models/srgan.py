"""SRGAN: photo-realistic super-resolution (Ledig et al., 2017)."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..core import Space
from ..nn.convolutional import SmallBlock
from ._upscaling import Upscaling


class SRGAN(Upscaling):
    """A residual network learns with a pixel loss, then with a perceptual and an adversarial one:

    min over G of  content |f(G(low)) - f(x)|^2 + adversarial E[-log D(G(low))]
        + absolute |G(low) - x|

    A pixel loss alone blurs all that is uncertain, for the mean of the possible images is best; a
    discriminator asks for one that is possible (section 3 of the paper). low is x, bicubically
    downscaled and rounded to 8 bits, or with `--degrade real` degraded as photographs of the world
    are (Wang et al., 2021).

    Departs from the paper to be fast on a CPU: narrower, without batch normalisation (Lim et al.,
    2017, EDSR), the bicubic enlargement added at the end, one sub-pixel layer at the very end; the
    discriminator has no normalisation and a logit for each patch. Features are learned from the
    same images in the warm-up, where the paper has a VGG trained on ImageNet. Both results and all
    between are available: `upscale --fidelity`.

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
