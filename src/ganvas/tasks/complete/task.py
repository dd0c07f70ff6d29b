"""Inpainting and imputation: fill in masked regions, missing values, or what follows a
beginning."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from ...abilities import Completes, Predicts
from ...core import Given, InputError, Interval, Mask, Masked, Tabular, Tokens, seeded_rng
from ...core.images import ImageFiles
from ...core.intervals import FIELDS, check_level, draws_needed, interval_of_draws
from ...core.options import FileHeededBy, HeededBy
from ...results.completed import Completed
from ...results.imputed import ImputationIntervals, Imputed
from ...runtime.errors import flag
from .._progress import with_progress
from ..sample.rejection import batch_size
from .regions import Side, after_beginning, batches, refuse_other_sizes, window_around, with_missing

DRAWS = 100
"""Draws that intervals are made of where nothing is said."""


def complete(
    model: Completes,
    x: Given | Masked,
    *,
    mask: Annotated[Mask | None, FileHeededBy(ImageFiles, "images")] = None,
    keep: Annotated[Side | None, HeededBy(ImageFiles, "images")] = None,
    given: int | None = None,
    draws: int | None = None,
    interval: Annotated[float | None, HeededBy(Tabular, "rows of tables")] = None,
    seed: int | None = None,
) -> Imputed | ImputationIntervals | Completed:
    """Fills what is missing, drawn given what is known, which stays as it is.

    mask: Where images are to be filled, white: one for each, of the same name and size, or one
        for all.
    keep: Half of every image that is known: upper, lower, left or right.
    given: How much is known from the start: frames of a video (by default as many as a model goes
        on from), lines of an image, symbols of a text.
    draws: Times to fill every masked region, each anew; 1, or for an interval 100.
    interval: Of rows say between what each filled value lies with this probability, such as 0.9, in
        one table.
    seed: The same seed gives the same values.

    What is transparent in an image is missing as well. In a table, values are drawn one after the
    other, each given those before it and that it is not missing; with an interval a masked region
    gets the middle one of its draws, or of a category the most frequent, and beside it how probable
    that is.

    Example: ganvas complete runs/inpainter-photos photos/ --mask masks/ --out whole/
    """
    if draws is not None and draws < 1:
        raise InputError(f"{flag('draws')} is {draws}; ask for at least one")
    with seeded_rng(seed):
        if isinstance(x, Masked):
            if interval is not None:
                raise InputError(
                    f"{flag('interval')} is for rows of tables; ask for several {flag('draws')}"
                    " instead"
                )
            if isinstance(model, Predicts) and mask is None and keep is None and given is None:
                x = after_beginning(x, model.space, model.given)
            return _completed(model, with_missing(x, model.space, mask, keep, given), draws or 1)
        if mask or keep or given is not None:
            raise InputError(
                f"{flag('mask')}, {flag('keep')} and {flag('given')} are for images; in a table,"
                " leave cells empty"
            )
        if not isinstance(model.space, Tokens):
            raise InputError(
                "this model knows rows as numbers, with no word for a masked region; train made to"
                " complete tables"
            )
        return _filled(model, x, draws, interval)


def _completed(model: Completes, x: Masked, draws: int) -> Completed:
    """Images and whatever else lies on a grid, those of one size together; of large images what
    is near a masked region."""
    refuse_other_sizes(model, x)
    windows = [window_around(known) if model.any_size else (...,) for known in x.known]
    seen = replace(
        x,
        x=[one[w] for one, w in zip(x.x, windows, strict=True)],
        known=[known[w] for known, w in zip(x.known, windows, strict=True)],
    )
    filled = [[one.cpu().clone() for one in x.x] for _ in range(draws)]
    parts = [
        (draw, rows) for draw in range(draws) for rows in batches(seen, batch_size(model.space))
    ]
    for draw, rows in with_progress(
        parts, draws * len(x.x), "filling", lambda part: len(part[1]), 0
    ):
        own, known = (torch.stack([given[i] for i in rows]) for given in (seen.x, seen.known))
        made = model.complete(own, known)
        for i, one in zip(rows, torch.where(known, own, made), strict=True):
            filled[draw][i][windows[i]] = one.cpu()
    return Completed(x, tuple(filled))


def _filled(
    model: Completes, x: Given, draws: int | None, interval: float | None
) -> Imputed | ImputationIntervals:
    """Rows of tables, those with the same masked regions together."""
    incomplete = (~x.known.all(1)).nonzero().flatten()
    alike = x.known[incomplete].unique(dim=0, return_inverse=True)[1].argsort()
    some = [rows for rows in incomplete[alike].split(batch_size(model.space)) if len(rows)]
    if interval is not None:
        return ImputationIntervals(x, _between(model, x, some, draws, check_level(interval)))
    filled = x.codes.repeat(draws or 1, 1, 1)
    parts = [(draw, rows) for draw in range(len(filled)) for rows in some]
    for draw, rows in with_progress(
        parts, len(filled) * len(incomplete), "filling", size=lambda part: len(part[1])
    ):
        filled[draw, rows] = model.complete(x.codes[rows], x.known[rows], x.fits)
    return Imputed(x, tuple(filled))


def _between(
    model: Completes, x: Given, parts: list[Tensor], draws: int | None, level: float
) -> Interval:
    """What so many draws of every masked region say of it."""
    draws = max(DRAWS, draws_needed(level)) if draws is None else draws
    if draws < draws_needed(level):
        raise InputError(
            f"{flag('interval', level)} needs {draws_needed(level)} draws at least, and"
            f" {flag('draws')} is {draws}"
        )
    said = np.full((4, *x.codes.shape), np.nan)
    smaller = [
        rows for part in parts for rows in part.split(max(batch_size(model.space) // draws, 1))
    ]
    for rows in with_progress(smaller, sum(map(len, parts)), "filling"):
        codes, known = (given[rows].repeat(draws, 1) for given in (x.codes, x.known))
        made = x.measure(model.complete(codes, known, x.fits))
        own = interval_of_draws(made.x.reshape(draws, len(rows), -1), made.categories, level)
        missing = ~x.known[rows].cpu().numpy()
        said[:, rows.cpu().numpy()] = [
            np.where(missing, getattr(own, field), np.nan) for field in FIELDS
        ]
    return Interval(level, *said)
