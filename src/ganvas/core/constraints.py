"""What a person may constraint of new examples, and what modalities do that understand it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from ..runtime.errors import InputError


@dataclass(frozen=True)
class Constraint:
    """What every new example shall be.

    words: As it was asked for.
    holds: Whether each of these examples, (B, ...) and settled, meets it: boolean, (B,).
    resolve: Decides what is left to chance in examples (B, *space.shape), so that each is delivered
        the same whatever comes with it: (B, ...), longer than they were.
    allowed: Of places of `Tokens`, which of their symbols can meet it: boolean, (alphabet,). Every
        example that holds is allowed; not every one that is allowed holds.
    marks: What may not come twice, int64 (B, marks), 0 where it may; None where everything may.
    """

    words: str
    holds: Callable[[Tensor], Tensor]
    resolve: Callable[[Tensor], Tensor]
    allowed: Mapping[int, Tensor] = field(default_factory=dict)
    marks: Callable[[Tensor], Tensor] | None = None

    def __and__(self, other: Constraint) -> Constraint:
        """Both. Raises InputError where they rule each other out."""
        words, allowed = f"{self.words} and {other.words}", dict(self.allowed)
        for place, mask in other.allowed.items():
            allowed[place] = mask & allowed.get(place, mask)
            if not allowed[place].any():
                raise InputError(f"nothing can meet {words}; ask for less")
        marks = self.marks or other.marks
        if self.marks and other.marks:
            both = (self.marks, other.marks)

            def marks(x: Tensor) -> Tensor:
                return torch.cat([own(x) for own in both], 1)

        return Constraint(
            words, lambda x: self.holds(x) & other.holds(x), self.resolve, allowed, marks
        )


def combine(constraints: Sequence[Constraint | None]) -> Constraint | None:
    """All the constraints there are as one; None where there is none."""
    return (
        reduce(lambda a, b: a & b, found)
        if (found := [w for w in constraints if w is not None])
        else None
    )


@dataclass(frozen=True)
class Balance:
    """The levels of a column, each as a constraint.

    place: The column's place among the codes of rows.
    """

    column: str
    place: int
    constraints: tuple[Constraint, ...]


@dataclass(frozen=True)
class Marginals:
    """How frequent the values of some columns shall be.

    words: Like what.
    codes: The codes of these columns in examples (B, ...), int64 (B, columns).
    shares: How frequent each code of each column shall be, float64 (codes,), summing to one.
    """

    words: str
    codes: Callable[[Tensor], Tensor]
    shares: tuple[Tensor, ...]


class Queryable(ABC):
    """A modality whose examples can be wished for in words."""

    @abstractmethod
    def balance(self, option: str, column: str) -> Balance:
        """Every level of a column. Raises InputError where it has no levels, or too many."""

    @abstractmethod
    def marginals(self, source: Any) -> Marginals:
        """The values of the columns that a source has. Raises InputError where it has none that
        were learned."""

    @abstractmethod
    def constraint(self, option: str, words: Sequence[str], learned_from: Any = None) -> Constraint:
        """What was said with an option such as `where`, once or several times, as one constraint.
        Raises InputError.

        learned_from: The data of the training, where it is at hand.
        """
