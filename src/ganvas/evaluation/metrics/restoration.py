"""How much of the damage is undone: PSNR and SSIM (Wang et al., 2004) of restored examples."""

from __future__ import annotations

import torch

from ...abilities import Restores
from ...core import Evidence, Measured, seeded_rng
from ._image_similarity import image_similarity


def restoration(model: Restores, evidence: Evidence) -> Measured:
    """Held-out examples, damaged as they were in training and restored, beside what they were."""
    if model.degradation == "none":
        return Measured({}, {})
    x = evidence.held_out.x
    with seeded_rng(0), torch.no_grad():
        after = torch.cat([model.restore(model.degrade(part)).float() for part in x.split(256)])
    numbers = {f"{name}, restored": value for name, value in image_similarity(after, x).items()}
    return Measured(numbers, {name: "error" not in name for name in numbers})
