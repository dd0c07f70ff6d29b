"""SRGAN: photographs made larger, with detail that looks real (Ledig et al., 2017)."""

from __future__ import annotations

from torch import nn

from ..core import Space
from ..damage import Lowering
from ..losses import Loss
from ..nets.convolutional import SmallBlock
from ._upscaling import Raising, Scale, Upscaling

WIDTHS = (32, 64, 128)  # channels of the discriminator at a half, a quarter, an eighth


class SRGAN(Upscaling):
    """A residual network is taught by pixels, and then by features and by a discriminator:

    min over G of  content |f(G(low)) - f(x)|^2 + adversarial E[-log D(G(low))] + absolute |G(low) - x|

    Pixels alone make all that is uncertain blurred, which is the mean of what may be there; a discriminator asks for
    one of these that could be (section 3 of the paper). low is x, bicubically made smaller and rounded to 8 bits, or
    with `--degrade real` as photographs of the world are (Wang et al., 2021).

    Departs from the paper to be fast on a processor: narrower, without batch normalisation (Lim et al., 2017, EDSR),
    the bicubic enlargement added at the end, pixels out of channels in one step at the very end; the discriminator
    judges patches, nothing normalised. Features are learned from the same pictures in the warm-up, where
    the paper has a VGG that learned ImageNet. Both results and all between can be had: `upscale --fidelity`.

    Arguments:
        scale: How many times as many pixels a side: 2, 4 or 8.
        degrade: How pictures were made smaller: `bicubic`, or `real` for blur, noise and JPEG, twice over.
        warmup: Rounds in which pixels alone are learned, and features; half of a training is a good share.
        loss: What the players minimise afterwards.
        content: Weight of the distance between features...
        adversarial: ...of what the discriminator says...
        absolute: ...and of the absolute error of pixels, in the game.
        channels: Channels of the residual blocks.
        depth: How many of these there are.

    Example: ganvas train srgan photos/ --scale 4 --out runs/srgan-photos
    """

    def __init__(
        self,
        space: Space,
        *,
        scale: Scale = 4,
        degrade: Lowering = "bicubic",
        warmup: int = 10_000,
        loss: Loss = "non-saturating",
        content: float = 10.0,
        adversarial: float = 0.02,
        absolute: float = 0.3,
        channels: int = 48,
        depth: int = 10,
    ) -> None:
        weights = {"content": content, "adversarial": adversarial, "absolute": absolute}
        super().__init__(space, scale=scale, degrade=degrade, warmup=warmup, loss=loss, weights=weights)

        def network() -> nn.Module:
            body = nn.Sequential(*(SmallBlock(channels) for _ in range(depth)))
            return Raising(self.space.shape[0], channels, scale, body)

        self.assemble(network(), network(), WIDTHS)
