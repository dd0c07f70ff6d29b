"""Send examples through the latent and back."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core import Autoencodes, Pairs


def reconstruct(model: Autoencodes, x: Tensor) -> Pairs:
    """Shows each example beside what the model makes of it: what the latent could not hold is missing."""
    after = [model.decode(model.encode(part)) for part in x.split(256)]
    return Pairs(x, torch.cat(after))
