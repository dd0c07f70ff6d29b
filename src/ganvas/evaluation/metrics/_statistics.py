"""Intervals by the bootstrap (Efron, 1979)."""

from __future__ import annotations

from collections.abc import Callable
from math import log10

import numpy as np
import torch
from torch import Tensor

from ...core import Estimate, seeded_generator

DRAWS = 200


def bootstrap_mean(
    values: Tensor, transform: Callable[[float], float] = lambda value: value
) -> Estimate:
    """The mean of one value per example, and where it would lie for 95 % of other sets of examples.

    transform: A monotone function of the mean that is to be reported in its place.
    """
    values = values.double().cpu()
    picks = torch.randint(
        len(values), (DRAWS, len(values)), generator=seeded_generator(len(values))
    )
    means = values[picks].mean(1)
    low, high = (transform(means.quantile(q).item()) for q in (0.025, 0.975))
    return Estimate(transform(values.mean().item()), min(low, high), max(low, high))


def image_similarity(after: Tensor, x: Tensor) -> dict[str, Estimate]:
    """How like examples x (N, ...) others are: SSIM by torchmetrics, for images of at least 11
    pixels, and for clips of them, the mean over frames."""
    errors = (after - x).square().flatten(1).mean(1)
    numbers = {
        "mean squared error": bootstrap_mean(errors),
        "PSNR (dB)": bootstrap_mean(errors, lambda error: 10 * log10(4 / max(error, 1e-12))),
    }
    if x.ndim in (4, 5) and min(x.shape[-2:]) >= 11:
        from torchmetrics.functional.image import structural_similarity_index_measure as ssim

        parts = zip(_images(after).split(256), _images(x).split(256), strict=True)
        values = [ssim(a, b, data_range=(-1.0, 1.0), reduction="none") for a, b in parts]
        numbers["SSIM"] = bootstrap_mean(
            torch.cat([torch.atleast_1d(v) for v in values]).view(len(x), -1).mean(1)
        )
    return numbers


def _images(x: Tensor) -> Tensor:
    """Images (N, C, H, W) as they are, and of clips (N, C, T, H, W) all frames."""
    return x.transpose(1, 2).flatten(0, 1) if x.ndim == 5 else x


def bootstrap_distance(
    statistic: Callable[[Tensor, Tensor], float], a: Tensor, b: Tensor, draws: int = 16
) -> Estimate:
    """A statistic of two sets, and 1.96 standard deviations of it over resampled sets on either
    side.

    Distances between sets are larger for resampled sets, which repeat examples, so the percentiles
    of their distribution would lie to one side of the estimate; its width is what can be used.
    """
    value = statistic(a, b)
    random = seeded_generator(len(a), len(b))
    again = [
        statistic(
            a[torch.randint(len(a), (len(a),), generator=random)],
            b[torch.randint(len(b), (len(b),), generator=random)],
        )
        for _ in range(draws)
    ]
    spread = 1.96 * torch.tensor(again).std().item()
    return Estimate(value, value - spread, value + spread)


def auc_interval(y: np.ndarray, score: np.ndarray) -> Estimate:
    """Area under the curve of scores for labels 0 and 1, and its 95 % interval (Hanley & McNeil,
    1982)."""
    from sklearn.metrics import roc_auc_score

    area, ones = float(roc_auc_score(y, score)), int(y.sum())
    zeros = len(y) - ones
    same, other = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (ones - 1) * (same - area**2) + (zeros - 1) * (other - area**2)
    spread = 1.96 * (max(variance, 0.0) / (ones * zeros)) ** 0.5
    return Estimate(area, area - spread, area + spread)
