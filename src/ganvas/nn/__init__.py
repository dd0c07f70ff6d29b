"""Networks that fit a space: convolutions on grids, perceptrons on everything else."""

from __future__ import annotations

from math import prod
from typing import Literal

from torch import nn

from ..core import Continuous, Mixed, Space
from .convolutional import ConvolutionalDecoder, ConvolutionalEncoder
from .discriminator import FEATURES, FeatureDiscriminator
from .latent import standard_normal
from .perceptron import PerceptronDecoder, PerceptronEncoder, WithScale, perceptron

__all__ = [
    "FeatureDiscriminator",
    "Network",
    "decoder",
    "discriminator",
    "encoder",
    "perceptron",
    "standard_normal",
]

Network = Literal["fitting", "perceptron", "convolutional"]


def encoder(
    space: Space, out: int, network: Network = "fitting", width: int = 0, depth: int = 0
) -> nn.Module:
    """Maps examples (B, *space.shape) to vectors (B, out).

    network: Kind of network; `fitting` takes convolutions for images and clips and a perceptron
        for the rest.
    width: Units of a layer, or channels at half resolution; 0 for 512 units or 32 channels.
    depth: Hidden layers, or layers at each resolution (all but one residual blocks); 0 for 2 hidden
        layers or 1.
    """
    if _is_convolutional(space, network):
        body = ConvolutionalEncoder(_image_shape(space), out, width or 32, depth or 1)
        return nn.Sequential(nn.Flatten(1, -3), body) if len(space.shape) > 3 else body
    return PerceptronEncoder(space, out, width or 512, depth or 2)


def decoder(
    space: Space, into: int, network: Network = "fitting", width: int = 0, depth: int = 0
) -> nn.Module:
    """Maps vectors (B, into) to raw output (B, *space.raw); other arguments as for `encoder`."""
    body: nn.Module
    if _is_convolutional(space, network):
        body = ConvolutionalDecoder(_image_shape(space), into, width or 32, depth or 1)
        if len(space.shape) > 3:
            body = nn.Sequential(body, nn.Unflatten(1, space.shape[:-2]))
    else:
        body = PerceptronDecoder(space, into, width or 512, depth or 2)
    if isinstance(space, Continuous) and space.scaled:
        return WithScale(body, space.shape)
    if isinstance(space, Mixed) and space.scales:
        return WithScale(body, (space.scales,))
    return body


def discriminator(
    space: Space, network: Network = "fitting", width: int = 0, depth: int = 0
) -> FeatureDiscriminator:
    """A discriminator whose features can be compared; the arguments are those of `encoder`."""
    return FeatureDiscriminator(encoder(space, FEATURES, network, width, depth))


def _is_convolutional(space: Space, network: Network) -> bool:
    return network != "perceptron" and isinstance(space, Continuous) and len(space.shape) >= 3


def _image_shape(space: Space) -> tuple[int, ...]:
    """(C, H, W) of an image; the frames of a clip are channels of one, so that convolutions see
    all of them at once."""
    *channels, height, width = space.shape
    return prod(channels), height, width
