"""Images of what is no image."""

from __future__ import annotations

from math import ceil, sqrt
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

GLOW = (1.0, -0.4, -1.0)  # red, with a little green, in [-1, 1]


def overlay_heat(x: Tensor, heat: Tensor) -> Tensor:
    """Images (n, 3, H, W) in [-1, 1] that glow where heat (n, 1, H, W) is high for them; below
    zero is cold."""
    smooth = F.avg_pool2d(heat.clamp(min=0), 3, 1, 1, count_include_pad=False)
    share = (smooth / smooth.flatten(1).amax(1).clamp(min=1e-9).view(-1, 1, 1, 1)).sqrt()
    return x * (1 - share) + torch.tensor(GLOW).view(1, 3, 1, 1) * share


def pixels_of(x: Tensor) -> np.ndarray:
    """Values in [-1, 1], (N, C, S, S), as levels, uint8 (N, S, S[, 3])."""
    levels = (
        x.detach()
        .cpu()
        .float()
        .add(1)
        .mul_(127.5)
        .round_()
        .clamp_(0, 255)
        .byte()
        .permute(0, 2, 3, 1)
        .numpy()
    )
    return levels[..., 0] if levels.shape[-1] == 1 else levels


def grid(x: Tensor, columns: int | None) -> Image.Image:
    """Images (N, C, S, S) side by side with a gap, small ones enlarged so that one sees their
    pixels."""
    pixels = pixels_of(x)
    columns = columns or min(len(pixels), max(1, ceil(sqrt(len(pixels)) * 1.25)))
    scale = max(1, 64 // pixels.shape[1])
    side, gap = pixels.shape[1] * scale, 2
    rows = ceil(len(pixels) / columns)
    canvas = Image.new(
        "RGB" if pixels.ndim == 4 else "L",
        (columns * (side + gap) + gap, rows * (side + gap) + gap),
        "white",
    )
    for i, one in enumerate(pixels):
        image = Image.fromarray(one).resize((side, side), Image.Resampling.NEAREST)
        canvas.paste(image, (gap + i % columns * (side + gap), gap + i // columns * (side + gap)))
    return canvas


def save_gif(frames: list[Image.Image], target: Path, seconds: float) -> Path:
    """Writes images that follow each other every so many seconds, for ever."""
    target.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(
        target, save_all=True, append_images=frames[1:], duration=round(seconds * 1000), loop=0
    )
    return target
