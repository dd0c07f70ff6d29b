"""ScoresPrompts: how well examples fit what was asked of them."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from .sampling import Samples


class ScoresPrompts(Samples):
    """Knows how well examples fit what was asked of them."""

    @abstractmethod
    def prompt_score(self, x: Tensor, y: Tensor) -> Tensor:
        """How much a condition (B, *condition.shape) tells about each example, log p(x | y) / p(x)
        in nats, (B,)."""
