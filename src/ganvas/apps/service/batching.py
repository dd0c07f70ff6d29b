"""Examples of several requests in one pass, of which each comes out as it would alone, to the last
bit.

Kernels are chosen by the size of a batch, and some add in another order than others. So sizes are
tried, and only those are used that agree in every bit on examples of the model's space, wherever an
example stands among the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...core import Space, seeded_rng

ScoreFunction = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class ForwardBatcher:
    """Weighs any number of examples in passes of sizes that agree; where there are none, as they
    come.

    sizes: In order; the largest is how many examples a pass has at most, and passes are filled up
        to one of them.
    """

    score_with_attribution: ScoreFunction
    sizes: tuple[int, ...] = ()

    @torch.no_grad()
    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (B,) and what places add (B, *places), on the CPU, of examples (B, ...)."""
        parts = (
            [self._one(part) for part in x.split(self.sizes[-1])]
            if self.sizes
            else [self.score_with_attribution(x)]
        )
        scores, attribution = (
            torch.cat([value.float().cpu() for value in values])
            for values in zip(*parts, strict=True)
        )
        return scores, attribution

    def _one(self, x: Tensor) -> tuple[Tensor, Tensor]:
        size = next(size for size in self.sizes if size >= len(x))
        filled = x if size == len(x) else torch.cat([x, x[-1:].expand(size - len(x), *x.shape[1:])])
        scores, attribution = self.score_with_attribution(filled)
        return scores[: len(x)], attribution[: len(x)]


def tried(weigh: ScoreFunction, space: Space, most: int) -> ForwardBatcher:
    """Passes of at most so many examples, of the sizes that agree with that; as they come where
    none does."""
    if most < 2:
        return ForwardBatcher(weigh)
    sizes = [2**i for i in range(most.bit_length()) if 2**i < most] + [most]
    with seeded_rng(0), torch.no_grad():
        x = space.draw(torch.randn(most, *space.raw))
        whole = weigh(x)
        good = [
            size
            for size in sizes
            if all(_agrees(weigh, x, whole, part) for part in _ends(size, most))
        ]
    return ForwardBatcher(weigh, tuple(_upper(sizes, good)))


def _ends(size: int, most: int) -> list[slice]:
    return [slice(0, size), slice(most - size, most)]


def _agrees(weigh: ScoreFunction, x: Tensor, whole: tuple[Tensor, Tensor], part: slice) -> bool:
    return all(
        torch.equal(own, of_all[part]) for own, of_all in zip(weigh(x[part]), whole, strict=True)
    )


def _upper(sizes: list[int], good: list[int]) -> list[int]:
    """The sizes from the largest down to the first that does not agree: kernels change at
    thresholds."""
    wrong = [size for size in sizes if size not in good]
    return [size for size in sizes if not wrong or size > wrong[-1]]
