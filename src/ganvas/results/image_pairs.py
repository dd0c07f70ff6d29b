"""Images as people have them, and what became of each: restored, translated, enlarged."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from ..core import ImageSet, Modality
from ..core.images import (
    ROUND_TRIP_ENDINGS,
    ImageFile,
    image_from_levels,
    upscale_bicubic,
    with_channels,
    with_same_channels,
)
from ..core.result import Result, Tell, tell_nothing
from ..runtime import filenames
from ._sheets import MIDDLE, crop_middle, save_stacked, stack_squares

SHOWN = 20  # images of the sheet


class ImagePair(NamedTuple):
    """What became of an image, and the middles of both, (C, H, W) in [-1, 1], to be shown."""

    image: ImageFile
    before: Tensor
    after: Tensor


@dataclass(frozen=True)
class ImagePairs(Result):
    """Images, and what became of each, which is computed when it is asked for.

    keeps_kind: Whether what became of an image is the same kind of file, where that can be written;
        else it is a PNG.
    """

    given: ImageSet
    pairs: Iterable[ImagePair]
    keeps_kind: bool = False

    def to_python(self, modality: Modality) -> Any:
        """What became of each, in the form that they were given in."""
        return modality.to_python((pair.image for pair in self.pairs), self.given.form)

    def save(self, modality: Modality, out: Path, tell: Tell = tell_nothing) -> list[Path]:
        """Every image under its own name, and a sheet of the middles of some, before and after;
        into a file, the one image there is, or that sheet alone."""
        shown = list[tuple[Tensor, Tensor]]()
        images = _images(self.pairs, shown)
        if out.suffix and len(self.given.names) == 1:
            return modality.save(images, out)
        if out.suffix:
            deque(images, maxlen=0)
            return [_save_sheet(shown, modality, out)]
        files = modality.save(images, out, self._names())
        return [*files, _save_sheet(shown, modality, out / "before-and-after.png")]

    def _names(self) -> list[str]:
        names = self.given.names
        own = [i for i, name in enumerate(names) if _ending(name) in ROUND_TRIP_ENDINGS]
        return filenames.image_names(names, own if self.keeps_kind else ())


def pair_restored(
    image: ImageFile, before: Tensor, after: Tensor, recoloured: bool = False
) -> ImagePair:
    """An image of which the pixels are others now.

    before, after: Its pixels as a model has them, (C, H, W) in [-1, 1].
    recoloured: Whether a grey one may be in colour afterwards.
    """
    return ImagePair(image.redone(after, recoloured), crop_middle(before), crop_middle(after))


def pair_enlarged(before: ImageFile, after: ImageFile, scale: int, channels: int) -> ImagePair:
    """An image beside one that is so many times as large a side; it is shown bicubically
    enlarged."""
    side = ceil(MIDDLE / scale)
    tops = [((n - min(n, side)) // 2, min(n, side)) for n in before.levels.shape[1:]]
    (top, height), (left, width) = tops
    small = before.levels[:, top : top + height, left : left + width]
    top, left, height, width = (scale * n for n in (top, left, height, width))
    large = after.levels[:, top : top + height, left : left + width]
    bicubic = upscale_bicubic(image_from_levels(small, before.white)[None], scale)[0]
    shown = [bicubic.clamp(-1, 1), image_from_levels(large, after.white)]
    return ImagePair(after, *(crop_middle(with_channels(x, channels)) for x in shown))


def _images(pairs: Iterable[ImagePair], shown: list[tuple[Tensor, Tensor]]) -> Iterator[ImageFile]:
    """What became of each; of the first, the middles are kept to be shown."""
    for image, before, after in pairs:
        if len(shown) < SHOWN:
            shown.append((before, after))
        yield image


def _save_sheet(shown: list[tuple[Tensor, Tensor]], modality: Modality, file: Path) -> Path:
    before, after = (stack_squares(kind) for kind in zip(*shown, strict=True))
    return save_stacked(with_same_channels(before, after), modality, file)


def _ending(name: str) -> str:
    return Path(name).suffix.lower()
