"""Images, in folders and everything else people keep them in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional as F

from ...core import Continuous, Data, InputError, Lossless, Modality, Tokens
from ...core.captions import caption_space, vocabulary
from ...core.images import ImageFile, ImageFiles, image_to_levels, mirror_pad
from ...core.modality import Items, Recommendation, folder_and_names
from ...runtime.errors import flag
from .._drawing import grid, overlay_heat, pixels_of, save_gif
from .._reading import (
    describe_classes,
    natural_size,
    with_progress,
)
from .captions import Captions, captions_of
from .crops import Patches
from .decoding import find_sizes, flatten, measure_images, open_header, turn_upright
from .domains import Domains, learn_domains
from .examples import Resident, Streamed
from .files import (
    channels_first,
    save_image,
    to_pillow,
)
from .lossless import Album, files_inside
from .reading import ImageSource
from .sources import ENDINGS, form_of, holds_images, holds_videos, open_source

Crop = Literal["centre", "stretch", "pad", "random"]
PATCH = 64  # side of squares that are cut out of larger images, where nothing else is said


@dataclass(frozen=True)
class Images(Modality, ImageFiles, Lossless):
    """Square images of one size, or squares out of images of any; 8 bits a channel; sub-folders
    are classes."""

    size: int
    channels: int
    classes: tuple[str, ...] = ()
    crop: Crop = "centre"
    flip: bool = False
    form: Literal["images", "array", "tensor"] = "images"
    skip_unreadable: bool = False
    resident: float | None = None
    domains: tuple[str, ...] = ()
    to: str | None = None
    pairs: bool = False
    first_channels: int = 0
    captions: Captions = "none"
    words: tuple[str, ...] = ()
    longest: int = 0

    features: ClassVar[str] = "learned"
    typical = (
        (Continuous((3, 32, 32)), Tokens(1, 2)),
        (Continuous((3, 32, 32)), Continuous((3, 32, 32))),
    )
    opens: ClassVar[type[ImageSource]] = ImageSource
    recommended: ClassVar[tuple[Recommendation, ...]] = (
        Recommendation(
            "vae",
            1,
            "It learns in minutes on any computer and can do the most afterwards; r3gan is sharper,"
            " but wants thousands of images and hours.",
        ),
        Recommendation("cut", 60, "It needs no pairs, and half the time that cyclegan takes."),
    )
    lists: ClassVar[frozenset[str]] = frozenset({".csv"})
    endings: ClassVar[frozenset[str]] = ENDINGS | {
        ".zip",
        ".npy",
        ".npz",
        ".parquet",
        ".csv",
        ".gz",
    }

    @property
    def space(self) -> Continuous:
        return Continuous((self.channels, self.size, self.size))

    @property
    def condition(self) -> Tokens | Continuous | None:
        if self.domains:
            return self.first.space
        if self.words:
            return caption_space(self.words, self.longest)
        return Tokens(1, len(self.classes)) if self.classes else None

    @property
    def first(self) -> Images:
        """What the images of the first domain are."""
        return replace(self.second, channels=self.first_channels)

    @property
    def second(self) -> Images:
        """What the images of the second domain are."""
        return replace(self, domains=(), to=None, pairs=False, first_channels=0)

    @classmethod
    def recognises(cls, source: Any) -> bool:
        if isinstance(source, Mapping):
            return any(
                map(cls.recognises, source.values())
            )  # what else is wrong with two domains is said later
        if isinstance(source, tuple):
            return len(source) == 2 and cls.recognises(source[0])
        if isinstance(source, str | Path):
            return holds_images(source) and not holds_videos(source)
        photos = isinstance(source, list) and bool(source) and isinstance(source[0], Image.Image)
        return photos or (isinstance(source, np.ndarray | Tensor) and source.ndim in (3, 4))

    @classmethod
    def learn(
        cls,
        source: Any,
        *,
        to: Path | None = None,
        pairs: bool = False,
        captions: Captions = "auto",
        size: int | None = None,
        crop: Crop = "centre",
        grey: bool = False,
        flip: bool = False,
        skip_unreadable: bool = False,
        resident: float | None = None,
    ) -> Images:
        """Looks at every image's size and colours.

        to: Folder of the images to turn them into, for models that translate.
        pairs: Images of the same name, but for its ending, are counterparts.
        captions: What images show: as text files beside them or a column say, auto; their own
            names; or none.
        size: Side of the images in pixels; by default their own where they are small squares,
            else 16 to 64.
        crop: What becomes of images that are no squares: cut to the centre, stretched, or padded;
            random cuts squares out of images of any size, at full resolution, elsewhere in every
            step.
        grey: Make all images grey.
        flip: Mirror images at random while training.
        skip_unreadable: Leave out files that cannot be read, instead of stopping.
        resident: GiB of decoded images that may live in memory; by default a quarter of what is
            free.
        """
        if to is not None or isinstance(source, Mapping):
            if pairs and skip_unreadable:
                raise InputError(
                    f"{flag('skip_unreadable')} would leave partners behind; mend what cannot be"
                    " read in pairs"
                )
            if captions == "names":
                raise InputError(
                    f"images of two domains are not asked for by words; leave out {flag('to')}, or"
                    f" {flag('captions')}"
                )
            learn = partial(
                cls.learn,
                captions="none",
                size=size,
                crop=crop,
                grey=grey,
                flip=flip,
                resident=resident,
            )
            both: Images = learn_domains(
                source, to, pairs, partial(learn, skip_unreadable=skip_unreadable), find_sizes
            )
            return both
        if pairs:
            raise InputError(
                f"{flag('pairs')} is for images of two folders; name the other with {flag('to')}"
            )
        found = open_source(source)
        if len(found.names) < 2:
            raise InputError(
                f"{_named(source)} has only one image; a model needs many to learn from"
            )
        if size is not None and not 4 <= size <= 1024:
            raise InputError(f"{flag('size')} is {size}; images are from 4 to 1024 pixels")
        sizes, greys = measure_images(found, skip_unreadable)
        words, longest = vocabulary(captions_of(found, captions, _named(source)))
        distinct = {label for label in found.labels or [] if label is not None}
        form = form_of(source)
        return cls(
            size=size
            or (min(PATCH, int(sizes.min())) if crop == "random" else natural_size(sizes)),
            channels=1 if grey or greys.all() else 3,
            classes=(
                (found.classes or tuple(sorted(distinct)))
                if len(distinct) > 1 and not words
                else ()
            ),
            captions=captions if words else "none",
            words=words,
            longest=longest,
            crop=crop,
            flip=flip,
            form=form,
            skip_unreadable=skip_unreadable,
            resident=resident,
        )

    def with_channels(self, pixels: Tensor) -> Tensor:
        """Arrays (N, H, W[, C]) as images (N, channels, H, W), uint8."""
        x = pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)
        if x.shape[1] != self.channels:
            weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
            x = (
                x.expand(-1, 3, -1, -1)
                if self.channels == 3
                else (x * weights).sum(1, keepdim=True).round().byte()
            )
        return x.contiguous()

    def fit(self, pixels: Tensor) -> Tensor:
        """Arrays (N, H, W[, C]) as images (N, channels, size, size), uint8."""
        x = self.with_channels(pixels)
        if x.shape[2:] == (self.size, self.size):
            return x
        return torch.cat([self._resize(part) for part in x.split(1024)])

    def _resize(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        if self.crop == "centre":
            side = min(height, width)
            top, left = (height - side) // 2, (width - side) // 2
            x = x[:, :, top : top + side, left : left + side]
        elif self.crop == "pad":
            side = max(height, width)
            dx, dy = side - width, side - height
            x = F.pad(x, (dx // 2, dx - dx // 2, dy // 2, dy - dy // 2), value=255)
        size = (self.size, self.size)
        return (
            F.interpolate(x.float(), size, mode="bicubic", antialias=True)
            .round()
            .clamp(0, 255)
            .byte()
        )

    def decode_file(self, content: bytes) -> np.ndarray:
        """A file's bytes as an image, uint8 (channels, size, size), or of any larger size where
        squares are cut out of it. Raises OSError where that cannot be."""
        if self.crop == "random":
            return mirror_pad(torch.from_numpy(self._levels(content)), self.size, self.size).numpy()
        return channels_first(
            self.fit_image(flatten(turn_upright(open_header(content, self.size)), self.mode))
        )

    def fit_image(
        self, image: Image.Image, by: Image.Resampling = Image.Resampling.LANCZOS
    ) -> Image.Image:
        """An image, cut, padded or stretched to the size that the model learned; as it is where
        squares are cut out.

        by: How it is resampled.
        """
        size = (self.size, self.size)
        if image.size == size or self.crop == "random":
            return image
        if self.crop == "centre":
            return ImageOps.fit(image, size, by)
        if self.crop == "pad":
            return ImageOps.pad(image, size, by, color="white")
        return image.resize(size, by, reducing_gap=3)

    def _levels(self, content: bytes) -> np.ndarray:
        """A file's bytes as the image it is, uint8 (channels, H, W). Raises OSError where that
        cannot be."""
        return channels_first(flatten(turn_upright(open_header(content)), self.mode))

    @property
    def mode(self) -> str:
        """As Pillow calls it."""
        return "L" if self.channels == 1 else "RGB"

    def rebuilt(self, codes: Tensor, rest: bytes) -> Any:
        album = Album.unpack(rest)
        if album.form == "images":
            return [
                p if isinstance(p, Image.Image) else Image.open(BytesIO(p))
                for p in self._in_order(codes, album)
            ]
        array = self._array(codes, album)
        return torch.from_numpy(array) if album.form == "tensor" else array

    def rebuild(self, codes: Tensor, rest: bytes, out: Path) -> list[Path]:
        """PNG files of the same names, in folders as they were; what came as an array, as .npy
        where that is asked."""
        album = Album.unpack(rest)
        if out.suffix == ".npy" and album.form != "images":
            out.parent.mkdir(parents=True, exist_ok=True)
            np.save(out, self._array(codes, album))
            return [out]
        if out.suffix:
            raise InputError(
                f"{out} is one file; name a folder for images, or an .npy for what came as an array"
            )
        files = files_inside(
            out, album.names or [f"{i:0{len(str(len(codes)))}}.png" for i in range(len(codes))]
        )
        pairs = zip(files, self._in_order(codes, album), strict=True)
        for file, image in with_progress(pairs, len(files), "writing images"):
            file.parent.mkdir(parents=True, exist_ok=True)
            image.save(file) if isinstance(image, Image.Image) else file.write_bytes(image)
        return files

    @property
    def kind_of_image(self) -> str:
        return (
            f"{self.size} × {self.size} pixels of 8 bits in"
            f" {'grey' if self.channels == 1 else 'colour'}"
        )

    def _in_order(self, codes: Tensor, album: Album) -> Iterator[Image.Image | bytes]:
        """Images, and files of those that are odd, as they stood."""
        pixels = iter(self._stack(codes))
        for i in range(len(codes) + len(album.odd)):
            yield album.odd[i] if i in album.odd else Image.fromarray(next(pixels))

    def _array(self, codes: Tensor, album: Album) -> np.ndarray:
        """The array that was given."""
        pixels = self._stack(codes).reshape(-1, self.size, self.size, self.channels)
        channels_first = len(album.shape) == 4 and album.shape[-1] not in (1, 3)
        return (pixels.transpose(0, 3, 1, 2) if channels_first else pixels).reshape(album.shape)

    def _stack(self, codes: Tensor) -> np.ndarray:
        """Levels (n, places) as images, uint8 (n, S, S[, 3])."""
        levels = (
            codes.to(torch.uint8).cpu().numpy().reshape(-1, *self.space.shape).transpose(0, 2, 3, 1)
        )
        return np.ascontiguousarray(levels[..., 0] if self.channels == 1 else levels)

    def describe(self, data: Data) -> str:
        if isinstance(data, Domains):
            parts = zip(
                self.domains, (self.first, self.second), (data.first, data.second), strict=True
            )
            return "; ".join(f"{name}: {images.describe(own)}" for name, images, own in parts)
        colours = "grey" if self.channels == 1 else "colour"
        words = [f"{len(data):,} images, {self.size} × {self.size} {colours}"]
        assert isinstance(data, Resident | Streamed | Patches)
        if isinstance(data, Patches):
            words = [
                f"{data.images:,} images: {len(data):,} squares, {self.size} × {self.size}"
                f" {colours}"
            ]
        if data.labels is not None:
            words.append(describe_classes(data.labels, self.classes))
        words.append(data.kept())
        return "; ".join(words)

    def to_python(self, items: Items, form: str | None = None) -> Any:
        form = form or self.form
        if isinstance(items, Tensor) and form == "tensor":
            return items.cpu()
        if isinstance(items, Tensor):
            pixels = pixels_of(items)
            return pixels if form == "array" else [Image.fromarray(p) for p in pixels]
        files = map(_file_of, items)
        if form == "tensor":
            return torch.stack([one.examples(len(one.levels)).cpu() for one in files])
        shown = map(to_pillow, files)
        return np.stack([np.asarray(image) for image in shown]) if form == "array" else [*shown]

    def vectors(self, x: Tensor) -> Tensor:
        return x.flatten(1).float()

    def reasons(self, attribution: Tensor) -> dict[str, Tensor]:
        return {}

    def point_out(
        self, x: Tensor, attribution: Tensor, nearest: Tensor, names: list[str], folder: Path
    ) -> list[Path]:
        """One image each: as it is, with the attribution glowing on it, and the nearest normal
        one."""
        folder.mkdir(parents=True, exist_ok=True)
        glowing = overlay_heat(x.expand(-1, 3, -1, -1), attribution.mean(1, keepdim=True))
        beside = [
            x.expand(-1, 3, -1, -1),
            glowing,
            *([nearest.expand(-1, 3, -1, -1)] if len(nearest) else []),
        ]
        return self.save(
            torch.cat(beside, 3), folder, [f"{i:04d}-{Path(n).stem}" for i, n in enumerate(names)]
        )

    def thumbnails(self, x: Tensor, most: int) -> Tensor:
        side = min(self.size, most)
        small = F.interpolate(x.float(), (side, side), mode="area").expand(-1, 3, -1, -1)
        return torch.from_numpy(pixels_of(small))

    def frame(self, x: Tensor) -> None:
        return None

    def save(self, items: Items, target: Path, names: list[str] | None = None) -> list[Path]:
        """Of one size as PNG files; else one at a time, each with all that a file of its name can
        hold. Raises InputError where one is too large for its format."""
        folder, names = folder_and_names(target, names)
        if not isinstance(items, Tensor):
            files = [folder / name for name in names or ()]
            return [save_image(_file_of(x), file) for x, file in zip(items, files, strict=True)]
        folder.mkdir(parents=True, exist_ok=True)
        width = max(4, len(str(len(items) - 1)))
        stems = [Path(name).stem for name in names or ()]
        stems = stems or [f"{i:0{width}d}" for i in range(len(items))]
        files = [folder / f"{stem}.png" for stem in stems]
        for pixels, file in zip(pixels_of(items), files, strict=True):
            Image.fromarray(pixels).save(file)
        return files

    def sheet(self, x: Tensor, target: Path, columns: int | None = None) -> Path:
        target.parent.mkdir(parents=True, exist_ok=True)
        grid(x, columns).save(target)
        return target

    def animate(self, frames: list[Tensor], target: Path, seconds: float = 0.1) -> Path:
        return save_gif([grid(frame, None) for frame in frames], target, seconds)

    def film(self, sheets: list[Path], target: Path) -> Path:
        return save_gif([Image.open(sheet) for sheet in sheets], target, 0.25)


def _named(source: Any) -> str:
    return str(source) if isinstance(source, str | Path) else f"the {type(source).__name__}"


def _file_of(image: ImageFile | Tensor) -> ImageFile:
    """An image as a file has it; of values, (C, H, W) in [-1, 1], with eight bits."""
    return ImageFile(image_to_levels(image, 255)) if isinstance(image, Tensor) else image
