"""How much of the damage is undone: PSNR and SSIM (Wang et al., 2004) of restored examples."""

from __future__ import annotations

import torch

from ...core import Evidence, Measured, Restores, chance
from ._statistics import likeness


def restoration(model: Restores, evidence: Evidence) -> Measured:
    """Held-out examples, damaged as they were in training and restored, beside what they were."""
    if model.undoes == "none":
        return Measured({}, {})
    x = evidence.held_out.x
    with chance(0), torch.no_grad():
        after = torch.cat([model.restore(model.damaged(part)).float() for part in x.split(256)])
    numbers = {f"{name}, restored": value for name, value in likeness(after, x).items()}
    return Measured(numbers, {name: "error" not in name for name in numbers})
