"""Examples moved along directions of meaning in the latents."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import isnan
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core import Modality, Tabular
from ..core.result import Result, Tell, tell_nothing
from ..runtime import filenames
from ..runtime.table_files import save_tables
from ._sheets import SHOWN, there_and_back
from ._tables import rows_of


@dataclass(frozen=True)
class Edited(Result):
    """Examples moved along a direction of meaning in the latents, or along several.

    x: As they were given, (n, *space.shape).
    frames: At each strength, (strengths, n * directions, *space.shape): of each example every
        direction.
    strengths: In standard deviations.
    directions: What each direction is called.
    names: Where the examples came from.
    faithful: How well each is rendered before it is edited: PSNR in dB, (n,).
    same: How much of its identity each keeps: cosine of learned features, shaped like frames' first
        two axes; nan where none were learned.
    """

    x: Tensor
    frames: Tensor
    strengths: tuple[float, ...]
    directions: tuple[str, ...]
    names: list[str]
    faithful: Tensor
    same: Tensor

    def to_python(self, modality: Modality) -> Any:
        """Of each example a dictionary: by the name of a direction the walk along it."""
        walks = [modality.to_python(walk) for walk in self.frames.transpose(0, 1)]
        n = len(self.directions)
        own = [walks[i * n : (i + 1) * n] for i in range(len(self.names))]
        return [dict(zip(self.directions, some, strict=True)) for some in own]

    def save(self, modality: Modality, out: Path, tell: Tell = tell_nothing) -> list[Path]:
        """A strip of every walk with what was given before it, an animation, and a folder of images
        for each strength; of rows a table for each strength."""
        rows = rows_of(modality)
        if rows is not None:
            return self._save_tables(rows, out.with_suffix(""))
        moving = there_and_back(self.frames.cpu())
        if out.suffix == ".gif":
            return [modality.animate(moving, out)]
        strips, columns = self._strips(), len(self.strengths) + 1
        sheet = partial(modality.sheet, strips[:SHOWN].flatten(0, 1), columns=columns)
        if out.suffix:
            return [sheet(out)]
        names, files = self._walk_names(), list[Path]()
        for strength, x in zip(self.strengths, self.frames, strict=True):
            files += modality.save(x.cpu(), out / f"{strength:+g}", names)
        for name, strip in zip(names, strips, strict=True) if len(strips) > 1 else ():
            files.append(modality.sheet(strip, out / "strips" / name, columns))
        return [*files, sheet(out / "strip.png"), modality.animate(moving, out / "walk.gif")]

    def figures(self) -> dict[str, Any]:
        """How faithful each example's rendering is, and how much of its identity is kept at each
        strength, on average."""
        same = self.same.nanmean(1)
        faithful = [None if isnan(psnr) else psnr for psnr in self.faithful.tolist()]
        return {
            "directions": list(self.directions),
            "strengths": list(self.strengths),
            "rendered, PSNR (dB)": dict(zip(self.names, faithful, strict=True)),
            "identity kept, cosine": None if same.isnan().any() else same.tolist(),
        }

    def _save_tables(self, rows: Tabular, folder: Path) -> list[Path]:
        files = [folder / f"{strength:+g}.csv" for strength in self.strengths]
        named = zip(self.frames, files, strict=True)
        return [save_tables(rows.tables([x]), file) for x, file in named]

    def _strips(self) -> Tensor:
        """Of every walk what was given, and below it its frames, (walks, 1 + strengths, ...)."""
        walks = self.frames.shape[1]
        first = self.x.cpu().repeat_interleave(walks // len(self.names), 0)
        return torch.cat([first[None], self.frames.cpu()]).transpose(0, 1)

    def _walk_names(self) -> list[str]:
        """A name of a file for every walk."""
        names = [name.replace("/", "-") for name in self.names]
        if len(self.directions) > 1:
            names = [f"{name}-{direction}" for name in names for direction in self.directions]
        return filenames.image_names(names)
