"""Latent interpolation: walk through the latents from one example to another."""

from __future__ import annotations

import torch
from torch import Tensor

from ..abilities import Decodes, Encodes, Generates
from ..core import InputError, seeded_rng
from ..core.options import Label
from ..results.frames import Frames
from ..runtime.errors import flag
from .embed.latents import refuse_tokens


def interpolate(
    model: Decodes,
    x: Tensor | None = None,
    *,
    steps: int = 9,
    n: int = 4,
    label: Label | None = None,
    seed: int | None = None,
) -> Frames:
    """Walks between the given examples, one after the other, or between new ones.

    steps: Stops on each walk, both ends included.
    n: Walks between new examples, where none are given.
    label: What the new examples shall be, where the model learned labels.
    seed: The same seed gives the same walks.

    Example: ganvas interpolate runs/dcgan-photos --n 6 --out walks/
    """
    if steps < 2:
        raise InputError(f"{flag('steps')} is {steps}; a walk has at least its two ends")
    if n < 1:
        raise InputError(f"{flag('n')} is {n}; ask for at least one walk")
    refuse_tokens(model)
    with seeded_rng(seed):
        ends = _latents(model, x, n)
    walks = [_between(ends[:-1], ends[1:], t) for t in torch.linspace(0, 1, steps).tolist()]
    y = None if label is None else torch.full((len(ends) - 1, 1), label)
    return Frames(torch.stack([model.decode(z, y) for z in walks]))


def _latents(model: Decodes, x: Tensor | None, n: int) -> Tensor:
    if x is None and isinstance(model, Generates):
        return model.prior(n + 1)
    if x is None or len(x) < 2:
        raise InputError(
            "give at least two examples to walk between: this model makes none by itself"
        )
    if not isinstance(model, Encodes):
        raise InputError(
            "this model finds no latents of given examples; leave them out to walk between new ones"
        )
    return model.encode(x)


def _between(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Spherical interpolation: stays as far from the origin as its ends are (White, 2016)."""
    cosine = torch.cosine_similarity(a, b, dim=1).clamp(-0.9999, 0.9999)
    angle = cosine.acos().unsqueeze(1)
    return (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()
