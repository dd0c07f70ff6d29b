"""What goes on: data that grows while it is read, and series, whose examples share their
moments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from torch import Tensor

from .detection import Detected, Scored, ScoreFunction
from .modality import Data


class Followable(ABC):
    """A modality whose files can be read while they grow."""

    @abstractmethod
    def follow(self, file: Path, wait: Callable[[float], bool]) -> Iterator[tuple[Data, Tensor]]:
        """Like `Modality.read_any`: first what is in the file, then what is added to it.

        wait: Waits so many seconds for more; says whether to stop instead.
        """


class Overlapping(ABC):
    """A modality whose examples are windows of a series: they overlap, and what is judged are the
    moments they share.

    Of moments, x is (n, columns) and so is the attribution.
    """

    @abstractmethod
    def time_steps(
        self, parts: Iterable[tuple[Data, Tensor]], weigh: ScoreFunction
    ) -> Iterator[Scored]:
        """Parts of windows, as `Modality.read_any` gives them, weighed; and of that, every moment
        that they cover."""

    @abstractmethod
    def trace(self, parts: Iterable[Detected], folder: Path) -> list[Path]:
        """Draws series with what was found on them, and lists it as stretches of time; returns the
        files written."""
