"""What a task gives: it says by itself what it is in Python, in files, in figures and as tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import torch

from ..runtime.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from .modality import Modality

Part = TypeVar("Part")

Tell = Callable[[dict[str, Any]], None]
"""Told every finding of a result that has no end, as it is found."""

WORTH_SAYING = 12  # numbers of a list


def tell_nothing(found: dict[str, Any]) -> None:
    """For those who wait for nothing."""


class Parts(Generic[Part]):
    """Parts of a result, which are computed when they are asked for, and again when they are asked
    for again: the same ones, in constant memory.

    make: Begins to compute them, each time from the start: what it draws, it draws from a seed.
    endless: Whether more may come at any time; then they can be read once.
    """

    def __init__(self, make: Callable[[], Iterable[Part]], endless: bool = False) -> None:
        self.make, self.endless, self._begun = make, endless, False

    def __iter__(self) -> Iterator[Part]:
        """Raises InputError where they have no end and were read before."""
        if self.endless and self._begun:
            raise InputError("what comes without end can be read once; ask for it again")
        self._begun = True
        return self._computed()

    def _computed(self) -> Iterator[Part]:
        """What model and modality compute, they compute without gradients, whoever reads."""
        with torch.no_grad():
            parts = iter(self.make())
        while True:
            with torch.no_grad():
                try:
                    part = next(parts)
                except StopIteration:
                    return
            yield part


class Result(ABC):
    """What a task gives. It can be read again and again, but for what has no end."""

    order_by: ClassVar[str] = ""
    """The column of its table whose smallest values matter most, where one does."""

    undone_by: ClassVar[str] = ""
    """The task that makes of its file again what it came from, where one does."""

    synthetic: ClassVar[bool] = False
    """Whether its examples are new ones that shall be like those of the training."""

    @abstractmethod
    def to_python(self, modality: Modality) -> Any:
        """What a person in Python wants of it: examples as they came in, or a data frame."""

    @abstractmethod
    def save(self, modality: Modality, out: Path, tell: Tell = tell_nothing) -> list[Path]:
        """Writes everything into a folder, or one thing to look at where `out` has an ending (.png,
        .gif); returns the files."""

    def figures(self) -> dict[str, Any]:
        """What it says in numbers beside its files, for programs."""
        return {}

    def tables(self, modality: Modality) -> Mapping[str, Iterable[pa.Table]]:
        """The tables that it is, each in parts and by its name; none where it is no table. Where
        there is one alone, `save` also writes it into a file that tables go into, such as .csv."""
        return {}

    def is_image(self, modality: Modality) -> bool:
        """Whether it can be saved into one image."""
        return not self.tables(modality)

    def content(self) -> bytes | None:
        """Itself as the content of a file that only Ganvas reads; None where it is none."""
        return None

    def describe(self) -> str:
        """What it says in numbers, in words."""
        plain = {k: v for k, v in self.figures().items() if not isinstance(v, dict)}
        return " · ".join(f"{name}: {_in_words(value)}" for name, value in plain.items())


def _in_words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_in_words, value[:WORTH_SAYING]))
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
