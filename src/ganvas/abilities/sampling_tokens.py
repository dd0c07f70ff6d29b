"""SamplesTokens: new examples are made token by token, as boldly as one likes."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from ..core.decoding import DecodingOptions
from ._base import Lesson
from .sampling import Samples


class SamplesTokens(Samples):
    """Makes new examples token by token, and can be told how boldly."""

    preview_rows = 1  # token by token takes its time

    lesson = Lesson(options={"width": 64, "depth": 2, "latent": 8})
    """Does as much at each place as other models do for an example."""

    @abstractmethod
    def sample_tokens(self, n: int, y: Tensor | None, how: DecodingOptions) -> Tensor:
        """`sample`, steered. Raises InputError for what the model, as it was trained, cannot
        heed."""
