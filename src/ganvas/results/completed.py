"""Examples whose missing parts were filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core import Masked, Modality
from ..core.images import Moving
from ..core.result import Result, Tell, tell_nothing
from ..runtime import filenames
from ._sheets import SHOWN, crop_middle, save_stacked, stack_squares


@dataclass(frozen=True)
class Completed(Result):
    """Examples whose missing parts were filled in, once or several times: of each draw every one,
    like those given."""

    given: Masked
    draws: tuple[list[Tensor], ...]

    def to_python(self, modality: Modality) -> Any:
        """Examples, or of several draws a list of those, in the form that they were given in."""
        own = modality.inner
        drawn = [own.to_python(x, self.given.form) for x in self.draws]
        return drawn if len(drawn) > 1 else drawn[0]

    def save(self, modality: Modality, out: Path, tell: Tell = tell_nothing) -> list[Path]:
        """Every example under its own name, of several draws in a folder for each; and a sheet of
        some: what was known, with grey where something was missing, and below it what it was
        completed to; of images that are not all of the model's size their middles. Into a file, the
        one image there is, or that sheet alone. What moves stands beside all that was given, which
        may be what really followed."""
        own = modality.inner
        moves = own if isinstance(own, Moving) else None
        if out.suffix and len(self.given.names) == len(self.draws) == 1 and moves is None:
            return own.save(self.draws[0], out)
        before = [x.cpu() for x in self.given.x] if moves else self._known()
        sheet = out if out.suffix else out / "before-and-after.png"
        names = filenames.image_names([name.replace("/", "-") for name in self.given.names])
        files = [] if out.suffix else self._save_each(own, names, out)
        if moves and not out.suffix:
            versions = [torch.stack([*kind]).cpu() for kind in (before, *self.draws)]
            files += moves.abreast(versions, names, out / "beside")
        return [*files, save_stacked(self._shown(own, before), own, sheet)]

    def figures(self) -> dict[str, Any]:
        missing = [1 - known.float().mean().item() for known in self.given.known]
        return {"draws": len(self.draws), "missing": missing}

    def _known(self) -> list[Tensor]:
        """What was known of each example, and grey where something was missing."""
        pairs = zip(self.given.x, self.given.known, strict=True)
        return [torch.where(known, x, torch.zeros_like(x)).cpu() for x, known in pairs]

    def _save_each(self, modality: Modality, names: list[str], out: Path) -> list[Path]:
        n, files = len(self.draws), list[Path]()
        folders = [out] if n == 1 else [out / f"draw-{i + 1}" for i in range(n)]
        for folder, draw in zip(folders, self.draws, strict=True):
            files += modality.save(draw, folder, names)
        return files

    def _shown(self, modality: Modality, before: Sequence[Tensor]) -> list[Tensor]:
        """Some examples, and what they were completed to, each as one tensor."""
        whole = all(tuple(x.shape) == modality.space.shape for x in self.given.x)
        some = [kind[:SHOWN] for kind in (before, *self.draws)]
        if whole:
            return [torch.stack([*kind]) for kind in some]
        return [stack_squares([crop_middle(x) for x in kind]) for kind in some]
