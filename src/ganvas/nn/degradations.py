"""Degradations of examples that models are trained to undo: noise, masking, JPEG, blur."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..core import Continuous, InputError, Mixed, Space
from ..core.images import downscale, resize
from ..runtime.errors import flag

Kind = Literal["none", "gaussian", "salt-and-pepper", "masking", "jpeg", "mixed"]
Downscaling = Literal["bicubic", "real"]
KINDS: tuple[Kind, ...] = ("gaussian", "salt-and-pepper", "masking", "jpeg")


@dataclass(frozen=True)
class Degradation:
    """Degrades examples x, (B, ...) in [-1, 1], by torch's random numbers: the shape stays.

    - `gaussian`: x + s e, e ~ N(0, 1)
    - `salt-and-pepper`: a share s of the values is 1 or -1
    - `masking`: a share s of the pixels is missing: 0 in all channels; if blind, black, grey or
      white
    - `jpeg`: compressed with quality 100 (1 - s)^4 (0.05: 81, 0.3: 24, 0.44: 10), and opened again
    - `mixed`: one of these, drawn for every example

    blind: Every example has a strength of its own, from 0 to `strength`.
    """

    kind: Kind
    strength: float
    blind: bool

    def fit(self, space: Space) -> None:
        """Raises InputError where examples of this space cannot be degraded so, or the strength is
        out of range."""
        if self.kind == "none":
            return
        if not isinstance(space, Continuous | Mixed):
            raise InputError(
                f"corruption {self.kind!r} is for what has numbers; leave out {flag('corrupt')}"
            )
        if self.kind in ("jpeg", "mixed") and (
            len(space.shape) != 3 or space.shape[0] not in (1, 3)
        ):
            raise InputError(
                f"corruption {self.kind!r} is for images, grey or in colour; choose another"
                f" {flag('corrupt')}"
            )
        if self.strength <= 0 or (self.strength > 1 and self.kind != "gaussian"):
            raise InputError(
                f"{flag('strength')} is {self.strength}; it must be above 0, and 1 at most where"
                " it is a share"
            )

    def __call__(self, x: Tensor, space: Space | None = None) -> Tensor:
        """Degraded examples; of rows, whose space is to be given, a share s of the categories is
        that of other rows."""
        if self.kind == "none":
            return x
        y = self._degrade_values(x)
        return space.swap_categories(x, y, self.strength) if isinstance(space, Mixed) else y

    def _degrade_values(self, x: Tensor) -> Tensor:
        """Examples with all values degraded as if they were numbers."""
        if self.blind:
            s = torch.rand(len(x), device=x.device) * self.strength
        else:
            s = x.new_full((len(x),), self.strength)
        s = s.to(x.dtype).view(-1, *[1] * (x.ndim - 1))
        if self.kind != "mixed":
            return self._degrade(self.kind, x, s)
        chosen, y = torch.randint(len(KINDS), (len(x),), device=x.device), x.clone()
        for number, kind in enumerate(KINDS):
            rows = (chosen == number).nonzero().squeeze(1)
            if len(rows):
                y[rows] = self._degrade(kind, x[rows], s[rows])
        return y

    def _degrade(self, kind: Kind, x: Tensor, s: Tensor) -> Tensor:
        """Examples degraded in one way, with strengths s, (B, 1, ...)."""
        if kind == "gaussian":
            return x + s * torch.randn_like(x)
        if kind == "salt-and-pepper":
            return torch.where(torch.rand_like(x) < s, torch.randn_like(x).sign(), x)
        if kind == "masking":
            lost = torch.rand_like(x[:, :1] if x.ndim > 2 else x) < s
            value = torch.randint_like(s, -1, 2) if self.blind else torch.zeros_like(s)
            return torch.where(lost, value, x)
        qualities = (100 * (1 - s.flatten()) ** 4).round().clamp(min=1).int().tolist()
        return _compress_each(x, qualities)


def _compress_each(x: Tensor, qualities: Sequence[int]) -> Tensor:
    """Images (B, C, H, W), each as a JPEG file of its own quality gives it back."""
    pairs = zip(x, qualities, strict=True)
    return torch.stack([_compress(image, quality) for image, quality in pairs])


def _compress(x: Tensor, quality: int) -> Tensor:
    """An image (C, H, W) in [-1, 1] as a JPEG file gives it back."""
    levels = x.add(1).mul(127.5).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    file = BytesIO()
    image = Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)
    image.save(file, "JPEG", quality=quality)
    back = np.array(Image.open(file)).reshape(levels.shape)
    return torch.from_numpy(back).permute(2, 0, 1).to(x).div(127.5).sub(1)


@dataclass(frozen=True)
class LowResolution:
    """Makes images x, (B, C, H, W) in [-1, 1], smaller by a factor.

    - `bicubic`: resized, nothing else
    - `real`: blurred, resized, noisy, through JPEG, and all that twice, as photographs that were
      passed on many times (Wang et al., 2021, Real-ESRGAN, section 3; without its sinc filters)

    By torch's random numbers; in `real`, every image has a blur, a noise and a JPEG quality of its
    own, and all of a batch have the same sizes on the way.
    """

    kind: Downscaling
    scale: int

    def fit(self, space: Continuous) -> None:
        """Raises InputError where images of this space cannot be degraded so."""
        if self.kind not in get_args(Downscaling):
            raise InputError(
                f"{flag('degrade')} is one of {', '.join(get_args(Downscaling))}, not {self.kind!r}"
            )
        if self.kind == "real" and space.shape[0] not in (1, 3):
            raise InputError(
                f"{flag('degrade', 'real')} is for images, grey or in colour; leave it out"
            )

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, H / scale, W / scale), of 8 bits."""
        if self.kind == "bicubic":
            return downscale(x, self.scale)
        size = x.shape[2] // self.scale, x.shape[3] // self.scale
        y = _add_noise(_resize_at_random(blur(x, 0.2, 3.0), x.shape[2:], 0.15, 1.5), 30)
        y = _compress_at_random(y, 30, 95)
        y = blur(y, 0.2, 1.5) if torch.rand(()) < 0.8 else y
        y = _add_noise(_resize_at_random(y, size, 0.3, 1.2), 25)
        return _compress_at_random(resize(y, *size), 30, 95)


