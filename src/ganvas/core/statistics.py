"""Statistics that are needed in more than one room: intervals by the bootstrap (Efron, 1979),
distances of sets of vectors, nearest neighbours, principal axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..runtime.random import seeded_generator
from .evidence import Estimate

if TYPE_CHECKING:
    import numpy as np

DRAWS = 200  # resampled sets
LEVEL = (0.025, 0.975)  # what lies between: 95 %


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
    low, high = (transform(means.quantile(q).item()) for q in LEVEL)
    return Estimate(transform(values.mean().item()), min(low, high), max(low, high))


def bootstrap_rows(
    statistic: Callable[[np.ndarray], float], n: int, draws: int = DRAWS
) -> Estimate:
    """A statistic of some of n rows, by their numbers, and where it would lie for 95 % of other
    sets of rows."""
    import numpy as np

    random = np.random.default_rng(n)
    drawn = np.array([statistic(random.integers(n, size=n)) for _ in range(draws)])
    return percentile_interval(float(statistic(np.arange(n))), drawn)


def percentile_interval(value: float, drawn: np.ndarray) -> Estimate:
    """A number, and where 95 % of those lie that resampled sets give, but for what is no number."""
    import numpy as np

    low, high = np.nanquantile(drawn, LEVEL)
    return Estimate(value, float(low), float(high))


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


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Of the Gaussians fitted to two sets of vectors (N, D) and (M, D), float64 (Heusel et al.,
    2017): |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)).

    With C1 = A'A and C2 = B'B, the trace of (C1 C2)^(1/2) is the sum of the singular values of A
    B': no roots of matrices, and small work where there are fewer vectors than dimensions.
    """
    p, q = ((x - x.mean(0)) / (len(x) - 1) ** 0.5 for x in (a, b))
    cross = torch.linalg.svdvals(_root(p) @ _root(q).T).sum()
    result: float = (
        (a.mean(0) - b.mean(0)).square().sum() + p.square().sum() + q.square().sum() - 2 * cross
    ).item()
    return result


def principal_axes(x: Tensor, count: int) -> Tensor:
    """The directions in which vectors (N, D) vary most, at most so many, (D, at most count).

    Of two opposite directions it is always the same: the largest number of each is positive.
    """
    axes = _directions(x - x.mean(0))[:, :count]
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    return axes * largest.sign()


def _directions(x: Tensor) -> Tensor:
    """Directions in which centred vectors (N, D) vary, those in which they do most first: by their
    covariance where its squares lose nothing that matters, for N may be large."""
    if x.dtype == torch.float64:
        directions: Tensor = torch.linalg.eigh(x.T @ x).eigenvectors.flip(1)
    else:
        directions = torch.linalg.svd(x, full_matrices=False).Vh.T
    return directions


def _root(x: Tensor) -> Tensor:
    """R with R'R = x'x and no more rows than columns."""
    return x if len(x) <= x.shape[1] else torch.linalg.qr(x, mode="r").R


def nearest_distance(a: Tensor, b: Tensor) -> Tensor:
    """Distance from each of a (N, D) to its nearest of b (M, D), shape (N,)."""
    return torch.cat([torch.cdist(part, b).min(1).values for part in a.split(1024)])


def neighbour_radius(x: Tensor, k: int) -> Tensor:
    """Distance from each vector to its k-th neighbour among the others, (N,)."""
    return torch.cdist(x, x).topk(min(k + 1, len(x)), 1, largest=False).values[:, -1]
