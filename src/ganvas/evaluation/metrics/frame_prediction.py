"""How well frames are predicted: squared error, PSNR, SSIM (Wang et al., 2004) of those that
follow."""

from __future__ import annotations

import torch

from ...abilities import Predicts
from ...core import Evidence, Measured
from ._image_similarity import image_similarity


def frame_prediction(model: Predicts, evidence: Evidence) -> Measured:
    """The later frames of held-out clips, predicted from the earlier ones, beside what they were:
    all, the next, the last of them."""
    x = evidence.held_out.x
    with torch.no_grad():
        after = torch.cat([model.continued(part).float() for part in x.split(64)])
    parts = {
        "predicted": slice(model.given, None),
        "next frame": slice(model.given, model.given + 1),
        "last frame": slice(-1, None),
    }
    numbers = {
        f"{name}, {part}": value
        for part, frames in parts.items()
        for name, value in image_similarity(after[:, :, frames], x[:, :, frames]).items()
    }
    return Measured(numbers, {name: "error" not in name for name in numbers})
