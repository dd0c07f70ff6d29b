"""How much of an example survives the latent: squared error, PSNR, SSIM (Wang et al., 2004)."""

from __future__ import annotations

import torch

from ...abilities import Autoencodes
from ...core import Evidence, Measured
from ...core.statistics import bootstrap_mean
from ._image_similarity import image_similarity


def reconstruction(model: Autoencodes, evidence: Evidence) -> Measured:
    """Held-out examples beside their reconstructions."""
    x = evidence.held_out.x
    with torch.no_grad():
        after = torch.cat([model.decode(model.encode(part)).float() for part in x.split(256)])
    if not x.is_floating_point():
        return Measured(
            {"tokens kept": bootstrap_mean((after == x).double().mean(1))}, {"tokens kept": True}
        )
    numbers = image_similarity(after, x)
    return Measured(numbers, {name: name != "mean squared error" for name in numbers})
