"""Examples of several requests in one batch, of which each is scored as it would be alone, to the
last bit.

Kernels are chosen by the size of a batch, and some add in another order than others. So sizes are
tried, and only those are used that agree in every bit on examples of the model's space, wherever an
example stands in the batch.
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
    """Scores any number of examples in batches of sizes that agree; where there are none, in one.

    sizes: In order; a batch has at most the largest, and is padded to one of them.
    """

    score_with_attribution: ScoreFunction
    sizes: tuple[int, ...] = ()

    @torch.no_grad()
    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (B,) and attributions (B, *places), on the CPU, of examples (B, ...)."""
        if self.sizes:
            parts = [self._score_padded(part) for part in torch.split(x, self.sizes[-1])]
        else:
            parts = [self.score_with_attribution(x)]
        scores = torch.cat([scores.float().cpu() for scores, _ in parts])
        attribution = torch.cat([attribution.float().cpu() for _, attribution in parts])
        return scores, attribution

    def _score_padded(self, x: Tensor) -> tuple[Tensor, Tensor]:
        size = next(size for size in self.sizes if size >= len(x))
        padding = x[-1:].expand(size - len(x), *x.shape[1:])
        padded = torch.cat([x, padding]) if len(padding) else x
        scores, attribution = self.score_with_attribution(padded)
        return scores[: len(x)], attribution[: len(x)]


def build_batcher(score: ScoreFunction, space: Space, largest: int) -> ForwardBatcher:
    """Batches of at most so many examples, of the sizes that agree with that; one batch of any size
    where none does."""
    if largest < 2:
        return ForwardBatcher(score)
    sizes = [2**i for i in range(largest.bit_length()) if 2**i < largest] + [largest]
    with seeded_rng(0), torch.no_grad():
        x = space.draw(torch.randn(largest, *space.raw))
        whole = score(x)
        agreeing = [size for size in sizes if _agrees_at_both_ends(score, x, whole, size)]
    return ForwardBatcher(score, tuple(_largest_sizes(sizes, agreeing)))


def _agrees_at_both_ends(
    score: ScoreFunction, x: Tensor, whole: tuple[Tensor, Tensor], size: int
) -> bool:
    """Whether batches of a size, the first and the last, score as the whole does."""
    ends = slice(0, size), slice(len(x) - size, len(x))
    return all(_agrees(score, x, whole, part) for part in ends)


def _agrees(score: ScoreFunction, x: Tensor, whole: tuple[Tensor, Tensor], part: slice) -> bool:
    pairs = zip(score(x[part]), whole, strict=True)
    return all(torch.equal(own, of_all[part]) for own, of_all in pairs)


def _largest_sizes(sizes: list[int], agreeing: list[int]) -> list[int]:
    """The sizes from the largest down to the first that does not agree: kernels change at
    thresholds."""
    wrong = [size for size in sizes if size not in agreeing]
    return [size for size in sizes if not wrong or size > wrong[-1]]
