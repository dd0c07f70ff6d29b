"""Noise that samples are generated from."""

from __future__ import annotations

import torch
from torch import Tensor


def standard_normal(
    n: int, width: int, device: torch.device, truncation: float | None = None
) -> Tensor:
    """Draws from N(0, 1), shape (n, width).

    truncation: Values further than this from zero are drawn again (the truncation trick, Brock et
        al., 2019).
    """
    if truncation is None:
        return torch.randn(n, width, device=device)
    empty = torch.empty(n, width, device=device)
    return torch.nn.init.trunc_normal_(empty, a=-truncation, b=truncation)
