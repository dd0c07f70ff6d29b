"""Rows of tables: as a person gave them, missing values and all, and what the modality does that
reads and writes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from .inputs import Input
from .intervals import Interval, Measure
from .modality import Items

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Features:
    """Rows as numbers x, float64 (N, columns), nan where missing; and which columns hold
    categories."""

    x: np.ndarray
    categories: tuple[bool, ...]


@dataclass(frozen=True)
class Given(Input):
    """Rows as they were given.

    codes: What is in them, int64 (B, columns): the examples of a space of `Tokens`. Means nothing
        in a missing value.
    known: Where there is something, boolean (B, columns).
    fits: Of places, which symbols may fill a missing value, boolean (alphabet,), where not all may:
        none stays missing.
    rows: The rows themselves, which only the modality looks into.
    form: What they came as, as the modality calls it.
    held_out: Which of them the model's training held out, or would have, boolean (B,): never
        learned from.
    features: These rows as numbers but for one column (by name), or where examples are given,
        those.
    measure: `Modality.measure`.
    """

    refusal: ClassVar[str] = "{asker} is for rows of tables, and these are {data}"

    codes: Tensor
    known: Tensor
    fits: Mapping[int, Tensor]
    rows: Any
    form: str
    held_out: Tensor
    features: Callable[[Tensor | None, str], Features]
    measure: Measure

    def to(self, device: torch.device) -> Given:
        return replace(self, codes=self.codes.to(device), known=self.known.to(device))


class Tabular(ABC):
    """A modality whose examples are rows of tables, which can be finished one part after the
    other."""

    @abstractmethod
    def extended(self, given: Given, x: Tensor) -> pa.Table:
        """Given rows as a table, as they were, and below them examples (n, ...)."""

    @abstractmethod
    def filled(self, given: Given, x: Tensor) -> pa.Table:
        """Given rows as a table, their missing values filled from examples (B, *space.shape), all
        else as it was."""

    @abstractmethod
    def ranged(self, between: Interval, given: Given | None = None) -> pa.Table:
        """What values are held to be as a table, and beside each column, where something is said of
        it, its low and high or its probability. Of given rows what was known stays, and only of
        missing values something is said."""

    @abstractmethod
    def tables(self, parts: Iterable[Tensor]) -> Iterator[pa.Table]:
        """Parts of examples, (b, ...) and settled or not, as tables that together are one:
        identifiers go on."""

    @abstractmethod
    def to_python(self, items: Items, form: str | None = None) -> Any:
        """`Modality.to_python`, of tables too: as one."""
