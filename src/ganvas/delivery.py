"""A task speaks tensors; here its answer becomes files, by way of the run's modality."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterator
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
    Made,
    Modality,
    Pairs,
    Parcel,
    Pictorial,
    Restored,
    Rowwise,
    mirrored,
)
from .findings import findings
from .parcel import sealed
from .run import write_atomically

PICTURES = (".png", ".jpg", ".webp")
SHOWN = 200  # findings that are drawn
MIDDLES, MIDDLE = 20, 160  # restored pictures that are shown, and pixels a side of each


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
            file = _file(out, "rows.ganvas")
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, sealed(answer))
            return [file]
        case Exact(codes, rest):
            rows = _rows(modality)
            return [rows.save([rows.rebuilt(codes, rest)], _file(out, "rows.csv"))]
        case Restored():
            return _restored(answer, modality, out)
        case Pairs(before=before, after=after):
            return _pairs(before, after, modality, out)
        case Frames(examples=frames):
            return _frames(frames, modality, out)


def figures(answer: Answer) -> dict[str, Any]:
    """What an answer says in numbers beside its files, for programs."""
    if isinstance(answer, Parcel):
        size = len(sealed(answer))
        return {"rows": answer.n, "bytes": size, "bits per row": 8 * size / answer.n}
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
    if out.suffix:
        return [_sheet(before, after, modality, out)]
    return [*modality.write(after, out), _sheet(before, after, modality, out / "before-and-after.png")]


def _sheet(before: Tensor, after: Tensor, modality: Modality, target: Path) -> Path:
    """Rows in twos: above what was given, below what became of it."""
    shown = min(len(before), 60)
    rows = [part for pair in zip(before[:shown].split(10), after[:shown].split(10), strict=True) for part in pair]
    return modality.sheet(torch.cat(rows), target, min(10, shown))


def _restored(answer: Restored, modality: Modality, out: Path) -> list[Path]:
    """Every picture under its own name, and a sheet of the middles of some, before and after; into a file, the one
    picture there is, or that sheet alone."""
    assert isinstance(modality, Pictorial), "only what reads pictures as they are has an answer that keeps them"
    names, middles = answer.given.names, list[tuple[Tensor, Tensor]]()

    def restored() -> Iterator[Tensor]:
        for before, after in answer.pairs:
            if len(middles) < MIDDLES:
                middles.append((_middle(before), _middle(after)))
            yield after

    if out.suffix and len(names) == 1:
        return modality.hang(restored(), [out])
    if out.suffix:
        files, sheet = [], out
        deque(restored(), maxlen=0)
    else:
        sheet = out / "before-and-after.png"
        files = modality.hang(restored(), [out / name for name in _file_names(names, modality.endings)])
    before, after = (torch.stack(list(one)) for one in zip(*middles, strict=True))
    return [*files, _sheet(before, after, modality, sheet)]


def _file_names(names: list[str], endings: Collection[str]) -> list[Path]:
    """What pictures of these names are called as PNG files: the same, folders too, but never outside the folder that
    they go to; behind their old endings where two would be called the same."""
    paths = [Path(name) for name in names]
    inside = [Path(p.name) if p.is_absolute() or ".." in p.parts else p for p in paths]
    plain = [p.with_suffix("") if p.suffix.lower() in endings else p for p in inside]
    often = Counter(plain)
    chosen = [p if often[q] > 1 else q for p, q in zip(inside, plain, strict=True)]
    return [p.with_name(f"{p.name}.png") for p in chosen]


def _middle(x: Tensor) -> Tensor:
    """The middle of a picture (C, H, W), pixel by pixel."""
    top, left = (max(n - MIDDLE, 0) // 2 for n in x.shape[1:])
    return mirrored(x, MIDDLE, MIDDLE)[:, top : top + MIDDLE, left : left + MIDDLE]


def _frames(frames: Tensor, modality: Modality, out: Path) -> list[Path]:
    """A walk is a row of the strip, and a panel of the animation, which goes there and back."""
    there_and_back = [*frames, *frames.flip(0)[1:-1]]
    strip = frames.transpose(0, 1).flatten(0, 1)
    if out.suffix == ".gif":
        return [modality.animate(there_and_back, out)]
    if out.suffix:
        return [modality.sheet(strip, out, len(frames))]
    return [modality.sheet(strip, out / "strip.png", len(frames)), modality.animate(there_and_back, out / "walk.gif")]
