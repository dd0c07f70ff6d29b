"""Clustering: put examples that are alike into groups."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from ...abilities import Encodes
from ...core import InputError, NamedExamples, evenly_spaced
from ...results.clustered import Clustered
from ...runtime.console import stderr_console
from ...runtime.errors import flag
from ..embed.latents import latents, principal_components

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

FITTED = 10_000  # examples that groups are looked for among
WIDE = 16  # principal components that groups are described in: their covariances have WIDE² numbers
MOST = 20  # groups that are tried
PATIENCE = 4  # more groups tried in vain before the search ends
AGAIN = 3  # starts of the groups that are kept
EACH = 2  # examples a group must have on average


def cluster(model: Encodes, x: NamedExamples, *, k: int | None = None, seed: int = 0) -> Clustered:
    """Finds groups of latents: a mixture of as many Gaussians, each with a shape of its own.

    k: How many groups; by default as many, up to 20, as the Bayesian information criterion is
        lowest with.
    seed: The same seed gives the same groups.

    Latents of more than 16 numbers are brought to their 16 principal components first; of more than
    10,000 examples so many, evenly spread, decide where groups are. The criterion is that of
    Schwarz (1978).

    Example: ganvas cluster runs/vae-photos photos/ --k 12 --out groups/
    """
    z = latents(model, x.x)
    z = principal_components(z, WIDE) if z.shape[1] > WIDE else z
    z = z / z.std().clamp(min=1e-9) if len(z) > 1 else z
    most = len(z) // EACH
    if most < 1 or (k is not None and not 1 <= k <= most):
        asked = "finding groups" if k is None else flag("k", k)
        raise InputError(
            f"{asked} needs at least {EACH * (k or 1)} examples, and at least one group; there are"
            f" {len(z)}"
        )
    some = z[evenly_spaced(len(z), FITTED)].double().numpy()
    start = range(1, min(MOST, most) + 1) if k is None else [k]
    mixture = _fitted(some, _best(some, start, seed), seed, AGAIN)
    answer = _ranked(x, z.double().numpy(), mixture)
    _say(answer, x)
    return answer


def _fitted(z: np.ndarray, k: int, seed: int, starts: int = 1) -> GaussianMixture:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # fewer points than groups differ, or it is still moving
        return GaussianMixture(k, reg_covar=1e-4, n_init=starts, random_state=seed).fit(z)


def _best(z: np.ndarray, ks: Sequence[int], seed: int) -> int:
    """The number of groups with the lowest criterion; the search ends once more groups have been in
    vain."""
    if len(ks) == 1:
        return ks[0]
    found: dict[int, float] = {}
    bar = track(ks, "how many groups", console=stderr_console(), transient=True)
    for k in bar:
        found[k] = _fitted(z, k, seed).bic(z)
        best = min(found, key=found.__getitem__)
        if k - best >= PATIENCE:
            return best
    return best


def _ranked(x: NamedExamples, z: np.ndarray, mixture: GaussianMixture) -> Clustered:
    """Examples by group, the largest first."""
    chances = mixture.predict_proba(z)
    own = chances.argmax(1)
    order = np.argsort(-np.bincount(own, minlength=mixture.n_components), kind="stable")
    distance = np.empty(len(z))
    for group, (middle, shape) in enumerate(
        zip(mixture.means_, mixture.precisions_cholesky_, strict=True)
    ):
        distance[own == group] = np.linalg.norm((z[own == group] - middle) @ shape, axis=1)
    return Clustered(
        x,
        torch.from_numpy(np.argsort(order)[own]),
        torch.from_numpy(chances.max(1)).float(),
        torch.from_numpy(distance).float(),
    )


def _say(answer: Clustered, x: NamedExamples) -> None:
    sizes: Tensor = answer.cluster.bincount()
    words = (
        f"{int((sizes > 0).sum())} groups of {len(x.names):,} examples:"
        f" {', '.join(f'{n:,}' for n in sizes.tolist())}"
    )
    stderr_console(highlight=False).print(words, soft_wrap=True)
