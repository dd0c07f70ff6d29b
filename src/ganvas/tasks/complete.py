"""Fill in what is missing."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..core import Between, Completes, Filled, Given, InputError, chance
from ..core.intervals import FIELDS, checked, drawn, enough
from ._meeting import at_once
from ._progress import counted

DRAWS = 100
"""Draws that intervals are made of where nothing is said."""


@torch.no_grad()
def complete(
    model: Completes, x: Given, *, draws: int | None = None, interval: float | None = None, seed: int | None = None
) -> Filled:
    """Fills every hole with a value drawn given what is known of its row; what is known stays as it is.

    draws: Tables to make, whose holes are filled each anew, for multiple imputation; 1, or for an interval 100.
    interval: Make one table instead, and say between what each filled value lies with this probability, such as 0.9.
    seed: The same seed gives the same values.

    Values are drawn one after the other, each given those before it and that it is not missing. With an interval a hole
    gets the middle one of its draws, or of a category the most frequent, and beside it how probable that is.

    Example: ganvas complete runs/made-people holes.csv --interval 0.9 --out filled.csv
    """
    if draws is not None and draws < 1:
        raise InputError(f"--draws is {draws}; ask for at least one")
    holes = (~x.known.all(1)).nonzero().flatten()
    alike = x.known[holes].unique(dim=0, return_inverse=True)[1].argsort()
    some = [rows for rows in holes[alike].split(at_once(model.space)) if len(rows)]
    with chance(seed):
        if interval is not None:
            return Filled(x, between=_between(model, x, some, draws, checked(interval)))
        filled = x.codes.repeat(draws or 1, 1, 1)
        parts = [(draw, rows) for draw in range(len(filled)) for rows in some]
        for draw, rows in counted(parts, len(filled) * len(holes), "filling", size=lambda part: len(part[1])):
            filled[draw, rows] = model.complete(x.codes[rows], x.known[rows], x.fits)
    return Filled(x, tuple(filled))


def _between(model: Completes, x: Given, parts: list[Tensor], draws: int | None, level: float) -> Between:
    """What so many draws of every hole say of it."""
    draws = max(DRAWS, enough(level)) if draws is None else draws
    if draws < enough(level):
        raise InputError(f"--interval {level} needs {enough(level)} draws at least, and --draws is {draws}")
    said = np.full((4, *x.codes.shape), np.nan)
    smaller = [rows for part in parts for rows in part.split(max(at_once(model.space) // draws, 1))]
    for rows in counted(smaller, sum(map(len, parts)), "filling"):
        codes, known = (given[rows].repeat(draws, 1) for given in (x.codes, x.known))
        made = x.measure(model.complete(codes, known, x.fits))
        own = drawn(made.x.reshape(draws, len(rows), -1), made.categories, level)
        hole = ~x.known[rows].cpu().numpy()
        said[:, rows.cpu().numpy()] = [np.where(hole, getattr(own, field), np.nan) for field in FIELDS]
    return Between(level, *said)
