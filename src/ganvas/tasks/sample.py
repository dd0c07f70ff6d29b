"""Make new examples."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from rich.console import Console
from torch import Tensor

from ..core import InputError, Made, Samples, Wish, chance
from ._meeting import Tally, at_once, meeting
from ._progress import counted


def sample(
    model: Samples,
    *,
    n: int = 16,
    label: int | str | None = None,
    seed: int | None = None,
    truncation: float | None = None,
    where: Wish | None = None,
) -> Made:
    """Draws new examples, in parts, when they are asked for.

    n: How many.
    label: What each shall be, where the model learned labels; without, every label in turn.
    seed: The same seed gives the same examples.
    truncation: Latents further out than this many standard deviations are drawn again: fewer surprises.
    where: What every row shall be, as SQL says it: "income = '>50K' AND age > 40".

    A wish is met exactly where the model completes: what is asked of one column each is drawn first. What is left
    to be met, and any wish of another model's rows, is met by drawing until enough rows do; which way it was, and
    what share was accepted, is said on standard error. Raises InputError where too few are found.

    Example: ganvas sample runs/made-people --n 1000 --where "income = '>50K' AND age > 40" --out rich.csv
    """
    if n < 1:
        raise InputError(f"--n is {n}; ask for at least one example")
    if label is not None and model.condition is None:
        raise InputError("this model learned no labels, so none can be asked for; leave out --label")
    y = None if label is None else torch.full((1, 1), int(label))
    return Made(counted(_parts(model, n, y, seed, truncation, where), n, "sampling"))


@torch.no_grad()
def _parts(
    model: Samples, n: int, y: Tensor | None, seed: int | None, truncation: float | None, wish: Wish | None
) -> Iterator[Tensor]:
    size, tally = at_once(model.space), Tally(n)
    for part, start in enumerate(range(0, n, size)):
        count = min(size, n - start)
        with chance(seed, part):
            x = (
                model.sample(count, None if y is None else y.expand(count, 1), truncation)
                if wish is None
                else meeting(model, wish, count, tally, y, truncation)
            )
        yield x
    if wish is not None:
        Console(stderr=True, highlight=False).print(f"{wish.words}: {tally.words}", soft_wrap=True, markup=False)