def blur(x: Tensor, least: float, most: float) -> Tensor:
    """Images (B, C, H, W), each blurred by a Gaussian of its own, turned by any angle.

    least, most: Of its standard deviation along either axis, in pixels.
    """
    n, channels = x.shape[:2]
    a, b = least + (most - least) * torch.rand(2, n, 1, 1, device=x.device)
    angle = torch.pi * torch.rand(n, 1, 1, device=x.device)
    reach = int(3 * most)
    place = torch.arange(-reach, reach + 1, device=x.device, dtype=torch.float32)
    down, right = place[:, None], place
    along = right * angle.cos() + down * angle.sin()
    across = down * angle.cos() - right * angle.sin()
    kernel = (-((along / a).square() + (across / b).square()) / 2).exp()
    kernel = (kernel / kernel.sum((1, 2), keepdim=True)).repeat_interleave(channels, 0).unsqueeze(1)
    grown = F.pad(x.float(), [reach] * 4, mode="replicate").flatten(0, 1)
    return F.conv2d(grown.unsqueeze(0), kernel, groups=n * channels).view_as(x).to(x.dtype)


def _resize_at_random(x: Tensor, size: Sequence[int], least: float, most: float) -> Tensor:
    """Images of a random share of the given size, resized in one of three ways."""
    share = least + (most - least) * torch.rand(()).item()
    height, width = (max(round(n * share), 4) for n in size)
    match int(torch.randint(3, ())):
        case 0:
            return F.interpolate(x, (height, width), mode="area")
        case 1:
            return F.interpolate(x, (height, width), mode="bilinear", antialias=True)
        case _:
            return resize(x, height, width)


def _add_noise(x: Tensor, most: int) -> Tensor:
    """Images with noise of up to so many of 255 levels, grey or in colour; half of them have more
    where they are bright, as shot noise has."""
    n = len(x)
    coin, grey, strength = torch.rand(3, n, 1, 1, 1, device=x.device)
    noise = torch.where(grey < 0.4, torch.randn_like(x[:, :1]), torch.randn_like(x))
    light = torch.where(coin < 0.5, 1.0, x.add(1).div(2).clamp(0, 1).sqrt())
    return x + noise * light * (strength * most / 127.5)


def _compress_at_random(x: Tensor, worst: int, best: int) -> Tensor:
    """Images, each as a JPEG file of a random quality gives it back."""
    return _compress_each(x, torch.randint(worst, best + 1, (len(x),)).tolist())
