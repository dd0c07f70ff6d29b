"""Examples to the last bit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from ..core import Input, Lossless, Modality
from ..core.result import Result, Tell, tell_nothing


@dataclass(frozen=True)
class Unpacked(Result, Input):
    """Examples to the last bit: the codes of what a model learned, whole numbers (n, places), and
    the rest.

    fingerprint: Of the model and of what its modality learned.
    """

    codes: Tensor
    rest: bytes
    fingerprint: str
    refusal: ClassVar[str] = "{asker} is for what can be packed without loss, and these are {data}"

    def to_python(self, modality: Modality) -> Any:
        """What was taken apart, as it came in."""
        return _lossless(modality).rebuilt(self.codes, self.rest)

    def save(self, modality: Modality, out: Path, tell: Tell = tell_nothing) -> list[Path]:
        """What was taken apart, as files."""
        return _lossless(modality).rebuild(self.codes, self.rest, out)


def _lossless(modality: Modality) -> Lossless:
    assert isinstance(modality, Lossless), "only what was taken apart is put together again"
    return modality
