"""Pictures of what is no picture."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

GLOW = (1.0, -0.4, -1.0)  # red, with a little green, in [-1, 1]


def glow(x: Tensor, heat: Tensor) -> Tensor:
    """Pictures (n, 3, H, W) in [-1, 1] that glow where heat (n, 1, H, W) is high for them; below zero is cold."""
    smooth = F.avg_pool2d(heat.clamp(min=0), 3, 1, 1, count_include_pad=False)
    share = (smooth / smooth.flatten(1).amax(1).clamp(min=1e-9).view(-1, 1, 1, 1)).sqrt()
    return x * (1 - share) + torch.tensor(GLOW).view(1, 3, 1, 1) * share


def save_gif(frames: list[Image.Image], target: Path, seconds: float) -> Path:
    """Writes pictures that follow each other every so many seconds, for ever."""
    target.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(target, save_all=True, append_images=frames[1:], duration=round(seconds * 1000), loop=0)
    return target
