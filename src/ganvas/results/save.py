"""A task speaks tensors; here its answer becomes files, by way of the run's modality."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain
from math import ceil, isnan
from pathlib import Path
from typing import Any

import torch
from pyarrow import Table
from pyarrow.csv import WriteOptions, write_csv
from torch import Tensor

from ..core import (
    IMAGE_ENDINGS,
    ROUND_TRIP_ENDINGS,
    Answer,
    Augmented,
    Clustered,
    Completed,
    Detected,
    Detections,
    Edited,
    Embedded,
    Enlarged,
    Filled,
    Frames,
    Given,
    ImageFile,
    ImageFiles,
    ImageSet,
    InputError,
    Interval,
    Lossless,
    Made,
    Modality,
    Moving,
    Overlapping,
    Packed,
    Pairs,
    ReferenceScores,
    Restored,
    Tabular,
    Unpacked,
    data_of,
    image_from_levels,
    image_to_levels,
    mirror_pad,
    upscale_bicubic,
    with_channels,
    with_same_channels,
)
from ..runs.run import write_atomically
from ..runtime import filenames
from ..runtime.errors import flag
from ..runtime.table_files import save_tables
from . import cluster_table, embedding_map
from .detection_table import detection_table
from .packed import pack_bytes

SHOWN = 200  # findings that are drawn
MIDDLES, MIDDLE = 20, 160  # restored images that are shown, and pixels a side of each

Tell = Callable[[dict[str, Any]], None]


def save_result(
    answer: Answer, modality: Modality, out: Path, tell: Tell = lambda _: None
) -> list[Path]:
    """Writes an answer: everything into a folder, or one thing to look at where `out` has an ending
    (.png, .gif).

    tell: Called with what was found, as it is found, by an answer that has no end.
    """
    match answer:
        case Detections(endless=True):
            return _followed(answer, modality, out, tell)
        case Made():
            return _made(answer, modality, out)
        case Filled(given, between=Interval() as between):
            return [
                (rows := _rows(modality)).save(
                    [rows.ranged(between, given)], _file(out, "rows.csv")
                )
            ]
        case Filled(given, draws):
            return _filled(given, draws, _rows(modality), out)
        case Completed():
            return _completed(answer, data_of(modality), out)
        case Edited():
            return _edited(answer, modality, out)
        case Augmented():
            return _augmented(answer, modality, out)
        case Detections():
            return _detected(answer, modality, out)
        case Embedded():
            return _embedded(answer, modality, out)
        case Clustered():
            return _clustered(answer, modality, out)
        case Packed():
            file = _file(out, "packed.ganvas")
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, pack_bytes(answer))
            return [file]
        case Unpacked(codes, rest):
            assert isinstance(modality, Lossless), "only what was taken apart is put together again"
            return modality.rebuild(codes, rest, out)
        case Restored():
            return _restored(answer, modality, out)
        case Enlarged():
            return _enlarged(answer, modality, out)
        case Pairs(between=Interval() as between) if isinstance(modality, Tabular):
            return [modality.save([modality.ranged(between)], _file(out, "rows.csv"))]
        case Pairs(before, after, Interval() as between):
            return _unsure(before, after, between, modality, out)
        case Pairs(before=before, after=after):
            return _pairs(before, after, modality, out)
        case Frames(examples=frames):
            return _frames(frames, modality, out)


def figures(answer: Answer) -> dict[str, Any]:
    """What an answer says in numbers beside its files, for programs."""
    if isinstance(answer, Packed):
        size = len(pack_bytes(answer))
        return {"examples": answer.n, "bytes": size, "bits per example": 8 * size / answer.n}
    if isinstance(answer, Detections):
        return {
            "found": answer.tally["found"],
            "of": answer.tally["of"],
            "normal": len(answer.normal.scores),
        }
    if isinstance(answer, Embedded):
        return {
            "examples": len(answer.latents),
            "latents": answer.latents.shape[1],
            "on the map": len(answer.rows),
        }
    if isinstance(answer, Clustered):
        return {"sizes": answer.cluster.bincount().tolist()}
    if isinstance(answer, Completed):
        return {
            "draws": len(answer.draws),
            "missing": [1 - known.float().mean().item() for known in answer.given.known],
        }
    if isinstance(answer, Edited):
        return _edited_figures(answer)
    if isinstance(answer, Frames):
        return {"strips": list(answer.names)} if answer.names else {}
    if not isinstance(answer, Augmented):
        return {}
    found = {answer.measure: answer.scores, "gained by new ones over": answer.helped}
    return {"added": len(answer.added)} | {
        k: {name: asdict(e) for name, e in v.items()} for k, v in found.items()
    }


def _edited_figures(answer: Edited) -> dict[str, Any]:
    """How faithful each example's rendering is, and how much of its identity is kept at each
    strength, on average."""
    same = answer.same.nanmean(1)
    return {
        "directions": list(answer.directions),
        "strengths": list(answer.strengths),
        "rendered, PSNR (dB)": {
            name: None if isnan(psnr) else psnr
            for name, psnr in zip(answer.names, answer.faithful.tolist(), strict=True)
        },
        "identity kept, cosine": None if same.isnan().any() else same.tolist(),
    }


def _file(out: Path, name: str) -> Path:
    """The file that was asked for, or one of this name in the folder that was."""
    return out if out.suffix else out / name


def _rows(modality: Modality) -> Tabular:
    assert isinstance(modality, Tabular), (
        "only what reads rows as they are given has an answer that keeps them"
    )
    return modality


def _made(made: Made, modality: Modality, out: Path) -> list[Path]:
    if isinstance(modality, Tabular) and out.suffix not in IMAGE_ENDINGS:
        return [modality.save(modality.finish(made.parts), _file(out, "rows.csv"))]
    if out.suffix:
        return [modality.sheet(made.examples, out)]
    return [
        *modality.write(made.examples, out),
        modality.sheet(made.examples[:100], out / "sheet.png"),
    ]


def _augmented(answer: Augmented, modality: Modality, out: Path) -> list[Path]:
    """Given rows with new ones below; or new images alone, in sub-folders by class, and a sheet
    of these."""
    if isinstance(answer.given, Given):
        rows = _rows(modality)
        return [rows.save([rows.extended(answer.given, answer.added)], _file(out, "rows.csv"))]
    own = {
        name: answer.added[answer.y == i]
        for i, name in enumerate(filenames.folder_names(answer.given.classes))
    }
    own = {name: x for name, x in own.items() if len(x)}
    across = min(10, max(map(len, own.values())))
    sheet = _in_rows([x[:across] for x in own.values()], across)
    if out.suffix:
        return [modality.sheet(sheet, out, across)]
    files = list[Path]()
    for name, x in own.items():
        files += modality.write(x, out / name, [f"new-{i:04d}" for i in range(len(x))])
    return [*files, modality.sheet(sheet, out / "sheet.png", across)]


def _filled(given: Given, draws: tuple[Tensor, ...], modality: Tabular, out: Path) -> list[Path]:
    """One file for each draw: filled.csv, or filled-1.csv, filled-2.csv and so on."""
    out = _file(out, "rows.csv")
    names = [
        out.with_stem(f"{out.stem}-{i + 1}") if len(draws) > 1 else out for i in range(len(draws))
    ]
    return [
        modality.save([modality.filled(given, x)], name)
        for x, name in zip(draws, names, strict=True)
    ]


def _completed(answer: Completed, modality: Modality, out: Path) -> list[Path]:
    """Every example under its own name, of several draws in a folder for each; and a sheet of some:
    what was known, with grey where something was missing, and below it what it was completed to; of
    images that are not all of the model's size their middles. Into a file, the one image there
    is, or that sheet alone. What moves stands beside all that was given, which may be what really
    followed."""
    given, n = answer.given, len(answer.draws)
    if out.suffix and len(given.names) == n == 1 and not isinstance(modality, Moving):
        return _filed(answer.draws[0], [out], modality)
    folders = [out] if n == 1 else [out / f"draw-{i + 1}" for i in range(n)]
    names, files = (
        filenames.image_names([name.replace("/", "-") for name in given.names]),
        list[Path](),
    )
    for folder, draw in zip(folders, answer.draws, strict=True) if not out.suffix else ():
        files += _filed(draw, [folder / name for name in names], modality)
    before = [
        torch.where(known, x, torch.zeros_like(x)).cpu()
        for x, known in zip(given.x, given.known, strict=True)
    ]
    if isinstance(modality, Moving):
        before = [x.cpu() for x in given.x]
        versions = [torch.stack([*kind]).cpu() for kind in (before, *answer.draws)]
        files += [] if out.suffix else modality.abreast(versions, names, out / "beside")
    whole = all(tuple(x.shape) == modality.space.shape for x in given.x)
    shown = [kind[:60] for kind in (before, *answer.draws)]
    kinds = [torch.stack([*kind]) if whole else _even([_middle(x) for x in kind]) for kind in shown]
    return [*files, _stacked(kinds, modality, out if out.suffix else out / "before-and-after.png")]


def _filed(x: Sequence[Tensor], files: list[Path], modality: Modality) -> list[Path]:
    """Writes examples, each into its file, or where they are no images, under its name."""
    if isinstance(modality, ImageFiles):
        return modality.hang((ImageFile(image_to_levels(one, 255)) for one in x), files)
    return modality.write(torch.stack([*x]), files[0].parent, [file.name for file in files])


def _edited(answer: Edited, modality: Modality, out: Path) -> list[Path]:
    """A strip of every walk with what was given before it, an animation, and a folder of images
    for each strength; of rows a table for each strength."""
    if isinstance(modality, Tabular):
        tables = {
            f"{strength:+g}.csv": x
            for strength, x in zip(answer.strengths, answer.frames, strict=True)
        }
        return [
            modality.save(modality.finish([x]), out.with_suffix("") / name)
            for name, x in tables.items()
        ]
    strengths, walks = len(answer.strengths), answer.frames.shape[1]
    own = [
        name if len(answer.directions) == 1 else f"{name}-{direction}"
        for name in answer.names
        for direction in answer.directions
    ]
    first = answer.x.cpu().repeat_interleave(walks // len(answer.names), 0)
    strips = torch.cat([first[None], answer.frames.cpu()]).transpose(0, 1)
    if out.suffix == ".gif":
        return [modality.animate([*answer.frames, *answer.frames.flip(0)[1:-1]], out)]
    sheet = partial(modality.sheet, strips[:60].flatten(0, 1), columns=strengths + 1)
    if out.suffix:
        return [sheet(out)]
    names, files = filenames.image_names([name.replace("/", "-") for name in own]), list[Path]()
    for strength, x in zip(answer.strengths, answer.frames, strict=True):
        files += modality.write(x.cpu(), out / f"{strength:+g}", names)
    for name, strip in zip(names, strips, strict=True) if walks > 1 else ():
        files.append(modality.sheet(strip, out / "strips" / name, strengths + 1))
    moving = [*answer.frames.cpu(), *answer.frames.cpu().flip(0)[1:-1]]
    return [*files, sheet(out / "strip.png"), modality.animate(moving, out / "walk.gif")]


def _detected(answer: Detections, modality: Modality, out: Path) -> list[Path]:
    """A table of all examples, written as they are judged; and into a folder, what of the findings
    can be seen."""
    most_anomalous_parts, whole = MostAnomalous(), list[Detected]()
    shown = whole if isinstance(modality, Overlapping) else most_anomalous_parts

    def tables() -> Iterator[Table]:
        for part in answer.parts:
            if not out.suffix:
                shown.append(part)
            yield detection_table(part, answer.normal, modality)

    file = save_tables(tables(), _file(out, "scores.csv"))
    if out.suffix or not answer.tally["of"]:
        return [file]
    if isinstance(modality, Overlapping):
        return [file, *modality.trace(whole, out)]
    return [file, *_pointed_out(most_anomalous_parts, answer.normal, modality, out / "found")]


class MostAnomalous(list[Detected]):
    """Of parts of examples only those that were found, and of these the most anomalous."""

    def append(self, part: Detected) -> None:
        found = part.found.nonzero().flatten()
        if not len(found):
            return
        names = [part.names[i] for i in found.tolist()]
        of = (part.x, part.scores, part.p, part.found, part.attribution, part.nearest)
        x, *rest = (value[found] for value in of)
        super().append(Detected(x, names, *rest))
        if sum(len(kept.scores) for kept in self) > 2 * SHOWN:
            self[:] = [self.most_anomalous()]

    def most_anomalous(self) -> Detected:
        """At most so many as are shown, the most anomalous first."""
        names = [name for part in self for name in part.names]
        scores = torch.cat([part.scores for part in self])
        first = scores.argsort(descending=True)[:SHOWN]
        of = lambda field: torch.cat([getattr(part, field) for part in self])[first]  # noqa: E731
        fields = map(of, ("scores", "p", "found", "attribution", "nearest"))
        return Detected(of("x"), [names[i] for i in first.tolist()], *fields)


def _pointed_out(
    found: MostAnomalous, normal: ReferenceScores, modality: Modality, folder: Path
) -> list[Path]:
    if not found:
        return []
    shown = found.most_anomalous()
    nearest = normal.examples[shown.nearest] if len(normal.examples) else normal.examples
    return modality.point_out(shown.x, shown.attribution, nearest, shown.names, folder)


def _followed(answer: Detections, modality: Modality, out: Path, tell: Tell) -> list[Path]:
    """Adds what is judged to a table as it comes, and tells of every finding."""
    file = _file(out, "scores.csv")
    if file.suffix.lower() not in (".csv", ".jsonl"):
        raise InputError(f"{file} cannot be added to while following; end it in .csv or .jsonl")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as stream:
        for part in answer.parts:
            table = detection_table(part, answer.normal, modality)
            if file.suffix.lower() == ".csv":
                write_csv(table, stream, WriteOptions(include_header=not stream.tell()))
            else:
                stream.write(
                    b"".join(json.dumps(row).encode() + b"\n" for row in table.to_pylist())
                )
            stream.flush()
            for row in table.filter(table["found"]).to_pylist():
                tell(row)
    return [file]


def _embedded(answer: Embedded, modality: Modality, out: Path) -> list[Path]:
    """A table of latents, an image of their map and a page to point at it; or one of these, as the
    ending asks."""
    if out.suffix == ".html":
        return [embedding_map.embedding_page(answer, modality, out)]
    if out.suffix in IMAGE_ENDINGS:
        return [embedding_map.embedding_image(answer, modality, out)]
    table = save_tables(
        [embedding_map.latents_table(answer, modality)], _file(out, "latents.parquet")
    )
    if out.suffix or not len(answer.rows):
        return [table]
    return [
        table,
        embedding_map.embedding_image(answer, modality, out / "map.png"),
        embedding_map.embedding_page(answer, modality, out / "map.html"),
    ]


def _clustered(answer: Clustered, modality: Modality, out: Path) -> list[Path]:
    """Who is in which group, what the groups are, and where examples can be seen, a row of typical
    ones for each."""
    members = cluster_table.cluster_members(answer, modality)
    if out.suffix and out.suffix not in IMAGE_ENDINGS:
        return [save_tables([members], out)]
    rows, across = cluster_table.typical_examples(answer), cluster_table.TYPICAL
    x = answer.given.x.cpu()
    seen = modality.thumbnails(x[:1], 1) is not None
    if out.suffix and not seen:
        raise InputError(f"rows have no typical ones to draw into {out}; end {flag('out')} in .csv")
    sheet = _in_rows([x[own] for own in rows], across)
    if out.suffix:
        return [modality.sheet(sheet, out, across)]
    files = [
        save_tables([members], out / "clusters.csv"),
        save_tables([cluster_table.describe_clusters(answer, modality)], out / "groups.csv"),
    ]
    return [*files, modality.sheet(sheet, out / "typical.png", across)] if seen else files


def _in_rows(rows: Sequence[Tensor], across: int) -> Tensor:
    """Examples of each row one after the other, (rows * across, ...); what a row lacks stays
    white."""
    white = [row.new_ones(across - len(row), *row.shape[1:]) for row in rows]
    return torch.cat([part for pair in zip(rows, white, strict=True) for part in pair])


def _pairs(before: Tensor, after: Tensor, modality: Modality, out: Path) -> list[Path]:
    """The sheet has rows in twos: above what was given, below what became of it."""
    sheet = partial(_stacked, (before, after), modality)
    return (
        [sheet(out)]
        if out.suffix
        else [*modality.write(after, out), sheet(out / "before-and-after.png")]
    )


def _unsure(
    before: Tensor, after: Tensor, between: Interval, modality: Modality, out: Path
) -> list[Path]:
    """The sheet has rows in threes: what was given, what became of it, and how wide the intervals
    are, as heat."""
    low, high = between.ends_like(after)
    heat = (high.clamp(-1, 1) - low.clamp(-1, 1)) - 1  # as wide as all values is white
    sheet = partial(_stacked, (before, after, heat), modality)
    if out.suffix:
        return [sheet(out)]
    files = [
        modality.write(x, out / name)
        for name, x in (("low", low), ("high", high), ("unsure", heat))
    ]
    return [*modality.write(after, out), *chain(*files), sheet(out / "before-and-after.png")]


def _stacked(kinds: Sequence[Tensor], modality: Modality, file: Path) -> Path:
    """A sheet of examples, ten a row, below each what goes with it."""
    shown = min(len(kinds[0]), 60)
    rows = [
        part
        for parts in zip(*(kind[:shown].split(10) for kind in kinds), strict=True)
        for part in parts
    ]
    return modality.sheet(torch.cat(rows), file, min(10, shown))


def _restored(answer: Restored, modality: Modality, out: Path) -> list[Path]:
    """Every image under its own name as a PNG file, and before and after; into a file, as `_hung`
    has it."""
    given = answer.given
    done = ((_middle(before), _middle(after), own) for before, after, own in answer.made)
    return _hung(given, done, filenames.image_names(given.names), modality, out)


def _enlarged(answer: Enlarged, modality: Modality, out: Path) -> list[Path]:
    """Every image under its own name and as what it was, where it can be written so; before is
    bicubic."""
    given, channels = answer.given, answer.given.channels
    kept = [
        i for i, name in enumerate(given.names) if Path(name).suffix.lower() in ROUND_TRIP_ENDINGS
    ]
    done = ((*_middles(a, b, answer.scale, channels), b) for a, b in answer.pairs)
    return _hung(given, done, filenames.image_names(given.names, kept), modality, out)


def _middles(
    before: ImageFile, after: ImageFile, scale: int, channels: int
) -> tuple[Tensor, Tensor]:
    """The middle of an image and of a larger one, both at the size of the larger."""
    side = ceil(MIDDLE / scale)
    (top, height), (left, width) = (
        ((n - min(n, side)) // 2, min(n, side)) for n in before.levels.shape[1:]
    )
    small = before.levels[:, top : top + height, left : left + width]
    large = after.levels[
        :, top * scale : (top + height) * scale, left * scale : (left + width) * scale
    ]
    grown = upscale_bicubic(image_from_levels(small, before.white)[None], scale)[0].clamp(-1, 1)
    a, b = (
        _middle(with_channels(x, channels)) for x in (grown, image_from_levels(large, after.white))
    )
    return a, b


def _hung(
    given: ImageSet,
    done: Iterable[tuple[Tensor, Tensor, ImageFile]],
    names: list[str],
    modality: Modality,
    out: Path,
) -> list[Path]:
    """Every image into its file, and a sheet of the middles of some, before and after; into a
    file, the one image there is, or that sheet alone.

    done: Of each image its middle before and after, and what it became.
    """
    assert isinstance(modality, ImageFiles), (
        "only what reads images as they are has an answer that keeps them"
    )
    middles = list[tuple[Tensor, Tensor]]()

    def images() -> Iterator[ImageFile]:
        for before, after, one in done:
            if len(middles) < MIDDLES:
                middles.append((before, after))
            yield one

    if out.suffix and len(given.names) == 1:
        return modality.hang(images(), [out])
    if out.suffix:
        files, sheet = [], out
        deque(images(), maxlen=0)
    else:
        sheet = out / "before-and-after.png"
        files = modality.hang(images(), [out / name for name in names])
    before, after = (_even(one) for one in zip(*middles, strict=True))
    return [*files, _stacked(with_same_channels(before, after), modality, sheet)]


def _middle(x: Tensor) -> Tensor:
    """The middle of an image (C, H, W), pixel by pixel; all of a small one."""
    top, left = (max(n - MIDDLE, 0) // 2 for n in x.shape[1:])
    return x[:, top : top + MIDDLE, left : left + MIDDLE].clone()  # the rest may go


def _even(images: Sequence[Tensor]) -> Tensor:
    """Images (C, H, W) as squares of the largest side, in one tensor: what a smaller one lacks is
    mirrored."""
    side = max(max(x.shape[1:]) for x in images)
    return torch.stack([mirror_pad(x, side, side) for x in images])


def _frames(frames: Tensor, modality: Modality, out: Path) -> list[Path]:
    """A walk is a row of the strip, and a panel of the animation, which goes there and back."""
    there_and_back = [*frames, *frames.flip(0)[1:-1]]
    strip = frames.transpose(0, 1).flatten(0, 1)
    if out.suffix == ".gif":
        return [modality.animate(there_and_back, out)]
    if out.suffix:
        return [modality.sheet(strip, out, len(frames))]
    return [
        modality.sheet(strip, out / "strip.png", len(frames)),
        modality.animate(there_and_back, out / "walk.gif"),
    ]
