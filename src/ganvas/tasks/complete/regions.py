"""What is missing of examples that lie on a grid: what masks say, halves, all that comes after a
beginning."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ...abilities import Completes
from ...core import InputError, Mask, Masked, Space, Tokens
from ...runtime.errors import flag

Side = Literal["upper", "lower", "left", "right"]

AT_ONCE = 2**19
"""Values that are completed at a time."""

CONTEXT, GRID = 128, 16
"""Pixels around a masked region that are looked at; and what windows begin and end at multiples of,
as networks halve them."""


def with_missing(
    x: Masked, space: Space, mask: Mask | None, keep: Side | None, given: int | None
) -> Masked:
    """Examples of a space, and missing also what a mask covers, the other half, and what comes
    after the first places.

    Raises InputError where nothing of any is missing then.
    """
    x = x if mask is None else x.but(mask)
    if keep is not None:
        x = replace(
            x, known=[_within(known, space, lambda sides: half(sides, keep)) for known in x.known]
        )
    if given is not None:
        x = replace(
            x,
            known=[
                _within(known, space, lambda sides: beginning(sides, given)) for known in x.known
            ],
        )
    if all(known.all() for known in x.known):
        raise InputError(
            f"nothing is missing; say what is, with {flag('mask')}, {flag('keep')} or"
            f" {flag('given')}, or by transparent pixels"
        )
    return x


def after_beginning(x: Masked, space: Space, given: int) -> Masked:
    """Examples of which nothing is missing, known only to their first so many places; the others as
    they are."""
    own = [
        _within(known, space, lambda sides: beginning(sides, given)) if known.all() else known
        for known in x.known
    ]
    return replace(x, known=own)


def half(sides: tuple[int, ...], keep: Side) -> Tensor:
    """Which places of a grid (..., H, W) lie in one half of it, boolean, shaped like the grid."""
    if keep not in get_args(Side):
        raise InputError(f"{flag('keep')} is {keep!r}; it is one of {', '.join(get_args(Side))}")
    if len(sides) < 2:
        raise InputError(f"{flag('keep')} is for images, which have halves; use {flag('given')}")
    axis = -2 if keep in ("upper", "lower") else -1
    place = torch.arange(sides[axis])
    first = place < (sides[axis] + 1) // 2
    own = first if keep in ("upper", "left") else place >= sides[axis] // 2
    return (own[:, None] if axis == -2 else own).expand(sides)


def beginning(sides: tuple[int, ...], given: int) -> Tensor:
    """Which places of a grid are among the first so many along its first side, boolean, shaped like
    the grid."""
    if not 0 <= given < sides[0]:
        raise InputError(
            f"{flag('given')} is {given}; it must be below {sides[0]}, which is all there is"
        )
    return (torch.arange(sides[0]) < given).view(-1, *[1] * (len(sides) - 1)).expand(sides)


def _within(known: Tensor, space: Space, part: Callable[[tuple[int, ...]], Tensor]) -> Tensor:
    """What of an example's known places lies in a part of the grid, shaped like `known`."""
    sides = _sides(known, space)
    return (known.view(-1, *sides) & part(sides).to(known.device)).view_as(known)


def _sides(known: Tensor, space: Space) -> tuple[int, ...]:
    """The sides of the grid that an example's places lie on: time before height before width; none
    of channels."""
    if isinstance(space, Tokens):
        return space.grid or (space.length,)
    return tuple(known.shape[1:]) or tuple(known.shape)


def refuse_other_sizes(model: Completes, x: Masked) -> None:
    """Raises InputError for an example of a size that a model cannot complete."""
    for name, one in zip(x.names, x.x, strict=True):
        if tuple(one.shape) != model.space.shape and not model.any_size:
            wide, high = one.shape[-1], one.shape[-2]
            fit = " × ".join(map(str, model.space.shape[:0:-1]))
            raise InputError(
                f"{name} is {wide} × {high} pixels, and this model completes {fit} alone; use"
                " inpainter"
            )


def window_around(known: Tensor) -> tuple[Any, ...]:
    """The window of an image (..., H, W) that holds all that is missing, and what is near it; all
    where nothing is."""
    window: list[Any] = [...]
    for axis, length in zip((-2, -1), known.shape[-2:], strict=True):
        missing = (~known).transpose(axis, 0).flatten(1).any(1).nonzero().flatten().tolist() or [
            0,
            length - 1,
        ]
        first, last = max(missing[0] - CONTEXT, 0) // GRID * GRID, missing[-1] + CONTEXT
        window.append(slice(first, min((last // GRID + 1) * GRID, length)))
    return tuple(window)


def batches(x: Masked, most: int) -> Iterator[list[int]]:
    """Numbers of examples that have masked regions, those of one size together, at most so many, of
    larger sizes fewer."""
    alike = defaultdict[tuple[int, ...], list[int]](list)
    for number, (one, known) in enumerate(zip(x.x, x.known, strict=True)):
        if not known.all():
            alike[tuple(one.shape)].append(number)
    for shape, rows in alike.items():
        some = max(min(most, AT_ONCE // max(torch.Size(shape).numel(), 1)), 1)
        yield from (rows[i : i + some] for i in range(0, len(rows), some))
