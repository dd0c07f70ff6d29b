"""Conformal p-values: how anomalous a score is beside the scores of normal examples."""

from __future__ import annotations

import torch
from torch import Tensor


def p_values(scores: Tensor, normal: Tensor) -> Tensor:
    """(1 + number of normal scores (N,) as high) / (1 + N), of each score (n,), float64."""
    return p_values_in_order(scores, normal.sort().values)


def p_values_in_order(scores: Tensor, ranked: Tensor) -> Tensor:
    """`p_values` beside normal scores that are sorted."""
    as_high = len(ranked) - torch.searchsorted(ranked, scores.contiguous())
    return (1 + as_high).double() / (1 + len(ranked))
