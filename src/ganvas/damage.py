"""What pictures suffer, done to examples on purpose: what a model practises to undo."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .core import Continuous, InputError, Mixed, Space, shrunk

Kind = Literal["none", "gaussian", "salt-and-pepper", "masking", "jpeg", "mixed"]
Lowering = Literal["bicubic", "real"]
KINDS: tuple[Kind, ...] = ("gaussian", "salt-and-pepper", "masking", "jpeg")


@dataclass(frozen=True)
class Damage:
    """Damages examples x, (B, ...) in [-1, 1], by torch's random numbers: the shape stays.

    | kind              | an example damaged with strength s                                                           |
    | ----------------- | -------------------------------------------------------------------------------------------- |
    | `gaussian`        | x + s e, e ~ N(0, 1)                                                                         |
    | `salt-and-pepper` | a share s of its values is 1 or -1                                                           |
    | `masking`         | a share s of its pixels is missing: 0 in all channels; blind, black, grey or white as well   |
    | `jpeg`            | compressed with quality 100 (1 - s)^4 (0.05: 81, 0.3: 24, 0.44: 10), and opened again        |
    | `mixed`           | one of these, another for every example                                                      |

    blind: Every example has a strength of its own, from 0 to `strength`.
    """

    kind: Kind
    strength: float
    blind: bool

    def fit(self, space: Space) -> None:
        """Raises InputError where examples of this space cannot be damaged so, or no strength is meant."""
        if self.kind == "none":
            return
        if not isinstance(space, Continuous | Mixed):
            raise InputError(f"corruption {self.kind!r} is for what has numbers; leave out --corrupt")
        if self.kind in ("jpeg", "mixed") and (len(space.shape) != 3 or space.shape[0] not in (1, 3)):
            raise InputError(f"corruption {self.kind!r} is for pictures, grey or in colour; choose another --corrupt")
        if self.strength <= 0 or (self.strength > 1 and self.kind != "gaussian"):
            raise InputError(f"--strength is {self.strength}; it must be above 0, and 1 at most where it is a share")

    def __call__(self, x: Tensor, space: Space | None = None) -> Tensor:
        """Damaged examples; of rows, whose space is to be given, a share s of the categories is that of other rows."""
        if self.kind == "none":
            return x
        y = self._numbers(x)
        return space.swapped(x, y, self.strength) if isinstance(space, Mixed) else y

    def _numbers(self, x: Tensor) -> Tensor:
        """Examples with all values damaged as if they were numbers."""
        s = torch.rand(len(x), device=x.device) * self.strength if self.blind else x.new_full((len(x),), self.strength)
        s = s.to(x.dtype).view(-1, *[1] * (x.ndim - 1))
        if self.kind != "mixed":
            return self._done(self.kind, x, s)
        chosen, y = torch.randint(len(KINDS), (len(x),), device=x.device), x.clone()
        for number, kind in enumerate(KINDS):
            rows = (chosen == number).nonzero().squeeze(1)
            if len(rows):
                y[rows] = self._done(kind, x[rows], s[rows])
        return y

    def _done(self, kind: Kind, x: Tensor, s: Tensor) -> Tensor:
        """One kind of damage, of strengths s, (B, 1, ...)."""
        if kind == "gaussian":
            return x + s * torch.randn_like(x)
        if kind == "salt-and-pepper":
            return torch.where(torch.rand_like(x) < s, torch.randn_like(x).sign(), x)
        if kind == "masking":
            lost = torch.rand_like(x[:, :1] if x.ndim > 2 else x) < s
            return torch.where(lost, torch.randint_like(s, -1, 2) if self.blind else torch.zeros_like(s), x)
        qualities = (100 * (1 - s.flatten()) ** 4).round().clamp(min=1).int().tolist()
        return torch.stack([_through_jpeg(one, quality) for one, quality in zip(x, qualities, strict=True)])


def _through_jpeg(x: Tensor, quality: int) -> Tensor:
    """A picture (C, H, W) in [-1, 1] as a JPEG file gives it back."""
    levels = x.add(1).mul(127.5).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    file = BytesIO()
    Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels).save(file, "JPEG", quality=quality)
    back = np.array(Image.open(file)).reshape(levels.shape)
    return torch.from_numpy(back).permute(2, 0, 1).to(x).div(127.5).sub(1)


@dataclass(frozen=True)
class Lowered:
    """Makes pictures x, (B, C, H, W) in [-1, 1], smaller by a factor, as cheap cameras and the web do."""

    kind: Lowering
    scale: int

    def fit(self, space: Continuous) -> None:
        """Raises InputError where pictures of this space cannot be treated so."""

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, H / scale, W / scale), of 8 bits."""
        return shrunk(x, self.scale)
