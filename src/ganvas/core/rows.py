"""Rows of tables: as a person gave them, holes and all, and what the modality does that reads and writes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Given:
    """Rows as they were given.

    codes: What is in them, int64 (B, columns): the examples of a space of `Tokens`. Means nothing in a hole.
    known: Where there is something, boolean (B, columns).
    fits: Of places, which symbols may fill a hole, boolean (alphabet,), where not all may: none stays missing.
    rows: The rows themselves, which only the modality looks into.
    form: What they came as, as the modality calls it.
    """

    codes: Tensor
    known: Tensor
    fits: Mapping[int, Tensor]
    rows: Any
    form: str

    def to(self, device: torch.device) -> Given:
        return replace(self, codes=self.codes.to(device), known=self.known.to(device))


class Rowwise(ABC):
    """A modality whose examples are rows of tables, which can be finished one part after the other."""

    @abstractmethod
    def given(self, source: Any) -> Given:
        """Opens rows that may lack values and whole columns. Raises InputError on bad input."""

    @abstractmethod
    def filled(self, given: Given, x: Tensor) -> Any:
        """Given rows as a table, their holes filled from examples (B, *space.shape), all else as it was."""

    @abstractmethod
    def finish(self, parts: Iterable[Tensor]) -> Iterator[Any]:
        """Parts of examples, (b, ...) and settled or not, as tables that together are one: identifiers go on."""

    @abstractmethod
    def collect(self, tables: Iterable[Any], form: str | None = None) -> Any:
        """Tables as one, as a person in Python wants it: in the form that rows were given in, or were learned from."""

    @abstractmethod
    def save(self, tables: Iterable[Any], target: Path) -> Path:
        """Writes tables one after the other into a file, of which no more than one is held; returns the file."""
