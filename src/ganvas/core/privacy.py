"""Differential privacy: what a model promises about each of the examples it learns from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True)
class Promise:
    """(epsilon, delta)-differential privacy: with one example more or less in the data, no set of
    trained weights becomes more than e^epsilon times as likely, but for a probability of delta
    (Dwork & Roth, 2014, definition 2.4).

    noise: Standard deviation of the noise, in multiples of what one example may contribute to a
        gradient.
    """

    epsilon: float
    delta: float
    noise: float

    def __str__(self) -> str:
        spent = f"epsilon {self.epsilon:.2f}, delta {self.delta:.1e}, by noise of {self.noise:.2f}"
        return (
            f"{spent}: holds for the weights and all that is made of them; not for the ranges,"
            " levels and bins that were read from the data, nor for the log and figures of losses"
            " and quality"
        )


class Private(ABC):
    """A model that can learn with differential privacy."""

    epsilon: float
    """What the person asked for; 0 for learning without."""

    delta: float

    @abstractmethod
    def protect(self, promise: Promise, batch: int) -> None:
        """From here on keeps a promise that was worked out for steps of an expected `batch`
        examples, of which each
        takes part with the same probability: steps add the noise that it says."""
