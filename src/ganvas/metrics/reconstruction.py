"""How much of an example survives the latent: squared error, PSNR, SSIM (Wang et al., 2004)."""

from __future__ import annotations

from math import log10

import torch

from ..core import Autoencodes, Evidence, Measured
from ._statistics import mean


def reconstruction(model: Autoencodes, evidence: Evidence) -> Measured:
    """Held-out examples beside their reconstructions; SSIM by torchmetrics, for pictures of at least 11 pixels."""
    x = evidence.held_out.x
    with torch.no_grad():
        after = torch.cat([model.decode(model.encode(part)).float() for part in x.split(256)])
    errors = (after - x).square().flatten(1).mean(1)
    numbers = {
        "mean squared error": mean(errors),
        "PSNR (dB)": mean(errors, lambda error: 10 * log10(4 / max(error, 1e-12))),
    }
    if x.ndim == 4 and min(x.shape[2:]) >= 11:
        from torchmetrics.functional.image import structural_similarity_index_measure as ssim

        parts = zip(after.split(256), x.split(256), strict=True)
        values = [ssim(a, b, data_range=(-1.0, 1.0), reduction="none") for a, b in parts]
        numbers["SSIM"] = mean(torch.cat([torch.atleast_1d(v) for v in values]))
    return Measured(numbers, {name: name != "mean squared error" for name in numbers})
