"""Latent traversal: vary one latent at a time, to see what it means."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ..abilities import Decodes, Encodes, Generates, Samples
from ..core import InputError, seeded_rng
from ..core.options import Label
from ..results.frames import Frames
from ..runtime.console import stderr_console
from ..runtime.errors import flag
from ._progress import with_progress
from .embed.latents import encode_all

AT_ONCE = 256
FARTHEST = 1_000_000  # standard deviations, or latents, that are asked for
DRAWN = 4096  # latents that tell how wide a prior is


def traverse(
    model: Decodes,
    x: Tensor | None = None,
    *,
    steps: int = 11,
    reach: float = 3.0,
    most: int = 10,
    example: int = 0,
    label: Label | None = None,
    seed: int | None = None,
) -> Frames:
    """Walks along each latent while all others stay as they are (Higgins et al., 2017, figure 1).

    steps: Stops on each walk, both ends included.
    reach: How far each walk goes to either side of the middle, in standard deviations.
    most: Latents that are shown; those that change the example most come first.
    example: Place, from 0, of the given example to start at.
    label: What the example shall be, where the model learned labels; by default the first of them.
    seed: Start at a new example that this seed draws, where none are given; without, at the middle
        of the prior.

    Middle and standard deviation are those of the prior, or of a model without one those of the
    given examples' latents. How much a latent changes is the mean squared difference between
    neighbouring stops.

    Example: ganvas traverse runs/vae-photos photos/ --out latents/
    """
    _check(steps, reach, most)
    with seeded_rng(seed or 0):
        start, middle, width = _latent(model, x, example, seed)
    along = middle + torch.linspace(-reach, reach, steps, device=width.device)[:, None] * width
    walk = partial(_walks, model, start, along, _asked(model, label), seed or 0)
    numbers = torch.arange(len(width))
    change = torch.cat(
        [
            _change(walk(some))
            for some in with_progress(numbers.split(AT_ONCE), len(width), "walking")
        ]
    )
    rows = change.argsort(descending=True, stable=True)[:most]
    names = tuple(f"z{i}" for i in rows.tolist())
    stderr_console(highlight=False).print(f"from the top: {', '.join(names)}", soft_wrap=True)
    return Frames(walk(rows), names)


def _check(steps: int, reach: float, most: int) -> None:
    if steps < 2:
        raise InputError(f"{flag('steps')} is {steps}; a walk has at least its two ends")
    for name, value in (("reach", reach), ("most", most)):
        if not 0 < value < FARTHEST:
            raise InputError(
                f"{flag(name)} is {value}; it must be above zero and below {FARTHEST:,}"
            )


def _asked(model: Decodes, label: int | None) -> Tensor | None:
    """What every example on the walks is asked to be, (1, 1), of a model that can be asked."""
    can = isinstance(model, Samples) and model.condition is not None
    return torch.full((1, 1), label or 0) if can else None


def _latent(
    model: Decodes, x: Tensor | None, example: int, seed: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Where to start, of a latent's shape; and of each of its D numbers the middle and the standard
    deviation, (D,)."""
    z = None if x is None else _found(model, x)
    prior = model.prior(DRAWN).float() if isinstance(model, Generates) else None
    if z is not None and not 0 <= example < len(z):
        raise InputError(f"{flag('example')} is {example}; there are {len(z)}, counted from 0")
    known = prior if prior is not None else z
    if known is None or len(known) < 2:
        raise InputError(
            "give at least two examples, to tell how far latents reach: this model makes none by"
            " itself"
        )
    middle, width = known.mean(0), known.flatten(1).std(0)
    start = z[example] if z is not None else known[0] if seed is not None else middle
    return start, middle.flatten(), width


def _found(model: Decodes, x: Tensor) -> Tensor:
    if not isinstance(model, Encodes):
        raise InputError(
            "this model finds no latents of given examples; leave them out to start at the prior's"
            " middle"
        )
    return encode_all(model, x)


def _walks(
    model: Decodes, start: Tensor, along: Tensor, y: Tensor | None, seed: int, rows: Tensor
) -> Tensor:
    """Walks along the numbers `rows` of a latent, (steps, rows, *space.shape).

    start: The latent, of any shape.
    along: Where each of its D numbers is at each stop, (steps, D).

    What a model leaves to chance falls the same at every stop.
    """
    stops = []
    for stop in along:
        z = start.flatten().repeat(len(rows), 1)
        z[torch.arange(len(rows)), rows] = stop[rows]
        with seeded_rng(seed):
            stops.append(
                model.decode(
                    z.unflatten(1, start.shape), None if y is None else y.expand(len(rows), 1)
                ).cpu()
            )
    return torch.stack(stops)


def _change(walks: Tensor) -> Tensor:
    """Mean squared difference between neighbouring stops of walks (steps, rows, ...), (rows,)."""
    return (walks[1:].float() - walks[:-1].float()).square().flatten(2).mean((0, 2))
