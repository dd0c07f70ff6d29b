"""A task speaks tensors; here its answer becomes files, by way of the run's modality."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pyarrow.csv import write_csv
from torch import Tensor

from .core import (
    Answer,
    Augmented,
    Detections,
    Exact,
    Filled,
    Frames,
    Given,
    Lossless,
    Made,
    Modality,
    Pairs,
    Parcel,
    Rowwise,
)
from .findings import findings
from .parcel import sealed
from .run import write_atomically

PICTURES = (".png", ".jpg", ".webp")
SHOWN = 200  # findings that are drawn


def deliver(answer: Answer, modality: Modality, out: Path) -> list[Path]:
    """Writes an answer: everything into a folder, or one thing to look at where `out` has an ending (.png, .gif)."""
    match answer:
        case Made():
            return _made(answer, modality, out)
        case Filled(given, draws):
            return _filled(given, draws, _rows(modality), out)
        case Augmented(given, added):
            return [(rows := _rows(modality)).save([rows.extended(given, added)], _file(out, "rows.csv"))]
        case Detections():
            return _detected(answer, modality, out)
        case Parcel():
            file = _file(out, "packed.ganvas")
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, sealed(answer))
            return [file]
        case Exact(codes, rest):
            assert isinstance(modality, Lossless), "only what was taken apart is put together again"
            return modality.rebuild(codes, rest, out)
        case Pairs(before=before, after=after):
            return _pairs(before, after, modality, out)
        case Frames(examples=frames):
            return _frames(frames, modality, out)


def figures(answer: Answer) -> dict[str, Any]:
    """What an answer says in numbers beside its files, for programs."""
    if isinstance(answer, Parcel):
        size = len(sealed(answer))
        return {"examples": answer.n, "bytes": size, "bits per example": 8 * size / answer.n}
    if isinstance(answer, Detections):
        return {"found": int(answer.found.sum()), "of": len(answer.found), "normal": len(answer.normal.scores)}
    if not isinstance(answer, Augmented):
        return {}
    return {"average precision": {name: asdict(e) for name, e in answer.precision.items()}}


def _file(out: Path, name: str) -> Path:
    """The file that was asked for, or one of this name in the folder that was."""
    return out if out.suffix else out / name


def _rows(modality: Modality) -> Rowwise:
    assert isinstance(modality, Rowwise), "only what reads rows as they are given has an answer that keeps them"
    return modality


def _made(made: Made, modality: Modality, out: Path) -> list[Path]:
    if isinstance(modality, Rowwise) and out.suffix not in PICTURES:
        return [modality.save(modality.finish(made.parts), _file(out, "rows.csv"))]
    if out.suffix:
        return [modality.sheet(made.examples, out)]
    return [*modality.write(made.examples, out), modality.sheet(made.examples[:100], out / "sheet.png")]


def _filled(given: Given, draws: tuple[Tensor, ...], modality: Rowwise, out: Path) -> list[Path]:
    """One file for each draw: filled.csv, or filled-1.csv, filled-2.csv and so on."""
    out = _file(out, "rows.csv")
    names = [out.with_stem(f"{out.stem}-{i + 1}") if len(draws) > 1 else out for i in range(len(draws))]
    return [modality.save([modality.filled(given, x)], name) for x, name in zip(draws, names, strict=True)]


def _detected(answer: Detections, modality: Modality, out: Path) -> list[Path]:
    """A table of all examples; and into a folder, what of the findings can be seen, the strangest first."""
    table, file = findings(answer, modality), _file(out, "scores.csv")
    if isinstance(modality, Rowwise):
        modality.save([table], file)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_csv(table, file)
    if out.suffix:
        return [file]
    found = answer.found.nonzero().flatten()
    strangest = answer.scores[found].argsort(descending=True)[:SHOWN]
    rows = found[strangest]
    nearest = answer.normal.examples[answer.nearest[strangest]] if len(answer.nearest) else answer.normal.examples[:0]
    names = [answer.given.names[i] for i in rows.tolist()]
    x, blame = answer.given.x.cpu()[rows], answer.blame[rows]
    return [file, *modality.point_out(x, blame, nearest, names, out / "found")]


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
