"""StartsConditionally: how likely it is that a few places are as somebody asks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from .completing import Completes


class ConditionalStart(NamedTuple):
    """Examples of which a few places were drawn.

    x: (n, *space.shape); what lies elsewhere means nothing yet.
    known: Which places were drawn, boolean, like x.
    keep: With what probability each is to be kept for them to be distributed as the model has it,
        (n,).
    likely: How likely the first of these places is to be allowed: the rest of the likelihood is in
        `keep`.
    """

    x: Tensor
    known: Tensor
    keep: Tensor
    likely: float


class StartsConditionally(Completes):
    """Fills in what is missing, and knows how likely it is that a few places alone are as somebody
    asks."""

    @abstractmethod
    def conditional_start(self, n: int, allowed: Mapping[int, Tensor]) -> ConditionalStart:
        """Draws the places of which something is asked, and these alone, among their allowed
        symbols (alphabet,)."""
