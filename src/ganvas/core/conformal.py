"""How strange a score is beside those of what is normal."""

from __future__ import annotations

import torch
from torch import Tensor


def p_values(scores: Tensor, normal: Tensor) -> Tensor:
    """(1 + number of normal scores (N,) that are as high) / (1 + N), of each score (n,); float64."""
    ranked = normal.sort().values
    as_high = len(ranked) - torch.searchsorted(ranked, scores.contiguous())
    return (1 + as_high).double() / (1 + len(ranked))
