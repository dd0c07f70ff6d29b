"""Make new examples."""

from __future__ import annotations

from math import prod

import torch
from rich.console import Console
from rich.progress import track

from ..core import InputError, Made, Samples, chance


def sample(
    model: Samples,
    *,
    n: int = 16,
    label: int | str | None = None,
    seed: int | None = None,
    truncation: float | None = None,
) -> Made:
    """Draws new examples.

    n: How many.
    label: What each shall be, where the model learned labels; without, every label in turn.
    seed: The same seed gives the same examples.
    truncation: Latents further out than this many standard deviations are drawn again: fewer surprises.
    """
    if n < 1:
        raise InputError(f"--n is {n}; ask for at least one example")
    if label is not None and model.condition is None:
        raise InputError("this model learned no labels, so none can be asked for; leave out --label")
    at_once = min(max(256, 2**18 // prod(model.space.shape)), 2**14)
    with chance(seed):
        sizes = [min(at_once, n - start) for start in range(0, n, at_once)]
        wanted = [None if label is None else torch.full((size, 1), int(label)) for size in sizes]
        parts = track(list(zip(sizes, wanted, strict=True)), "sampling", console=Console(stderr=True), transient=True,
                      disable=n <= at_once)  # fmt: skip
        made = [model.sample(size, y, truncation) for size, y in parts]
    return Made(torch.cat(made))
