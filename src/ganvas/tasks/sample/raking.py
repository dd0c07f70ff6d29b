"""Rows with given marginals, out of a larger pool (iterative proportional fitting: Deming &
Stephan, 1940)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SWEEPS = 200
NEAR = 1e-6


def rake(codes: Tensor, shares: Sequence[Tensor]) -> Tensor:
    """Weights of rows, float64 (N,), summing to one, under which each column's codes are as
    frequent as asked.

    codes: int64 (N, columns); shares: of each column, (its codes,).

    Column after column, each row's weight is multiplied by what its code lacks, until none lacks
    anything. A code that no row has is left out. Of all weights that meet the shares, these are
    closest to equal (Csiszár, 1975).
    """
    weights = torch.full((len(codes),), 1 / len(codes), dtype=torch.float64)
    columns = list(
        zip(codes.cpu().unbind(1), map(reachable, codes.cpu().unbind(1), shares), strict=True)
    )
    for _ in range(SWEEPS):
        furthest = 0.0
        for own, wanted in columns:
            there = torch.bincount(own, weights, minlength=len(wanted))
            furthest = max(furthest, float((there - wanted).abs().max()))
            weights = weights * torch.where(there > 0, wanted / there.clamp(min=1e-300), 0)[own]
        if furthest < NEAR:
            break
    return weights / weights.sum()


def reachable(codes: Tensor, shares: Tensor) -> Tensor:
    """The shares of codes that some row has, summing to one; all that rows have, where none of them
    is asked for."""
    counts = torch.bincount(codes, minlength=len(shares))
    found = torch.where(counts > 0, shares, 0)
    return found / found.sum() if found.sum() > 0 else counts / counts.sum()


def resample(weights: Tensor, n: int) -> Tensor:
    """Numbers of `n` rows, each as often as its weight says or one more or less (systematic
    resampling), int64 (n,)."""
    places = (torch.arange(n) + torch.rand(())) / n
    return torch.searchsorted(weights.cumsum(0), places.double()).clamp(max=len(weights) - 1)


def effective_size(weights: Tensor) -> float:
    """How many rows of equal weight say as much as these (Kish, 1965)."""
    return float(weights.sum().square() / weights.square().sum())
