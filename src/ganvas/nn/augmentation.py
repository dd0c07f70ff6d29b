"""Augmentation of what discriminators see, for few images (Karras et al., 2020; Zhao et al., 2020).

Real and generated images go through the same random transformations on their way to the
discriminator, and gradients come back through them. The generator does not learn to generate
transformed images while each transformation leaves enough images alone: one that is carried out
with probability p and then takes any element of a group maps distributions by (1 - p) I + p P,
where P, the mean over the group, is a projection; the eigenvalues are 1 and 1 - p, so that for
p < 1 only equal distributions look equal (Karras et al., 2020, section 2.2 and appendix C).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log, pi

import torch
from torch import Tensor, nn

from ..core import InputError
from .warping import Beyond, product, recolour, warp

Probability = float | Tensor
Transformation = Callable[[Tensor, Probability], Tensor]
"""Of images (B, C, H, W) and p to matrices (B, n, n), which are the identity where it is not
carried out.

Geometric ones say where each pixel comes from (n = 3, see `warp`), others what becomes of a colour
(n = C + 1).
"""


@dataclass(frozen=True)
class Policy:
    """Which transformations, in which order.

    colour: Of colours.
    geometric: Of places; all of them together are one resampling.
    beyond: What lies beyond an image's edges.
    cutout: Whether to blank a rectangle of half the width and half the height, somewhere.
    """

    colour: tuple[Transformation, ...] = ()
    geometric: tuple[Transformation, ...] = ()
    beyond: Beyond = "reflection"
    cutout: bool = False


class Augmentation(nn.Module):
    """Images (B, C, H, W) in [-1, 1], of any C, to the same images transformed, float32 at least.

    Each transformation is carried out on each image with probability p. Colours may leave
    [-1, 1].

    policy: Which transformations; of Karras et al. by default, of Zhao et al. with
        `DIFFERENTIABLE`.
    """

    def __init__(self, policy: Policy | None = None) -> None:
        super().__init__()
        self.policy = policy or BLIT_GEOMETRY_COLOUR

    def forward(self, x: Tensor, p: Probability) -> Tensor:
        if not isinstance(p, Tensor) and not 0 <= p <= 1:
            raise InputError(
                f"a transformation cannot have the probability {p:g}; choose one from 0 to 1"
            )
        if (not isinstance(p, Tensor) or p.device.type == "cpu") and p == 0:
            return x
        x, policy = x.to(torch.promote_types(x.dtype, torch.float32)), self.policy
        if policy.colour:
            x = recolour(x, _compose(policy.colour, x, p))
        if policy.geometric:
            x = warp(x, _compose(policy.geometric, x, p), policy.beyond)
        return cutout(x, p) if policy.cutout else x


class Adaptive(nn.Module):
    """The probability p of augmentation, by how much better than chance a discriminator knows its
    images.

    r = 2 share - 1, where the share is of pairs (real, made) whose logits are in the right order,
    so that it fits losses whose logits have no zero. For normal logits r is 0.77 where E sign D(x),
    equation 1 of Karras et al. (2020), is the 0.6 that they aim at. Every `every` steps p rises
    where the mean r lies above the target, and falls where it lies below.

    target: The r to keep.
    images: Real images in which p can go from 0 to 1.
    every: Steps between changes of p.
    most: Where p ends; transformed images leak into the generated ones as p comes close to 1
        (section 2.2).
    """

    state: Tensor
    """p, the sum of shares since its last change, and the steps since then."""

    def __init__(
        self, target: float = 0.77, images: int = 500_000, every: int = 4, most: float = 0.8
    ) -> None:
        super().__init__()
        self.target, self.images, self.every, self.most = target, images, every, most
        self.register_buffer("state", torch.zeros(3))

    @property
    def p(self) -> Tensor:
        return self.state[0].clone()

    @torch.no_grad()
    def step(self, share: Probability, batch: int) -> Tensor:
        """The p to go on with, after a step of so many real images; in evaluation mode p stays."""
        if self.training:
            p, shares, steps = self.state[0], self.state[1] + share, self.state[2] + 1
            due = steps >= self.every
            excess = 2 * shares / steps - 1 - self.target
            moved = (p + excess.sign() * (self.every * batch / self.images)).clamp(0, self.most)
            self.state.copy_(torch.stack([torch.where(due, moved, p), shares * ~due, steps * ~due]))
        return self.p


def flip(x: Tensor, p: Probability) -> Tensor:
    """Left and right exchanged, or not: each half of the time."""
    return _linear(1 - 2 * _apply_at_random(_choice(x, 2), p), 0.0, 0.0, 1.0)


def quarter_turns(x: Tensor, p: Probability) -> Tensor:
    """By 0, 90, 180 or 270 degrees; images that are not square by 0 or 180."""
    turns = _choice(x, 4) if x.shape[2] == x.shape[3] else 2 * _choice(x, 2)
    angle = pi / 2 * _apply_at_random(turns, p)
    cosine, sine = angle.cos().round(), angle.sin().round()
    return _linear(cosine, -sine, sine, cosine)


def whole_shift(x: Tensor, p: Probability) -> Tensor:
    """By whole pixels, up to an eighth of the image to each side."""
    shares = torch.stack([_uniform(x, 1 / 8), _uniform(x, 1 / 8)])
    return _shift(x, _apply_at_random(shares, p), whole=True)


def scaling(x: Tensor, p: Probability) -> Tensor:
    """By exp N(0, (0.2 ln 2)^2)."""
    scale = _apply_at_random(_normal(x, 0.2 * log(2)), p).exp()
    return _linear(scale, 0.0, 0.0, scale)


def rotation(x: Tensor, p: Probability) -> Tensor:
    """By any angle, before or after `stretching`: the two together are carried out with probability
    p."""
    angle = _apply_at_random(_uniform(x, pi), 1 - (1 - p) ** 0.5)
    return _linear(angle.cos(), -angle.sin(), angle.sin(), angle.cos())


def stretching(x: Tensor, p: Probability) -> Tensor:
    """Wider by exp N(0, (0.2 ln 2)^2), and lower by as much."""
    scale = _apply_at_random(_normal(x, 0.2 * log(2)), p).exp()
    return _linear(scale, 0.0, 0.0, 1 / scale)


def shift(x: Tensor, p: Probability) -> Tensor:
    """By N(0, (1/8)^2) of the image in each direction."""
    shares = torch.stack([_normal(x, 1 / 8), _normal(x, 1 / 8)])
    return _shift(x, _apply_at_random(shares, p), whole=False)


def brightness(x: Tensor, p: Probability) -> Tensor:
    """N(0, 0.2^2) added."""
    return _colour(x, offset=_apply_at_random(_normal(x, 0.2), p))


def contrast(x: Tensor, p: Probability) -> Tensor:
    """Multiplied by exp N(0, (0.5 ln 2)^2)."""
    return _colour(x, own=_apply_at_random(_normal(x, 0.5 * log(2)), p).exp())


def luma_flip(x: Tensor, p: Probability) -> Tensor:
    """Dark and bright exchanged at the same hue and saturation, or not: each half of the time."""
    return _colour(x, luma=-2 * _apply_at_random(_choice(x, 2), p))


def hue(x: Tensor, p: Probability) -> Tensor:
    """Colours turned about the axis of greys by any angle; RGB alone."""
    if x.shape[1] != 3:
        return _colour(x)
    angle = _apply_at_random(_uniform(x, pi), p)
    return _colour(x, own=angle.cos(), luma=1 - angle.cos(), turn=angle.sin())


def saturation(x: Tensor, p: Probability) -> Tensor:
    """The distance from grey multiplied by exp N(0, (ln 2)^2); RGB alone."""
    return _scale_saturation(x, _apply_at_random(_normal(x, log(2)), p).exp())


def uniform_brightness(x: Tensor, p: Probability) -> Tensor:
    """Up to 0.5 added or taken away."""
    return _colour(x, offset=_apply_at_random(_uniform(x, 0.5), p))


def uniform_saturation(x: Tensor, p: Probability) -> Tensor:
    """The distance from grey multiplied by 0 to 2; RGB alone."""
    return _scale_saturation(x, 1 + _apply_at_random(_uniform(x, 1.0), p))


def uniform_contrast(x: Tensor, p: Probability) -> Tensor:
    """The distance from the image's mean multiplied by 0.5 to 1.5; to be applied before that mean
    changes."""
    factor = 1 + _apply_at_random(_uniform(x, 0.5), p)
    return _colour(x, own=factor, offset=(1 - factor) * x.flatten(1).mean(1))


def cutout(x: Tensor, p: Probability) -> Tensor:
    """Grey in a rectangle of half the width and half the height whose middle is anywhere in the
    image."""
    blank = _apply_at_random(torch.ones(len(x), device=x.device), p).bool()[:, None, None]
    rows, columns = (_half(x, size) for size in x.shape[2:])
    return x.masked_fill((blank & rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1), 0.0)


BLIT_GEOMETRY_COLOUR = Policy(
    colour=(brightness, contrast, luma_flip, hue, saturation),
    geometric=(flip, quarter_turns, whole_shift, scaling, rotation, stretching, rotation, shift),
)
"""Pixel blitting, general geometry and colour: the paper's "bgc" (Karras et al., 2020, figure 4).

