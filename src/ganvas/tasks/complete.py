"""Fill in what is missing."""

from __future__ import annotations

import torch

from ..core import Completes, Filled, Given, InputError, chance
from ._meeting import at_once
from ._progress import counted


@torch.no_grad()
def complete(model: Completes, x: Given, *, draws: int = 1, seed: int | None = None) -> Filled:
    """Fills every hole with a value drawn given what is known of its row; what is known stays as it is.

    draws: Tables to make, whose holes are filled each anew: for multiple imputation.
    seed: The same seed gives the same values.

    Values are drawn one after the other, each given those before it and that it is not missing.

    Example: ganvas complete runs/made-people holes.csv --draws 5 --out filled.csv
    """
    if draws < 1:
        raise InputError(f"--draws is {draws}; ask for at least one")
    holes = (~x.known.all(1)).nonzero().flatten()
    alike = x.known[holes].unique(dim=0, return_inverse=True)[1].argsort()
    filled = x.codes.repeat(draws, 1, 1)
    parts = [(draw, rows) for draw in range(draws) for rows in holes[alike].split(at_once(model.space)) if len(rows)]
    with chance(seed):
        for draw, rows in counted(parts, draws * len(holes), "filling", size=lambda part: len(part[1])):
            filled[draw, rows] = model.complete(x.codes[rows], x.known[rows], x.fits)
    return Filled(x, tuple(filled))
