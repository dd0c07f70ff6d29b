"""Images as people have them, each of its own size, and what the modality does that reads and
writes them."""

from __future__ import annotations

import csv
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from .inputs import Input

IMAGE_ENDINGS = (".png", ".jpg", ".webp")
"""Endings of files that something is drawn into."""

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,ogg,asf,flv,gif"
)
"""What FFmpeg takes a file for. Playlists (HLS, DASH, concat, SDP) are not among it: they name
other files."""

ROUND_TRIP_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"})
"""Endings of files that an image can go back to as what it came from."""


def lists_images(file: Path) -> bool:
    """Whether a CSV file is a list of images, which are read from where its column `path` says;
    one whose first line cannot be read may be."""
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        try:
            return "path" in next(csv.reader(stream), [])
        except csv.Error:
            return True


@dataclass(frozen=True)
class ImageFile:
    """An image with all that its file has.

    levels: Its pixels, (C, H, W), grey or in colour: uint8, or int32 up to 65,535 where it has more
        than eight bits.
    alpha: How solid each is, (1, H, W), likewise; None where the file does not say.
    exif: What the camera and people say of it, as files hold it, but for what depends on its size.
    icc: What its colours mean.
    """

    levels: Tensor
    alpha: Tensor | None = None
    exif: bytes = b""
    icc: bytes = b""

    @property
    def white(self) -> int:
        return 255 if self.levels.dtype == torch.uint8 else 65535

    def examples(self, channels: int) -> Tensor:
        """Its pixels as a model of so many channels sees them, (channels, H, W) in [-1, 1]."""
        return with_channels(image_from_levels(self.levels, self.white), channels)

    def redone(self, x: Tensor, recoloured: bool = False) -> ImageFile:
        """The same file with other pixels x, (C, H, W) in [-1, 1]: a grey one stays grey, or is
        recoloured."""
        x = x if recoloured else with_channels(x, min(len(x), len(self.levels)))
        icc = self.icc if len(x) == len(self.levels) else b""
        return replace(self, levels=image_to_levels(x, self.white), icc=icc)


@dataclass(frozen=True)
class ImageSet(Input):
    """Images as they were given.

    names: Where each came from.
    own: Opens the one with a number, of whatever size, with all that its file has.
    channels: Of the model's images.
    form: What they came as, as the modality calls it.
    """

    refusal: ClassVar[str] = "{asker} is for images, and these are {data}"

    names: list[str]
    own: Callable[[int], ImageFile]
    channels: int
    form: str

    def each(self) -> Iterator[ImageFile]:
        """All of them, one after the other."""
        return map(self.own, range(len(self.names)))

    def image(self, number: int) -> Tensor:
        """One as the model sees it: (channels, H, W) in [-1, 1]."""
        return self.own(number).examples(self.channels)


class ImageFiles:
    """A modality whose examples are images, which it can also read and write as they are, one at
    a time."""


def image_from_levels(levels: Tensor, white: int) -> Tensor:
    """Levels from 0 to `white` as values in [-1, 1]."""
    return levels.float().div(white / 2).sub(1)


def image_to_levels(x: Tensor, white: int) -> Tensor:
    """The nearest levels of values in [-1, 1]: uint8, or int32 where white is more than 255."""
    nearest = x.detach().float().add(1).mul(white / 2).round().clamp(0, white)
    return nearest.to(torch.uint8 if white == 255 else torch.int32)


def with_channels(x: Tensor, channels: int) -> Tensor:
    """Images (..., C, H, W), grey or in colour, with so many channels: the luma of colours
    (BT.601), or grey as it is in each."""
    if x.shape[-3] == channels:
        return x
    if channels > 1:
        return x.expand(*x.shape[:-3], channels, *x.shape[-2:])
    return (x * x.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(-3, keepdim=True)


class Moving(ABC):
    """A modality whose examples are seen in time."""

    @abstractmethod
    def abreast(self, kinds: Sequence[Tensor], names: list[str], folder: Path) -> list[Path]:
        """Writes several versions of examples, each (n, *space.shape), beside each other: one film
        for each example."""


def mirror_pad(x: Tensor, height: int, width: int) -> Tensor:
    """Grids (..., H, W), mirrored at their right and lower edges, as often as it takes to make them
    this large."""
    return x[..., _folded(x.shape[-2], height).to(x.device), :][
        ..., _folded(x.shape[-1], width).to(x.device)
    ]


def resize(x: Tensor, height: int, width: int) -> Tensor:
    """Images (B, C, H, W) of another size, by the cubic of Keys (1981) with a = -0.5, widened
    where they shrink: as Matlab's and Pillow's bicubic."""
    return F.interpolate(x, (height, width), mode="bicubic", antialias=True)


def downscale(x: Tensor, scale: int) -> Tensor:
    """Images (B, C, H, W) in [-1, 1], with so many times fewer pixels a side, rounded to 8
    bits."""
    small = resize(x, x.shape[2] // scale, x.shape[3] // scale)
    return small.add(1).mul(127.5).round().clamp(0, 255).div(127.5).sub(1)


def upscale_bicubic(x: Tensor, scale: int) -> Tensor:
    """Images (B, C, H, W) with so many times as many pixels a side, bicubically; values may lie a
    little beyond."""
    return resize(x, x.shape[2] * scale, x.shape[3] * scale)


def crop_to_multiple(x: Tensor, scale: int) -> Tensor:
    """Images (B, C, H, W), cut at their right and lower edges until their sides are multiples of
    a scale."""
    return x[:, :, : x.shape[2] // scale * scale, : x.shape[3] // scale * scale]


def mirror_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Images (B, C, H, W), mirrored at their right and lower edges until their sides are
    multiples."""
    height, width = (ceil(n / multiple) * multiple for n in x.shape[2:])
    return x if x.shape[2:] == (height, width) else mirror_pad(x, height, width)


def with_same_channels(*images: Tensor) -> list[Tensor]:
    """Images (..., C, H, W) as they are, or where some are in colour all in colour."""
    return [with_channels(x, max(x.shape[-3] for x in images)) for x in images]


def random_flip(x: Tensor, random: torch.Generator) -> Tensor:
    """Images (B, C, H, W), each left as it is or its left and right exchanged, by a coin."""
    heads = torch.rand(len(x), generator=random) < 0.5
    return torch.where(heads.to(x.device)[:, None, None, None], x.flip(3), x)


def _folded(length: int, wanted: int) -> Tensor:
    """0, 1, ..., length - 1, length - 1, ..., 1, 0, 0, 1, ...: at least as many as there are, or
    are wanted."""
    place = torch.arange(max(length, wanted)) % (2 * length)
    return torch.minimum(place, 2 * length - 1 - place)