The paper's antialiasing is left out: scales are mild, and real and generated images are resampled
alike.
"""

DIFFERENTIABLE = Policy(
    colour=(uniform_contrast, uniform_brightness, uniform_saturation),
    geometric=(whole_shift,),
    beyond="zeros",
    cutout=True,
)
"""Colour, translation by an eighth and cutout of a half, with p = 1 (Zhao et al., 2020, 3.2)."""


def _compose(transformations: tuple[Transformation, ...], x: Tensor, p: Probability) -> Tensor:
    """The matrices of transformations one after the other, of places or of colours."""
    first, *others = (transformation(x, p) for transformation in transformations)
    for following in others:
        first = product(first, following)
    return first


def _apply_at_random(values: Tensor, p: Probability) -> Tensor:
    """Values (..., B), each kept with probability p, else 0, which changes nothing."""
    return values * (torch.rand(values.shape[-1], device=values.device) < p)


def _choice(x: Tensor, n: int) -> Tensor:
    return torch.randint(n, (len(x),), device=x.device).to(x.dtype)


def _uniform(x: Tensor, most: float) -> Tensor:
    return ((2 * torch.rand(len(x), device=x.device) - 1) * most).to(x.dtype)


def _normal(x: Tensor, deviation: float) -> Tensor:
    return (deviation * torch.randn(len(x), device=x.device)).to(x.dtype)


def _half(x: Tensor, size: int) -> Tensor:
    """Which of `size` rows or columns lie in a window of half of them around a random one, (B,
    size)."""
    middle = size * torch.rand(len(x), 1, device=x.device)
    return (torch.arange(size, device=x.device) + 0.5 - middle).abs() < size / 4


def _linear(a: Tensor, b: Tensor | float, c: Tensor | float, d: Tensor | float) -> Tensor:
    """Matrices (B, 3, 3) of (u, v) -> (a u + b v, c u + d v)."""
    matrices = torch.zeros(len(a), 3, 3, device=a.device, dtype=a.dtype)
    matrices[:, 0, 0], matrices[:, 0, 1] = a, b
    matrices[:, 1, 0], matrices[:, 1, 1] = c, d
    matrices[:, 2, 2] = 1.0
    return matrices


def _shift(x: Tensor, shares: Tensor, whole: bool) -> Tensor:
    """Matrices (B, 3, 3) of a shift by shares (2, B) of the width and of the height."""
    pixels = torch.stack([shares[0] * x.shape[3], shares[1] * x.shape[2]], 1)
    matrices = torch.eye(3, device=x.device, dtype=x.dtype).repeat(len(x), 1, 1)
    matrices[:, :2, 2] = pixels.round() if whole else pixels
    return matrices


def _scale_saturation(x: Tensor, factor: Tensor) -> Tensor:
    return _colour(x, own=factor, luma=1 - factor) if x.shape[1] == 3 else _colour(x)


def _colour(
    x: Tensor,
    own: Tensor | float = 1.0,
    luma: Tensor | float = 0.0,
    turn: Tensor | float = 0.0,
    offset: Tensor | float = 0.0,
) -> Tensor:
    """Matrices (B, C + 1, C + 1) of a map of colours c:

    c -> own c + luma mean(c) + turn (1, 1, 1) x c / sqrt(3) + offset
    """
    channels = x.shape[1]
    eye = torch.eye(channels, device=x.device, dtype=x.dtype)
    around = (eye.roll(-1, 0) - eye.roll(1, 0)) / 3**0.5
    linear = _each(x, own) * eye + _each(x, luma) / channels
    matrices = torch.eye(channels + 1, device=x.device, dtype=x.dtype).repeat(len(x), 1, 1)
    matrices[:, :channels, :channels] = linear + _each(x, turn) * around
    matrices[:, :channels, channels] = _each(x, offset).squeeze(2)
    return matrices


def _each(x: Tensor, value: Tensor | float) -> Tensor:
    """One number for each image, (B, 1, 1)."""
    return torch.as_tensor(value, device=x.device, dtype=x.dtype).expand(len(x)).view(-1, 1, 1)
