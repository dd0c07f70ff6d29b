"""ESRGAN: denser networks, and a discriminator that compares (Wang et al., 2018)."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..core import Space, adam
from ..nn.losses import Loss
from ._upscaling import Upscaling

SHARE = 0.2  # of residuals (section 3.1 of the paper)


class ESRGAN(Upscaling):
    """SRGAN with residual-in-residual dense blocks and a relativistic discriminator:

    min over D of  E -log sigmoid(D(x) - D(G(low)))
    min over G of  content |f(G(low)) - f(x)|^2 + adversarial E -log sigmoid(D(G(low)) - D(x))
        + absolute |G(low) - x|

    The paper compares each image with the mean of the other kind; here each patch is compared
    with its own counterpart (Jolicoeur-Martineau, 2019, has both). For the rest it departs from the
    paper as SRGAN does, and is as small.

    Arguments:
        channels: Channels between the dense blocks, of which each layer within adds half as many.
        depth: Residual-in-residual blocks, of three dense blocks each.

    Example: ganvas train esrgan photos/ --scale 4 --out runs/esrgan-photos
    """

    players = {**Upscaling.players, "faithful": adam(2e-3)}  # residuals are small at first

    def __init__(
        self,
        space: Space,
        *,
        loss: Loss = "relativistic",
        channels: int = 32,
        depth: int = 3,
        **game: Any,
    ) -> None:
        super().__init__(space, loss=loss, **game)
        self.assemble(channels, lambda: nn.Sequential(*(RRDB(channels) for _ in range(depth))))


class Dense(nn.Module):
    """h + SHARE f(h), with f five convolutions, each on the outputs of all before it (Huang et al.,
    2017)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        grown, convolution = width // 2, partial(nn.Conv2d, kernel_size=3, padding=1)
        self.layers = nn.ModuleList(convolution(width + i * grown, grown) for i in range(4))
        self.last = convolution(width + 4 * grown, width)

    def forward(self, h: Tensor) -> Tensor:
        outputs = [h]
        for layer in self.layers:
            outputs.append(nn.functional.leaky_relu(layer(torch.cat(outputs, 1)), 0.2))
        return h + SHARE * self.last(torch.cat(outputs, 1))


class RRDB(nn.Module):
    """h + SHARE f(h), with f three dense blocks (figure 4 of the paper)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Dense(width) for _ in range(3)))

    def forward(self, h: Tensor) -> Tensor:
        return h + SHARE * (self.blocks(h) - h)
