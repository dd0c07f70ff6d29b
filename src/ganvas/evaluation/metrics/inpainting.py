"""How near to the truth masked regions are filled: PSNR in the masked region, and SSIM of the whole
(Wang et al., 2004)."""

from __future__ import annotations

import torch

from ...abilities import Completes
from ...core import Continuous, Evidence, Measured, evenly_spaced, seeded_rng
from ...core.random_masks import draw_masks
from ._image_similarity import image_similarity, psnr

MOST = 500  # images that are completed


def inpainting(model: Completes, evidence: Evidence) -> Measured:
    """Held-out images out of which masked regions were cut and filled: rectangles, strokes,
    halves."""
    if not isinstance(model.space, Continuous) or len(model.space.shape) != 3:
        return Measured({}, {})
    x = evidence.held_out.x
    x = x[evenly_spaced(len(x), MOST).to(x.device)]
    with seeded_rng(0), torch.no_grad():
        known = ~draw_masks(x).expand_as(x)
        parts = zip(x.split(256), known.split(256), strict=True)
        after = torch.cat([model.complete(part, own).float() for part, own in parts])
    errors = ((after - x).square() * ~known).flatten(1).sum(1) / (~known).flatten(1).sum(1).clamp(
        min=1
    )
    numbers = {"PSNR in masked regions (dB)": psnr(errors)}
    if (whole := image_similarity(after, x)).get("SSIM"):
        numbers["SSIM, completed"] = whole["SSIM"]
    return Measured(numbers, dict.fromkeys(numbers, True))
