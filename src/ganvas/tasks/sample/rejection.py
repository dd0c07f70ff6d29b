"""Drawing examples that meet a constraint: by completion where the model can, by rejection where
not."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

import numpy as np
import torch
from torch import Tensor

from ...abilities import Samples, StartsConditionally
from ...core import Constraint, InputError, Space

TRIES = 100
"""Examples drawn for each one wanted, and..."""
GRACE = 2**17
"""...so many more, before a constraint is given up."""


@dataclass
class Tally:
    """How the meeting of a constraint went so far.

    wanted, found: Examples, over all parts.
    kept, tried: Of those drawn, how many met the constraint.
    likely: Of all there are, the share that is tried at all: those whose first place is as it shall
        be.
    completed: Whether the rest of their places was completed after those that something was asked
        of.
    """

    constraint: Constraint
    wanted: int
    found: int = 0
    kept: int = 0
    tried: int = 0
    likely: float = 1.0
    completed: bool = False

    @property
    def words(self) -> str:
        """Which way was used, and what share was accepted."""
        share = self.kept / max(self.tried, 1)
        if self.completed:
            return (
                f"by completion: {self.likely:.3g} of all were begun, {share:.1%} of these accepted"
            )
        return f"by rejection: {share:.2%} of what was drawn accepted"

    @property
    def likelihood(self) -> str:
        """How likely an example is to meet the constraint, as far as was seen."""
        share = self.likely * max(self.kept, 1) / max(self.tried, 1)
        return f"{'about' if self.kept else 'less than'} 1 in {1 / share:,.0f}"


class Seen:
    """What came already and may not come twice: 8 bytes of each."""

    def __init__(self) -> None:
        self.columns: list[np.ndarray] = []

    def new(self, marks: Tensor, most: int) -> Tensor:
        """Numbers of the first `most` rows none of whose marks (B, columns) came before; these come
        from now on."""
        columns = marks.cpu().numpy().T
        self.columns = self.columns or [np.empty(0, np.int64) for _ in columns]
        fresh = np.ones(len(marks), bool)
        for own, old in zip(columns, self.columns, strict=True):
            first = np.zeros(len(own), bool)
            first[np.unique(own, return_index=True)[1]] = True
            fresh &= (first & ~_among(own, old)) | (own == 0)
        rows = np.flatnonzero(fresh)[:most]
        self.columns = [
            np.union1d(old, own[rows][own[rows] != 0])
            for own, old in zip(columns, self.columns, strict=True)
        ]
        return torch.from_numpy(rows).to(marks.device)


def _among(values: np.ndarray, sorted: np.ndarray) -> np.ndarray:
    """Which values are among sorted ones."""
    if not len(sorted):
        return np.zeros(len(values), bool)
    result: np.ndarray = sorted[sorted.searchsorted(values).clip(max=len(sorted) - 1)] == values
    return result


def batch_size(space: Space) -> int:
    """How many examples are best drawn together."""
    return min(max(256, 2**18 // prod(space.shape)), 2**14)


def sample_meeting(
    model: Samples, n: int, tally: Tally, seen: Seen, y: Tensor | None, truncation: float | None
) -> Tensor:
    """Draws `n` examples that meet the tally's constraint, settled, shape (n, ...), and counts what
    it took.

    seen: What may not come again.
    y: What all of them shall be, shape (1, *condition.shape), where the model takes a condition.

    Raises InputError where too few are found.
    """
    constraint, found = tally.constraint, list[Tensor]()
    tried, missing = 0, n
    while missing:
        if tried > TRIES * n + GRACE:
            raise InputError(
                f"found {tally.found:,} of {tally.wanted:,} with {constraint.words} in"
                f" {tally.tried:,} tries; to the model that is {tally.likelihood}: ask for fewer,"
                " or for what is likelier"
            )
        share = (tally.kept + 1) / (tally.tried + 1)
        size = min(max(ceil(1.1 * missing / share), 256), batch_size(model.space))
        x = constraint.resolve(_proposed(model, size, tally, y, truncation))
        x = x[constraint.holds(x)] if len(x) else x
        if constraint.marks:
            x = x[seen.new(constraint.marks(x), missing)]
        tried, tally.tried, tally.kept = tried + size, tally.tried + size, tally.kept + len(x)
        found.append(x[:missing])
        missing, tally.found = missing - len(found[-1]), tally.found + len(found[-1])
    return torch.cat(found)


def _proposed(
    model: Samples, n: int, tally: Tally, y: Tensor | None, truncation: float | None
) -> Tensor:
    """What is left of `n` examples once the places of which something is asked alone are as they
    shall be."""
    if not isinstance(model, StartsConditionally) or not tally.constraint.allowed:
        return model.sample(n, None if y is None else y.expand(n, *y.shape[1:]), truncation)
    begun = model.conditional_start(n, tally.constraint.allowed)
    tally.completed, tally.likely = True, begun.likely
    kept = torch.rand(n, device=begun.x.device) < begun.keep
    return model.complete(begun.x[kept], begun.known[kept])
