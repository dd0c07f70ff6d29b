"""Send examples through the latent and back."""

from __future__ import annotations

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from ..core import Autoencodes, Pairs


def reconstruct(model: Autoencodes, x: Tensor) -> Pairs:
    """Shows each example beside what the model makes of it: what the latent could not hold is missing."""
    parts = track(x.split(256), "reconstructing", console=Console(stderr=True), transient=True, disable=len(x) <= 256)
    after = [model.decode(model.encode(part)) for part in parts]
    return Pairs(x, torch.cat(after))
