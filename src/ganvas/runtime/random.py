"""Random numbers that can be had again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def seeded_generator(*numbers: int) -> torch.Generator:
    """A generator of its own for these numbers (a seed and a place), independent of the global
    one."""
    mixed = 0
    for number in numbers:
        mixed = (mixed * 6364136223846793005 + number + 1442695040888963407) % 2**63
    return torch.Generator().manual_seed(mixed)


def fresh_seed() -> int:
    """A seed that nobody said, of new entropy; the global generator is left as it is."""
    return torch.Generator().seed() % 2**63


@contextmanager
def seeded_rng(seed: int | None, part: int = 0) -> Iterator[None]:
    """Inside, global random numbers start from `seed`, or from new entropy; outside, nothing has
    happened.

    part: The same seed starts them elsewhere for every part of what is drawn.
    """
    with torch.random.fork_rng():
        if seed is None:
            torch.seed()
        else:
            torch.manual_seed(seeded_generator(seed, part).initial_seed() if part else seed)
        yield
