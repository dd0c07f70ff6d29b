"""Points in many dimensions laid out in two, near ones near each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ...core import InputError
from ...runtime.errors import flag
from .latents import principal_components

Layout = Literal["tsne", "umap", "pca", "none"]

WIDE = 50  # principal components that neighbours are looked for among
FEW = 6  # points of which neighbours say nothing
NAMES = {"tsne": "t-SNE", "umap": "UMAP", "pca": "two principal components"}

Lay = Callable[[Tensor], Tensor]
"""Places (n, 2) of points (n, D)."""


def project(how: Layout, seed: int) -> Lay:
    """Lays points out by t-SNE (van der Maaten & Hinton, 2008), UMAP (McInnes et al., 2018) or the
    two directions in which they vary most; what has two dimensions or one stays as it is. Raises
    InputError where UMAP is not there."""
    lay = {"tsne": _tsne, "umap": _umap, "pca": _pca}[how](seed)

    def laid(z: Tensor) -> Tensor:
        if z.shape[1] <= 2:
            places = z
        elif len(z) < FEW or bool((z == z[0]).all()):
            places = principal_components(z, 2)
        else:
            places = lay(principal_components(z, WIDE) if z.shape[1] > WIDE else z)
        return F.pad(places, (0, 2 - places.shape[1]))

    return laid


def _pca(seed: int) -> Lay:
    return lambda z: principal_components(z, 2)


def _tsne(seed: int) -> Lay:
    from sklearn.manifold import TSNE

    def lay(z: Tensor) -> Tensor:
        near = min(30.0, (len(z) - 1) / 3)
        return torch.from_numpy(
            TSNE(perplexity=near, init="pca", random_state=seed).fit_transform(z.numpy())
        ).float()

    return lay


def _umap(seed: int) -> Lay:
    try:
        from umap import UMAP
    except ImportError as error:
        raise InputError(
            f"{flag('map', 'umap')} needs umap-learn: pip install 'ganvas[map]'; or take"
            f" {flag('map', 'tsne')}"
        ) from error

    def lay(z: Tensor) -> Tensor:
        near = min(15, len(z) - 1)
        start = "spectral" if len(z) > 20 else "random"  # so few have too few eigenvectors
        made = UMAP(n_neighbors=near, init=start, random_state=seed, n_jobs=1).fit_transform(
            z.numpy()
        )
        return torch.from_numpy(made).float()

    return lay
