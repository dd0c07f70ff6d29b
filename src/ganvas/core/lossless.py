"""What a modality does whose examples can be packed and come back to the last bit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from torch import Tensor


class Lossless(ABC):
    """A modality that takes what people have apart into codes, which a model can know, and the
    rest."""

    @abstractmethod
    def rebuilt(self, codes: Tensor, rest: bytes) -> Any:
        """What was taken apart, equal to the last bit, as a person in Python wants it."""

    @abstractmethod
    def rebuild(self, codes: Tensor, rest: bytes, out: Path) -> list[Path]:
        """Writes what was taken apart into a folder, or a file where `out` has an ending;
        returns the files."""
