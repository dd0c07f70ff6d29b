"""A task speaks tensors; here its answer becomes files, by way of the run's modality."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from .core import Frames, Made, Modality, Pairs, Rowwise


def deliver(answer: Made | Pairs | Frames, modality: Modality, out: Path) -> list[Path]:
    """Writes an answer: everything into a folder, or one thing to look at where `out` has an ending (.png, .gif)."""
    match answer:
        case Made() if isinstance(modality, Rowwise):
            return [modality.save(modality.finish(answer.parts), out if out.suffix else out / "rows.csv")]
        case Made(examples=x):
            return _made(x, modality, out)
        case Pairs(before=before, after=after):
            return _pairs(before, after, modality, out)
        case Frames(examples=frames):
            return _frames(frames, modality, out)


def _made(x: Tensor, modality: Modality, out: Path) -> list[Path]:
    if out.suffix:
        return [modality.sheet(x, out)]
    return [*modality.write(x, out), modality.sheet(x[:100], out / "sheet.png")]


def _pairs(before: Tensor, after: Tensor, modality: Modality, out: Path) -> list[Path]:
    """The sheet has rows in twos: above what was given, below what became of it."""
    shown = min(len(before), 60)
    rows = [part for pair in zip(before[:shown].split(10), after[:shown].split(10), strict=True) for part in pair]
    sheet = torch.cat(rows)
    columns = min(10, shown)
    if out.suffix:
        return [modality.sheet(sheet, out, columns)]
    return [*modality.write(after, out), modality.sheet(sheet, out / "before-and-after.png", columns)]


def _frames(frames: Tensor, modality: Modality, out: Path) -> list[Path]:
    """A walk is a row of the strip, and a panel of the animation, which goes there and back."""
    there_and_back = [*frames, *frames.flip(0)[1:-1]]
    strip = frames.transpose(0, 1).flatten(0, 1)
    if out.suffix == ".gif":
        return [modality.animate(there_and_back, out)]
    if out.suffix:
        return [modality.sheet(strip, out, len(frames))]
    return [modality.sheet(strip, out / "strip.png", len(frames)), modality.animate(there_and_back, out / "walk.gif")]
