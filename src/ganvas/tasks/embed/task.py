"""Embeddings: summarise examples as latents, and lay these out as a map."""

from __future__ import annotations

import torch

from ...abilities import Encodes
from ...core import InputError, NamedExamples, evenly_spaced
from ...results.embedded import Embedded
from ...runtime.console import stderr_console
from ...runtime.errors import flag
from .latents import latents
from .projection import NAMES, Layout, project


def embed(
    model: Encodes, x: NamedExamples, *, map: Layout = "tsne", points: int = 2000, seed: int = 0
) -> Embedded:
    """Finds the latents of examples, and puts what is alike near each other on a map.

    map: How it is laid out: by t-SNE, by UMAP, as the two principal components, or not at all.
    points: Examples on the map; where there are more, so many evenly spread.
    seed: The same seed gives the same map.

    Distances between far points on a map of t-SNE or UMAP mean little, and so do sizes of clumps:
    who is whose neighbour is what it shows. Latents of more than 50 numbers are brought to their 50
    principal components first.

    Example: ganvas embed runs/vae-photos photos/ --out map/
    """
    if points < 1:
        raise InputError(f"{flag('points')} is {points}; a map has at least one")
    lay = None if map == "none" else project(map, seed)
    z = latents(model, x.x)
    if lay is None:
        return Embedded(x, z, torch.empty(0, dtype=torch.int64), torch.empty(0, 2), "")
    rows = evenly_spaced(len(z), points)
    words = _words(map, len(rows), *z.shape)
    with (console := stderr_console(highlight=False)).status(words):
        places = lay(z[rows])
    console.print(words, soft_wrap=True)
    return Embedded(x, z, rows, places, words)


def _words(map: Layout, shown: int, n: int, width: int) -> str:
    """How a map is made."""
    which = f"{n:,}" if shown == n else f"{shown:,} of {n:,}"
    how = NAMES[map] if width > 2 else "as they are"
    return f"latents of {which} examples, {width} numbers each: {how}"
