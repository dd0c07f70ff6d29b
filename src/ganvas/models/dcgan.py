"""Deep convolutional GAN: the first architecture that made pictures reliably (Radford et al., 2015)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ..core import Continuous, InputError, Space, Tokens
from ..nets.convolutional import Crop
from ..nets.strided import Double, Halve
from ._adversarial import Adversarial, Loss


class DCGAN(Adversarial):
    """Strided convolutions, batch normalisation, ReLU in the generator, leaky ReLU in the discriminator.

    Weights start from N(0, 0.02) and Adam runs with rate 2e-4 and first decay 0.5 (section 4 of the paper).
    With 64 channels and 64-pixel pictures these are the networks of figure 1 at half their width. Pictures
    of 16 to 256 pixels; a size that is no power of two is cut from the next.

    With labels the generator gets an embedding of y beside the noise, and the discriminator adds
    <embedding(y), features(x)> to its logit (projection; Miyato & Koyama, 2018).

    Arguments:
        latent: Dimensions of the noise a picture is made from.
        channels: Channels at half the picture's resolution; doubled with each halving, up to eightfold.
        conditional: Whether to learn the labels, where the data has them.
        loss: What the generator minimises; `minimax` is the game's value, `non-saturating` learns faster.
        discriminator_steps: Rounds the discriminator plays for each one of the generator's (k in algorithm 1).

    Example: ganvas train dcgan photos/ --size 64 --out runs/dcgan-photos
    """

    def __init__(
        self,
        space: Space,
        condition: Tokens | None = None,
        *,
        latent: int = 100,
        channels: int = 64,
        conditional: bool = True,
        loss: Loss = "non-saturating",
        discriminator_steps: int = 1,
    ) -> None:
        if not isinstance(space, Continuous) or len(space.shape) != 3 or not 16 <= space.shape[-1] <= 256:
            raise InputError(f"dcgan makes pictures of 16 to 256 pixels, not {space}; choose another --size or model")
        condition = condition if conditional else None
        super().__init__(space, condition, latent=latent, loss=loss, discriminator_steps=discriminator_steps)
        widths = _widths(space.shape[-1], channels)
        classes = 0 if condition is None else condition.vocabulary
        self.generator = Generator(space.shape, latent, widths[::-1], classes)
        self.discriminator = Discriminator(space.shape, widths, classes)
        self.apply(_initialise)

    def generate(self, z: Tensor, y: Tensor | None) -> Tensor:
        return self.generator(z, y)

    def discriminate(self, x: Tensor, y: Tensor | None) -> Tensor:
        return self.discriminator(x, y)


class Generator(nn.Module):
    """Noise (B, latent) and labels (B,) to raw pictures (B, C, S, S), from 4 x 4 up by transposed convolutions."""

    def __init__(self, shape: tuple[int, ...], latent: int, widths: list[int], classes: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(classes, latent) if classes else None
        layers: list[nn.Module] = [nn.ConvTranspose2d(latent * (2 if classes else 1), widths[0], 4, bias=False)]
        for a, b in pairwise(widths):
            layers += [nn.BatchNorm2d(a), nn.ReLU(True), Double(a, b, bias=False)]
        layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU(True), Double(widths[-1], shape[0])]
        self.layers = nn.Sequential(*layers, Crop(*shape[1:]))

    def forward(self, z: Tensor, y: Tensor | None) -> Tensor:
        joined = z if self.embed is None else torch.cat([z, self.embed(y)], 1)
        return self.layers(joined[:, :, None, None])


class Discriminator(nn.Module):
    """Pictures (B, C, S, S) and labels (B,) to logits (B,), halved by strided convolutions."""

    def __init__(self, shape: tuple[int, ...], widths: list[int], classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [Halve(shape[0], widths[0]), nn.LeakyReLU(0.2, True)]
        for a, b in pairwise(widths):
            layers += [Halve(a, b, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2, True)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Conv2d(widths[-1], 1, shape[-1] >> len(widths))
        self.embed = nn.Embedding(classes, widths[-1]) if classes else None

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        features = self.layers(x)
        logit = self.head(features).flatten()
        return logit if self.embed is None else logit + (self.embed(y) * features.sum((2, 3))).sum(1)


def _widths(size: int, channels: int) -> list[int]:
    """Channels at each halving of the picture, down to 4 x 4."""
    return [channels * min(2**level, 8) for level in range((size - 1).bit_length() - 2)]


def _initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), gains from N(1, 0.02)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | Halve | Double | nn.Embedding):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
