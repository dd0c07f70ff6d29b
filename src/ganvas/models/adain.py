"""AdaIN: style transfer by the moments of features (Huang & Belongie, 2017)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..abilities import Stylises
from ..core import Batch, Continuous, Defaults, InputError, Model, Space, Turn, adam
from ..core.images import mirror_to_multiple
from ..nn.perception import Perception
from ..runtime.errors import flag

EPSILON = 1e-5


class AdaIN(Model, Stylises):
    """A decoder g of features f of one image that were given the moments of another's:

    AdaIN(h, k) = sigma(k) (h - mu(h)) / sigma(h) + mu(k)    (equation 8 of the paper)
    t = AdaIN(f(y), f(x)),   x' = g(t)
    min over g of   |f(x') - t|^2
        + style sum_i (|mu(f_i(x')) - mu(f_i(x))|^2 + |sigma(f_i(x')) - sigma(f_i(x))|^2)

    where mu and sigma are the mean and the deviation of each channel over all places: the content
    of y stays, its colours and textures become those of x, any image of the second domain. No style
    is memorised, so that unseen ones work too.

    Departs from the paper in f: three resolutions, learned from the images of both domains in the
    first steps and fixed from then on, where the paper has a VGG trained on ImageNet; as these have
    no scale of their own, the terms of each resolution are divided by the variance of the style's
    features there. g learns nothing before.

    Arguments:
        style: Weight of the moments' differences, beside the content loss.
        warmup: Steps in which features are learned; the decoder learns in the rest.
        channels: Of the features at full resolution; they double with each halving.

    Example: ganvas train adain photos/ --to paintings/ --out runs/paintings
    """

    players = {"perception": adam(1e-3), "decoder": adam(1e-3)}
    defaults = Defaults(
        batch=8,
        epochs=0,
        steps=8000,
        schedule="linear",
        data_options={"crop": "random", "flip": True},
    )

    space: Continuous
    condition: Continuous

    def __init__(
        self,
        space: Space,
        condition: Space | None,
        *,
        style: float = 1.0,
        warmup: int = 500,
        channels: int = 16,
    ) -> None:
        if not isinstance(space, Continuous) or len(space.shape) != 3:
            raise InputError(
                "adain turns images into images; choose another model for everything else"
            )
        if not isinstance(condition, Continuous):
            raise InputError(
                "adain gives images of one folder the style of another's; name the other with"
                f" {flag('to')}"
            )
        if condition.shape[0] != space.shape[0]:
            raise InputError(
                "adain needs both folders in colour, or both grey; convert the images of one"
            )
        if min(warmup, channels) < 1 or style < 0:
            raise InputError(
                f"{flag('warmup', warmup)} {flag('channels', channels)} {flag('style', style)}: at"
                " least 1, 1 and 0"
            )
        super().__init__(space)
        self.space, self.condition, self.warmup = space, condition, warmup
        self.hyperparameters["style"] = style
        self.perception = Perception(space.shape[0], channels)
        self.decoder = Decoder(space.shape[0], channels)

    def turns(self, batch: Batch) -> Iterator[Turn]:
        x, y = batch.x, batch.y
        assert y is not None, "style transfer needs content images"
        if self.step <= self.warmup:
            yield Turn("perception", self.perception.loss(torch.cat([x, y])))
            return
        with torch.no_grad():
            theirs = self.perception.features(mirror_to_multiple(x, 4))
            wanted = transfer_moments(
                self.perception.features(mirror_to_multiple(y, 4))[-1], theirs[-1]
            )
        ours = self.perception.features(self.decoder(wanted.to(x.dtype)).tanh())
        style = torch.stack(
            [_moments_distance(a, b) for a, b in zip(ours, theirs, strict=True)]
        ).sum()
        content = F.mse_loss(ours[-1].float(), wanted) / _variance(theirs[-1])
        yield Turn("decoder", {"content": content, "style": self.hyperparameters["style"] * style})

    def stylise(self, x: Tensor, style: Tensor, strength: float = 1.0) -> Tensor:
        height, width = x.shape[2:]
        h, k = (self.perception.features(mirror_to_multiple(part, 4))[-1] for part in (x, style))
        mixed = torch.lerp(h.float(), transfer_moments(h, k), strength)
        return self.decoder(mixed.to(h.dtype)).tanh()[:, :, :height, :width]


class Decoder(nn.Module):
    """Features (B, 4 width, H, W) to raw images (B, C, 4 H, 4 W): `Perception` backwards, without
    normalisation, which would remove styles. Upsampling repeats pixels, and padding edges."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        a, b, c = (width * 2**level for level in range(3))
        twice = nn.Upsample(scale_factor=2)
        self.layers = nn.Sequential(
            _convolution(c, b),
            nn.ReLU(),
            twice,
            _convolution(b, b),
            nn.ReLU(),
            _convolution(b, a),
            nn.ReLU(),
            twice,
            _convolution(a, a),
            nn.ReLU(),
            _convolution(a, channels),
        )

    def forward(self, h: Tensor) -> Tensor:
        return self.layers(h)


def _convolution(a: int, b: int) -> nn.Conv2d:
    return nn.Conv2d(a, b, 3, 1, 1, padding_mode="replicate")


def moments(h: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel of features (B, D, H, W) over all places, (B, D, 1, 1),
    float32."""
    variance, mean = torch.var_mean(h.float(), (2, 3), correction=0, keepdim=True)
    return mean, (variance + EPSILON).sqrt()


def transfer_moments(h: Tensor, k: Tensor) -> Tensor:
    """Features h (B, D, H, W) with the moments of features k, float32."""
    (mean, deviation), (wanted, spread) = moments(h), moments(k)
    return spread * (h - mean) / deviation + wanted


def _moments_distance(a: Tensor, b: Tensor) -> Tensor:
    """Squared differences of moments of features a and b, on average over channels, in units of
    b's variance."""
    pairs = zip(moments(a), moments(b), strict=True)
    terms = [F.mse_loss(ours, theirs) for ours, theirs in pairs]
    return torch.stack(terms).sum() / _variance(b)


def _variance(h: Tensor) -> Tensor:
    """Variance of features, on average: learned ones have no scale of their own."""
    return moments(h)[1].square().mean()
