"""Anomaly scores of examples, what is normal beside them, and what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from .examples import NamedExamples

ScoreFunction = Callable[[Tensor], tuple[Tensor, Tensor]]
"""`Scores.weigh` of a model."""


@dataclass(frozen=True)
class Scored:
    """Examples x, (n, ...), where each came from, its score (n,), and what each of its places adds,
    (n, *places)."""

    x: Tensor
    names: list[str]
    scores: Tensor
    attribution: Tensor


@dataclass(frozen=True)
class ScoredStream:
    """Examples of any number of sources, which are read as they are weighed, in parts: from the
    start at every call.

    apart: How many examples each of several people brought, where these come as one part: what is
        found among one's examples has nothing to do with the others'.
    """

    weighed: Callable[[ScoreFunction], Iterator[Scored]]
    apart: tuple[int, ...] = ()


@dataclass(frozen=True)
class ReferenceScores:
    """What is normal to a model.

    scores: Of examples that it did not learn from, (N,).
    attribution: What each place adds to these on average, (*places).
    learned_from: Some that it did learn from, on the CPU; none where they are not at hand. Asked
        for when the first example is found.
    vectors: Maps examples to vectors (n, D) whose distances mean something.
    """

    scores: Tensor
    attribution: Tensor
    learned_from: Callable[[], NamedExamples]
    vectors: Callable[[Tensor], Tensor]

    @cached_property
    def ranked(self) -> Tensor:
        """The scores, in order."""
        return self.scores.sort().values

    @cached_property
    def _learned(self) -> NamedExamples:
        return self.learned_from()

    @property
    def examples(self) -> Tensor:
        """Some that the model did learn from, (M, *space.shape)."""
        return self._learned.x

    @property
    def names(self) -> list[str]:
        """Where these came from."""
        return self._learned.names

    @cached_property
    def known(self) -> Tensor:
        """Vectors of the examples, (M, D)."""
        return self.vectors(self.examples)


@dataclass(frozen=True)
class Detected:
    """How anomalous examples x, (n, ...), are beside normal ones, and why.

    scores: The model's, (n,); higher is more anomalous.
    p: Share of normal examples that are as anomalous, (n,).
    found: Which are called anomalous, boolean (n,).
    attribution: What each place adds to the score beyond what is normal, (n, *places).
    nearest: Of what was found, the number of the nearest normal example, (n,); -1 for the rest, or
        where none are at hand.
    """

    x: Tensor
    names: list[str]
    scores: Tensor
    p: Tensor
    found: Tensor
    attribution: Tensor
    nearest: Tensor
