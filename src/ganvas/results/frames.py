"""Examples that belong in order: walks through the latents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ..core import Modality
from ..core.result import Result, Tell, tell_nothing
from ._sheets import there_and_back


@dataclass(frozen=True)
class Frames(Result):
    """Examples that belong in order, shape (frames, n, *space.shape): n strips, or one animation of
    n panels.

    names: What each strip shows, n of them, where they have names.
    """

    examples: Tensor
    names: tuple[str, ...] = ()

    def to_python(self, modality: Modality) -> Any:
        """A list of walks, or where these have names a dictionary."""
        walks = [modality.to_python(walk) for walk in self.examples.transpose(0, 1)]
        return dict(zip(self.names, walks, strict=True)) if self.names else walks

    def save(self, modality: Modality, out: Path, tell: Tell = tell_nothing) -> list[Path]:
        """A walk is a row of the strip, and a panel of the animation, which goes there and back."""
        moving = there_and_back(self.examples)
        if out.suffix == ".gif":
            return [modality.animate(moving, out)]
        strip = self.examples.transpose(0, 1).flatten(0, 1)
        columns = len(self.examples)
        if out.suffix:
            return [modality.sheet(strip, out, columns)]
        sheet = modality.sheet(strip, out / "strip.png", columns)
        return [sheet, modality.animate(moving, out / "walk.gif")]

    def figures(self) -> dict[str, Any]:
        return {"strips": list(self.names)} if self.names else {}
