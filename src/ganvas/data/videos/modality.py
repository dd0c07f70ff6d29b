"""Videos: files, folders of frames, arrays; clips of so many frames are the examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ...core import Continuous, Data, InputError, Modality, Tokens, evenly_spaced
from ...core.images import Moving
from ...core.modality import Items, Recommendation, folder_and_names, stack_items
from ...runtime.errors import flag
from .._drawing import grid, overlay_heat, pixels_of, save_gif
from .._reading import (
    Unreadable,
    describe_classes,
    natural_size,
    read_lazily,
    refuse_unreadable,
)
from ..images.modality import Images
from ..images.sources import holds_videos
from .clips import Clips
from .encoding import save_film
from .reading import VideoSource
from .sources import FILES, Head, open_videos

FRAMES = 16  # of a clip, where nothing is said
RATE = 10.0  # frames a second of what is written, where nothing says
STRIP, STRIPS = 20, 32  # frames of a strip, and strips of a sheet, at most
COARSE = 8  # frames, and pixels a side, that clips are compared by


@dataclass(frozen=True)
class Videos(Modality, Moving):
    """Clips of `frames` square frames, 8 bits a channel; sub-folders are classes.

    fps: Frames a second that are looked at; all of them where it is None.
    stride: Frames between the beginnings of two clips of a video.
    rate: Frames a second of what is written.
    """

    frames: int
    size: int
    channels: int
    fps: float | None = None
    stride: int = FRAMES
    rate: float = RATE
    classes: tuple[str, ...] = ()
    form: Literal["clips", "array", "tensor"] = "clips"
    skip_unreadable: bool = False
    resident: float | None = None

    features: ClassVar[str] = "plain"
    typical = ((Continuous((3, 8, 32, 32)), Tokens(1, 2)),)
    opens: ClassVar[type[VideoSource]] = VideoSource
    recommended: ClassVar[tuple[Recommendation, ...]] = (
        Recommendation("simvp", 15, "It says how a video goes on and finds what is unexpected."),
    )
    endings: ClassVar[frozenset[str]] = FILES | {".npy"}

    @property
    def space(self) -> Continuous:
        return Continuous((self.channels, self.frames, self.size, self.size))

    @property
    def condition(self) -> Tokens | None:
        return Tokens(1, len(self.classes)) if self.classes else None

    @property
    def still(self) -> Images:
        """How one frame is read and drawn."""
        return Images(self.size, self.channels)

    @classmethod
    def recognises(cls, source: Any) -> bool:
        if isinstance(source, str | Path):
            return holds_videos(source)
        if isinstance(source, list):
            return (
                bool(source)
                and isinstance(source[0], np.ndarray | Tensor)
                and source[0].ndim in (3, 4)
            )
        return isinstance(source, np.ndarray | Tensor) and source.ndim == 5

    @classmethod
    def learn(
        cls,
        source: Any,
        *,
        frames: int | None = None,
        fps: float | None = None,
        stride: int | None = None,
        size: int | None = None,
        grey: bool = False,
        skip_unreadable: bool = False,
        resident: float | None = None,
    ) -> Videos:
        """Looks at the head of every video.

        frames: Frames of a clip; by default 16, or all where an array has fewer.
        fps: Frames a second to look at, whatever the files have; by default all.
        stride: Frames between the beginnings of two clips of a video; by default a clip's length,
            so that they lie side by side.
        size: Side of the frames' middle square in pixels; by default their own where they are small
            squares, else 16 to 64.
        grey: Make all videos grey.
        skip_unreadable: Leave out videos that cannot be read or are too short, instead of stopping.
        resident: GiB of decoded frames that may live in memory; by default a quarter of what is
            free.
        """
        for name, value, least in (("frames", frames, 2), ("stride", stride, 1), ("size", size, 4)):
            if value is not None and not least <= value <= 1024:
                raise InputError(f"{flag(name)} is {value}; it must be from {least} to 1024")
        if fps is not None and not 0 < fps <= 1000:
            raise InputError(f"{flag('fps')} is {fps:g}; it must be above 0, and 1000 at most")
        found = open_videos(source)
        seen = list(read_lazily(found.names, lambda i: found.reels[i].head, "looking at videos"))
        refuse_unreadable(
            [one for one in seen if isinstance(one, Unreadable)],
            len(seen),
            "videos",
            skip_unreadable,
        )
        heads = [head for head in seen if isinstance(head, Head)]
        distinct = set(found.labels or [])
        rates = sorted(head.rate for head in heads if head.rate)
        frames = frames or (
            FRAMES if fps else min(FRAMES, max(head.frames or FRAMES for head in heads))
        )
        return cls(
            frames=frames,
            size=size or natural_size(np.array([head[:2] for head in heads])),
            channels=1 if grey or all(head.grey for head in heads) else 3,
            fps=fps,
            stride=stride or frames,
            rate=fps or (rates[len(rates) // 2] if rates else RATE),
            classes=tuple(sorted(distinct)) if len(distinct) > 1 else (),
            form=(
                "tensor"
                if isinstance(source, Tensor)
                else "array"
                if isinstance(source, np.ndarray)
                else "clips"
            ),
            skip_unreadable=skip_unreadable,
            resident=resident,
        )

    def describe(self, data: Data) -> str:
        assert isinstance(data, Clips)
        colours = "grey" if self.channels == 1 else "colour"
        often = f", {self.fps:g} a second" if self.fps else ""
        size = f"{self.size} × {self.size} {colours}"
        words = [
            f"{len(data.videos):,} videos: {len(data):,} clips of {self.frames} frames{often},"
            f" {size}"
        ]
        if data.labels is not None:
            words.append(describe_classes(data.labels, self.classes))
        return "; ".join([*words, data.shelf.kept()])

    def to_python(self, items: Items, form: str | None = None) -> Any:
        x, form = stack_items(items), form or self.form
        if form == "tensor":
            return x.cpu()
        clips = np.stack([pixels_of(clip.transpose(0, 1)) for clip in x])
        return clips if form == "array" else list(clips)

    def vectors(self, x: Tensor) -> Tensor:
        """Few frames of few pixels each: what is where, and how it moves."""
        frames, height, width = (min(COARSE, side) for side in x.shape[2:])
        return F.adaptive_avg_pool3d(x.float(), (frames, height, width)).flatten(1)

    def reasons(self, attribution: Tensor) -> dict[str, Tensor]:
        return {}

    def point_out(
        self, x: Tensor, attribution: Tensor, nearest: Tensor, names: list[str], folder: Path
    ) -> list[Path]:
        """Strips of each: as it is, with the attribution glowing on it, and the nearest normal
        one."""
        folder.mkdir(parents=True, exist_ok=True)
        x, nearest = (one.expand(-1, 3, -1, -1, -1) for one in (x, nearest))
        files = []
        for i, (clip, heat, name) in enumerate(zip(x, attribution, names, strict=True)):
            glowing = overlay_heat(clip.transpose(0, 1), heat.mean(0).unsqueeze(1)).transpose(0, 1)
            shown = torch.stack([clip, glowing, *nearest[i : i + 1]])
            files.append(self.sheet(shown, folder / f"{i:04d}-{Path(name).stem}.png"))
        return files

    def thumbnails(self, x: Tensor, most: int) -> Tensor:
        return self.still.thumbnails(x[:, :, self.frames // 2], most)

    def frame(self, x: Tensor) -> None:
        return None

    def save(self, items: Items, target: Path, names: list[str] | None = None) -> list[Path]:
        x = stack_items(items)
        target, names = folder_and_names(target, names)
        width = max(4, len(str(len(x) - 1)))
        own = (
            [Path(name) for name in names]
            if names
            else [Path(f"{i:0{width}d}") for i in range(len(x))]
        )
        files = [
            target / (name.name if name.suffix in FILES else f"{name.stem}.mp4") for name in own
        ]
        pairs = zip(x, files, strict=True)
        return [save_film(pixels_of(clip.transpose(0, 1)), file, self.rate) for clip, file in pairs]

    def abreast(self, kinds: Sequence[Tensor], names: list[str], folder: Path) -> list[Path]:
        gap = torch.ones_like(kinds[0][..., :2])
        parts = [part for kind in kinds for part in (kind, gap)]
        return self.save(torch.cat(parts[:-1], -1), folder, names)

    def sheet(self, x: Tensor, target: Path, columns: int | None = None) -> Path:
        """A strip of frames for each clip, one below the other, those that would stand in a column
        together; or where `target` is a video or a GIF, all clips side by side."""
        if target.suffix.lower() in FILES:
            return self._play([x], target, columns)
        rows = len(x) if columns is None else ceil(len(x) / columns)
        order = [
            row * (columns or 1) + column for column in range(columns or 1) for row in range(rows)
        ]
        order = [place for place in order if place < len(x)][: max(STRIPS // rows * rows, rows)]
        strips = x[order][:, :, evenly_spaced(x.shape[2], STRIP)].transpose(1, 2)
        target.parent.mkdir(parents=True, exist_ok=True)
        grid(strips.flatten(0, 1), strips.shape[1]).save(target)
        return target

    def animate(self, frames: list[Tensor], target: Path, seconds: float = 0.1) -> Path:
        return self._play(frames, target, None)

    def _play(self, sets: list[Tensor], target: Path, columns: int | None) -> Path:
        """Writes sets of clips (n, C, T, S, S), one after the other, those of a set side by
        side."""
        photos = [
            np.asarray(grid(one[:, :, t], columns)) for one in sets for t in range(one.shape[2])
        ]
        return save_film(np.stack(photos), target, self.rate)

    def film(self, sheets: list[Path], target: Path) -> Path:
        return save_gif([Image.open(sheet) for sheet in sheets], target, 0.25)
