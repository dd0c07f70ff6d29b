"""Fréchet and kernel distance of features (Heusel et al., 2017; Bińkowski et al., 2018)."""

from __future__ import annotations

from torch import Tensor

from ...abilities import Samples
from ...core import Evidence, Measured
from ...core.statistics import bootstrap_distance, frechet_distance

BLOCK = 500


def frechet(model: Samples, evidence: Evidence) -> Measured:
    """How far samples are from held-out examples, as sets of features.

    Fréchet distance of the Gaussians fitted to both: |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)).
    Kernel distance: unbiased squared maximum mean discrepancy with the kernel (x.y / D + 1)^3,
    averaged over blocks of 500; times 1,000.
    """
    real = evidence.features(evidence.held_out.x).double()
    made = evidence.features(model.sample(len(real), evidence.asked)).double()
    numbers = {
        "Fréchet distance": bootstrap_distance(frechet_distance, real, made),
        "kernel distance × 1000": bootstrap_distance(
            lambda a, b: 1000 * kernel_distance(a, b), real, made
        ),
    }
    return Measured(numbers, dict.fromkeys(numbers, False))


def kernel_distance(a: Tensor, b: Tensor) -> float:
    """Of two sets of vectors, unbiased: it may be below zero where the sets are alike."""
    n = min(len(a), len(b))
    blocks = zip(a[:n].split(BLOCK), b[:n].split(BLOCK), strict=True)
    values = [_squared_discrepancy(p, q) for p, q in blocks if len(p) > 1]
    return sum(values) / len(values)


def _squared_discrepancy(a: Tensor, b: Tensor) -> float:
    n = len(a)
    aa, bb, ab = (((p @ q.T) / p.shape[1] + 1) ** 3 for p, q in ((a, a), (b, b), (a, b)))
    same = (aa.sum() - aa.trace() + bb.sum() - bb.trace()) / (n * (n - 1))
    return (same - 2 * ab.mean()).item()
