"""Images, in folders and everything else people keep them in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from itertools import islice
from math import inf
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional as F

from ...core import (
    Batch,
    Continuous,
    Data,
    ImageFile,
    ImageFiles,
    ImageSet,
    InputError,
    Lossless,
    Mask,
    Maskable,
    Masked,
    Modality,
    Tokens,
    mirror_pad,
)
from ...core.captions import caption_space, encode_caption, vocabulary
from ...runtime.errors import flag
from ...runtime.filenames import image_names
from .._drawing import grid, overlay_heat, pixels_of, save_gif
from .._reading import (
    Unreadable,
    class_numbers,
    content_key,
    content_keys,
    memory_budget,
    natural_size,
    read_lazily,
    refuse_unreadable,
    with_progress,
)
from .captions import Captions, caption_of, captions_of
from .crops import THREADS, Filed, Held, Patches, resize_to_side
from .domains import Domains, Paired, Unpaired, learn_domains, pair_domains, read_domains
from .files import (
    channels_first,
    is_grey,
    max_level,
    open_image,
    refuse_moving,
    save_image,
    to_pillow,
)
from .lossless import Album, is_inside
from .sources import ENDINGS, Arrays, Encoded, holds_images, holds_videos, open_source

Crop = Literal["centre", "stretch", "pad", "random"]
PATCH = 64  # side of squares that are cut out of larger images, where nothing else is said
HELD_BY_PNG = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


@dataclass(frozen=True)
class Images(Modality, ImageFiles, Lossless, Maskable):
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
            return learn_domains(
                source, to, pairs, partial(learn, skip_unreadable=skip_unreadable), _found_sizes
            )
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
        sizes, greys = _look(found, skip_unreadable)
        words, longest = vocabulary(captions_of(found, captions, _named(source)))
        distinct = {label for label in found.labels or [] if label is not None}
        form: Any = {Tensor: "tensor", np.ndarray: "array"}.get(_kind(source), "images")
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

    def read(self, source: Any, device: str | torch.device = "cpu") -> Data:
        if self.domains:
            ours, theirs = map(open_source, read_domains(source, self.to, self.domains))
            if self.pairs:
                ours, theirs = pair_domains(ours, theirs, _found_sizes, self.domains)
            kind = Paired if self.pairs else Unpaired
            return kind(self.first.read(ours, device), self.second.read(theirs, device))
        device = torch.device(device)
        found = open_source(source)
        labels = self._asked(found, source)
        if self.crop == "random":
            return Patches(self._kept_whole(found, labels, device), self.size, self.flip)
        if isinstance(found, Arrays):
            pixels = self.fit(torch.from_numpy(np.array(found.pixels)))
            return Resident(
                pixels.to(device),
                labels,
                content_keys(map(bytes, found.pixels)),
                found.names,
                self.flip,
            )
        if len(found.names) * self.channels * self.size**2 <= memory_budget(self.resident, device):
            return self._decode_all(found, labels, device)
        return self._survey(found, labels)

    def read_any(
        self, source: Any, device: str | torch.device = "cpu"
    ) -> Iterator[tuple[Data, Tensor]]:
        yield self.read(source, device), torch.zeros(())

    def _asked(self, found: Encoded | Arrays, source: Any) -> Tensor | None:
        """What each image could be asked for by: its words, int64 (N, longest), or its class (N,
        1)."""
        if not self.words:
            return class_numbers(found.names, found.labels, self.classes, _named(source))
        texts = caption_of(found, self.captions)
        return None if texts is None else encode_caption(texts, self.words, self.longest)

    def _kept_whole(
        self, found: Encoded | Arrays, labels: Tensor | None, device: torch.device
    ) -> Held | Filed:
        """Every image decoded once, whole; kept if there is room for all."""
        if isinstance(found, Arrays):
            x = mirror_pad(
                self._coloured(torch.from_numpy(np.array(found.pixels))), self.size, self.size
            )
            sizes = torch.tensor(x.shape[2:]).expand(len(x), 2)
            keys = content_keys(map(bytes, found.pixels))
            return Held(x.flatten().to(device), self.channels, sizes, keys, labels, found.names)
        sizes, keys = (
            torch.empty(len(found.names), 2, dtype=torch.int64),
            torch.empty(len(found.names)).long(),
        )
        kept, left = dict[int, Tensor](), memory_budget(self.resident, device)

        def take(i: int) -> None:
            nonlocal left
            content = found.content(i)
            pixels = torch.from_numpy(self.decode(content))
            keys[i], sizes[i] = content_key(content), torch.tensor(pixels.shape[1:])
            left -= pixels.nbytes
            if left >= 0:
                kept[i] = pixels.flatten()

        good = self._checked(found, take)
        names = [found.names[i] for i in good.tolist()]
        described = sizes[good], keys[good], None if labels is None else labels[good], names
        if len(kept) == len(good):
            return Held(
                torch.cat([kept[i] for i in good.tolist()]).to(device), self.channels, *described
            )
        kept.clear()
        return Filed(lambda i: self.decode(found.content(int(good[i]))), *described)

    def whole(self, source: Any) -> ImageSet:
        if self.domains:
            return replace(self.second, channels=max(self.channels, self.first_channels)).whole(
                source
            )
        found = open_source(source)
        kind = {Tensor: "tensor", np.ndarray: "array"}.get(_kind(source), "images")
        if isinstance(found, Arrays):
            return ImageSet(
                found.names, lambda i: ImageFile(_grid_of(found.pixels[i])), self.channels, kind
            )
        good = self._checked(found, lambda i: refuse_moving(_opened(found.content(i)))).tolist()
        return ImageSet(
            [found.names[i] for i in good], lambda i: _own(found, good[i]), self.channels, kind
        )

    def masked(self, source: Any) -> Masked:
        """Images; what is transparent in one is missing."""
        found = open_source(source)
        form = {Tensor: "tensor", np.ndarray: "array"}.get(_kind(source), "images")
        if isinstance(found, Arrays):
            pixels = torch.from_numpy(np.array(found.pixels))
            whole = resize_to_side(
                self._coloured(pixels) if self.crop == "random" else self.fit(pixels), None
            )
            return Masked(
                [*whole], [*torch.ones_like(whole).bool()], found.names, _sizes(pixels), form
            )

        def opened(i: int) -> tuple[Tensor, Tensor, tuple[int, ...]]:
            image = _upright(_still(found.content(i)))
            x = resize_to_side(
                torch.from_numpy(channels_first(self._fitted(_flat(image, self._mode)))), None
            )
            return x, ~self._missing(_holes(image)), (image.height, image.width)

        x, known, sizes, names = self._all_opened(found, opened)
        return Masked(x, known, names, sizes, form)

    def mask(self, source: Any) -> Mask:
        """Masks are white where something is missing, and black where not."""
        flat = isinstance(source, np.ndarray | Tensor) and source.ndim == 2
        found = open_source(source[None] if flat else source)
        if isinstance(found, Arrays):
            pixels = torch.from_numpy(np.array(found.pixels))
            grey = [Image.fromarray(one.numpy()).convert("L") for one in pixels]
            return Mask([*map(self._missing, grey)], found.names, _sizes(pixels))

        def opened(i: int) -> tuple[Tensor, Tensor, tuple[int, ...]]:
            missing = self._missing(_flat(_upright(image := _still(found.content(i))), "L"))
            return missing, missing, (image.height, image.width)

        missing, _, sizes, names = self._all_opened(found, opened)
        return Mask(missing, names, sizes)

    def _all_opened(
        self, found: Encoded, opened: Callable[[int], tuple[Tensor, Tensor, tuple[int, ...]]]
    ) -> tuple[list[Tensor], list[Tensor], list[tuple[int, ...]], list[str]]:
        """What `opened` makes of every image that can be read, each part in a list of its own;
        and their names."""
        read = dict[int, tuple[Tensor, Tensor, tuple[int, ...]]]()
        good = self._checked(found, lambda i: read.update({i: opened(i)})).tolist()
        first, second, sizes = (list(part) for part in zip(*(read[i] for i in good), strict=True))
        return first, second, sizes, [found.names[i] for i in good]

    def _missing(self, white: Image.Image) -> Tensor:
        """Where a grey image is white, boolean (channels, S, S): also where it is so in part once
        it is smaller."""
        hard = white.point(lambda level: 255 * (level >= 128))
        part = torch.from_numpy(np.array(self._fitted(hard, Image.Resampling.BOX))) > 0
        return part.expand(self.channels, *part.shape)

    def album(self, photos: Iterable[ImageFile], form: str) -> Any:
        if form == "tensor":
            return torch.stack([one.examples(len(one.levels)).cpu() for one in photos])
        shown = (to_pillow(one) for one in photos)
        return np.stack([np.asarray(image) for image in shown]) if form == "array" else [*shown]

    def hang(self, photos: Iterable[ImageFile], files: list[Path]) -> list[Path]:
        for one, file in zip(photos, files, strict=True):
            save_image(one, file)
        return files

    def _decode_all(self, found: Encoded, labels: Tensor | None, device: torch.device) -> Resident:
        """Every image decoded once, in one tensor."""
        pixels = torch.empty(
            len(found.names), self.channels, self.size, self.size, dtype=torch.uint8
        )
        keys = torch.empty(len(found.names), dtype=torch.int64)

        def take(i: int) -> None:
            content = found.content(i)
            keys[i] = content_key(content)
            pixels[i] = torch.from_numpy(self.decode(content))

        good = self._checked(found, take)
        names = [found.names[i] for i in good.tolist()]
        if len(good) < len(pixels):
            pixels, keys, labels = (
                pixels[good],
                keys[good],
                None if labels is None else labels[good],
            )
        return Resident(pixels.to(device), labels, keys, names, self.flip)

    def _survey(self, found: Encoded, labels: Tensor | None) -> Streamed:
        """Every image decoded once to see that it can be, and forgotten."""
        keys = torch.empty(len(found.names), dtype=torch.int64)

        def take(i: int) -> None:
            content = found.content(i)
            keys[i] = content_key(content)
            self.decode(content)

        good = self._checked(found, take)
        return Streamed(self, found, labels, keys, good)

    def _checked(self, found: Encoded, take: Callable[[int], None]) -> Tensor:
        """Numbers of the images that `take` could take. Raises InputError naming all others, if
        not to skip them."""
        errors = [
            error for error in read_lazily(found.names, take, "reading images") if error is not None
        ]
        refuse_unreadable(errors, len(found.names), "images", self.skip_unreadable)
        bad = {error.number for error in errors}
        return torch.tensor([i for i in range(len(found.names)) if i not in bad])

    def _coloured(self, pixels: Tensor) -> Tensor:
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
        x = self._coloured(pixels)
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

    def decode(self, content: bytes) -> np.ndarray:
        """A file's bytes as an image, uint8 (channels, size, size), or of any larger size where
        squares are cut out of it. Raises OSError where that cannot be."""
        if self.crop == "random":
            return mirror_pad(torch.from_numpy(self._levels(content)), self.size, self.size).numpy()
        return channels_first(
            self._fitted(_flat(_upright(_opened(content, self.size)), self._mode))
        )

    def _fitted(
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
        return channels_first(_flat(_upright(_opened(content)), self._mode))

    @property
    def _mode(self) -> str:
        """As Pillow calls it."""
        return "L" if self.channels == 1 else "RGB"

    def exact(self, source: Any) -> tuple[Tensor, bytes]:
        """Levels (n, channels * size * size), uint8, of the images that are of the model's kind;
        and the rest."""
        found = open_source(source)
        if isinstance(found, Arrays):
            form = "tensor" if issubclass(_kind(source), Tensor) else "array"
            return self._whole(found, source), Album(form, found.given.shape).packed()
        if isinstance(source, list) and (anomalous := {p.mode for p in source} - set(HELD_BY_PNG)):
            raise InputError(
                f"an image has the mode {min(anomalous)}, which no PNG file holds; convert it first"
            )
        seen = list(
            read_lazily(
                found.names, lambda i: self._exact_levels(found.content(i)), "reading images"
            )
        )
        for one in seen:
            if isinstance(one, Unreadable):
                raise InputError(f"{one.name} cannot be read ({one.why}); mend it, or take it out")
        odd = {i: found.content(i) for i, one in enumerate(seen) if one is None}
        if len(odd) == len(seen):
            raise InputError(
                f"no image of {_named(source)} is {self._kind_of_image}, as the model learned them"
            )
        album = Album("images", (), image_names(found.names, odd), odd)
        return (
            torch.from_numpy(np.stack([one for one in seen if one is not None])).flatten(1),
            album.packed(),
        )

    def rebuilt(self, codes: Tensor, rest: bytes) -> Any:
        album = Album.unpacked(rest)
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
        album = Album.unpacked(rest)
        if out.suffix == ".npy" and album.form != "images":
            out.parent.mkdir(parents=True, exist_ok=True)
            np.save(out, self._array(codes, album))
            return [out]
        if out.suffix:
            raise InputError(
                f"{out} is one file; name a folder for images, or an .npy for what came as an array"
            )
        files = is_inside(
            out, album.names or [f"{i:0{len(str(len(codes)))}}.png" for i in range(len(codes))]
        )
        pairs = zip(files, self._in_order(codes, album), strict=True)
        for file, image in with_progress(pairs, len(files), "writing images"):
            file.parent.mkdir(parents=True, exist_ok=True)
            image.save(file) if isinstance(image, Image.Image) else file.write_bytes(image)
        return files

    @property
    def _kind_of_image(self) -> str:
        return (
            f"{self.size} × {self.size} pixels of 8 bits in"
            f" {'grey' if self.channels == 1 else 'colour'}"
        )

    def _whole(self, found: Arrays, source: Any) -> Tensor:
        """Levels of an array that says all there is of it. Raises InputError where they would
        not."""
        given = found.given
        pixels = torch.from_numpy(np.array(found.pixels))
        pixels = pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)
        if (
            given.dtype != np.uint8
            or given.size != pixels.numel()
            or pixels.shape[1:] != self.space.shape
        ):
            words = f"{_named(source)} is {given.dtype} of shape {given.shape}"
            raise InputError(
                f"{words}; what comes back to the last bit is uint8, {self._kind_of_image}"
            )
        return pixels.flatten(1)

    def _exact_levels(self, content: bytes) -> np.ndarray | None:
        """Levels (channels, size, size) that say all there is of an image's pixels; None where
        none do."""
        opened = _opened(content)
        image = _upright(opened)
        kind = ("L" if self.channels == 1 else "RGB", (self.size, self.size), 1, False)
        if (
            image.mode,
            image.size,
            getattr(opened, "n_frames", 1),
            "transparency" in image.info,
        ) != kind:
            return None
        return np.array(image).reshape(self.size, self.size, self.channels).transpose(2, 0, 1)

    def _in_order(self, codes: Tensor, album: Album) -> Iterator[Image.Image | bytes]:
        """Images, and files of those that are odd, as they stood."""
        pixels = iter(self._stacked(codes))
        for i in range(len(codes) + len(album.odd)):
            yield album.odd[i] if i in album.odd else Image.fromarray(next(pixels))

    def _array(self, codes: Tensor, album: Album) -> np.ndarray:
        """The array that was given."""
        pixels = self._stacked(codes).reshape(-1, self.size, self.size, self.channels)
        channels_first = len(album.shape) == 4 and album.shape[-1] not in (1, 3)
        return (pixels.transpose(0, 3, 1, 2) if channels_first else pixels).reshape(album.shape)

    def _stacked(self, codes: Tensor) -> np.ndarray:
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
            counts = Counter(data.labels.flatten().tolist())
            listed = ", ".join(
                f"{name} {counts[i]:,}" for i, name in islice(enumerate(self.classes), 10)
            )
            words.append(
                f"{len(self.classes)} classes ({listed}{' …' if len(self.classes) > 10 else ''})"
            )
        words.append(data.kept())
        return "; ".join(words)

    def present(self, x: Tensor) -> Any:
        if self.form == "tensor":
            return x.cpu()
        pixels = pixels_of(x)
        return pixels if self.form == "array" else [Image.fromarray(p) for p in pixels]

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
        return self.write(
            torch.cat(beside, 3), folder, [f"{i:04d}-{Path(n).stem}" for i, n in enumerate(names)]
        )

    def thumbnails(self, x: Tensor, most: int) -> Tensor:
        side = min(self.size, most)
        small = F.interpolate(x.float(), (side, side), mode="area").expand(-1, 3, -1, -1)
        return torch.from_numpy(pixels_of(small))

    def frame(self, x: Tensor) -> None:
        return None

    def write(self, x: Tensor, target: Path, names: list[str] | None = None) -> list[Path]:
        target.mkdir(parents=True, exist_ok=True)
        width = max(4, len(str(len(x) - 1)))
        stems = (
            [Path(name).stem for name in names]
            if names
            else [f"{i:0{width}d}" for i in range(len(x))]
        )
        files = [target / f"{stem}.png" for stem in stems]
        for pixels, file in zip(pixels_of(x), files, strict=True):
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


class Resident(Data):
    """Images that live as one tensor on the device, uint8 (N, C, S, S)."""

    def __init__(
        self, pixels: Tensor, labels: Tensor | None, keys: Tensor, names: list[str], flip: bool
    ) -> None:
        self.pixels, self.labels, self._keys, self.names, self.flip = (
            pixels,
            labels,
            keys,
            names,
            flip,
        )

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, rows: Tensor, step: int | None = None) -> Batch:
        pixels = self.pixels[rows.to(self.pixels.device)]
        return Batch(
            resize_to_side(pixels, step if self.flip else None),
            None if self.labels is None else self.labels[rows],
        )

    def keys(self) -> Tensor:
        return self._keys

    def subset(self, rows: Tensor) -> Resident:
        labels = None if self.labels is None else self.labels[rows]
        names = [self.names[i] for i in rows.tolist()]
        return Resident(
            self.pixels[rows.to(self.pixels.device)], labels, self._keys[rows], names, self.flip
        )

    def kept(self) -> str:
        return f"in memory ({self.pixels.nbytes / 2**20:,.0f} MB)"


class Streamed(Data):
    """Images that are decoded when they are asked for, by threads: Pillow lets others work while
    it decodes."""

    ahead = 2

    def __init__(
        self, images: Images, found: Encoded, labels: Tensor | None, keys: Tensor, rows: Tensor
    ) -> None:
        self.images, self.found, self.all_labels, self.all_keys, self.rows = (
            images,
            found,
            labels,
            keys,
            rows,
        )
        self.pool = ThreadPoolExecutor(THREADS)

    @property
    def names(self) -> list[str]:  # type: ignore[override] # made when asked for: there may be very many
        return [self.found.names[i] for i in self.rows.tolist()]

    @property
    def labels(self) -> Tensor | None:
        return None if self.all_labels is None else self.all_labels[self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: Tensor, step: int | None = None) -> Batch:
        chosen = self.rows[rows]
        decoded = self.pool.map(
            lambda i: self.images.decode(self.found.content(i)), chosen.tolist()
        )
        pixels = torch.from_numpy(np.stack(list(decoded)))
        labels = None if self.all_labels is None else self.all_labels[chosen]
        return Batch(resize_to_side(pixels, step if self.images.flip else None), labels)

    def keys(self) -> Tensor:
        return self.all_keys[self.rows]

    def subset(self, rows: Tensor) -> Streamed:
        return Streamed(self.images, self.found, self.all_labels, self.all_keys, self.rows[rows])

    def kept(self) -> str:
        return f"too many for memory: decoded as they are needed, by {THREADS} threads"


def _found_sizes(found: Encoded | Arrays) -> np.ndarray:
    return _look(found, skip=False)[0]


def _look(found: Encoded | Arrays, skip: bool) -> tuple[np.ndarray, np.ndarray]:
    """(width, height) of every image, and whether it is grey."""
    if isinstance(found, Arrays):
        height, width = found.pixels.shape[1:3]
        return np.array([[width, height]]), np.array([found.pixels.ndim == 3])

    def header(i: int) -> tuple[int, int, bool]:
        with _opened(found.content(i)) as image:
            turned = image.getexif().get(0x0112, 1) >= 5
            width, height = image.size[::-1] if turned else image.size
            return width, height, is_grey(image.mode)

    seen = list(read_lazily(found.names, header, "looking at images"))
    errors = [answer for answer in seen if isinstance(answer, Unreadable)]
    if errors and not skip:  # name those with it whose headers are whole but whose pixels are not
        errors = [
            e
            for e in read_lazily(
                found.names, lambda i: _opened(found.content(i)).load() and None, "checking"
            )
            if e
        ]
    refuse_unreadable(errors, len(found.names), "images", skip)
    good = np.array([answer for answer in seen if not isinstance(answer, Unreadable)])
    return good[:, :2], good[:, 2].astype(bool)


def _opened(content: bytes, size: int | None = None) -> Image.Image:
    """An image whose pixels are not decoded yet. Raises OSError for a bomb or what is no
    image."""
    try:
        image = Image.open(BytesIO(content))
    except UnidentifiedImageError as error:
        raise OSError("not an image that can be read") from error
    if image.width * image.height > (Image.MAX_IMAGE_PIXELS or inf):
        raise OSError(f"decompression bomb: {image.width} × {image.height} pixels")
    if size is not None:
        image.draft(None, (2 * size, 2 * size))  # JPEG can be decoded at a fraction of its size
    return image


def _still(content: bytes) -> Image.Image:
    """The same of an image that does not move. Raises OSError for one that does."""
    image = _opened(content)
    refuse_moving(image)
    return image


def _own(found: Encoded, i: int) -> ImageFile:
    try:
        return open_image(_opened(found.content(i)))
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises
        raise InputError(
            f"{found.names[i]} cannot be read: {error}; mend it, or leave it out"
        ) from error


def _grid_of(pixels: np.ndarray) -> Tensor:
    """Levels (H, W) or (H, W, C) as (C, H, W)."""
    levels = torch.from_numpy(np.array(pixels))
    return levels[None] if levels.ndim == 2 else levels.permute(2, 0, 1)


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    return ImageOps.exif_transpose(image)


def _flat(image: Image.Image, mode: str) -> Image.Image:
    """Eight bits a channel, grey or colour, whatever the file had."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image).astype(np.float64)
        full = max_level(image.mode, values.max())
        image = Image.fromarray(np.round(values / full * 255).clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    if image.mode == "P":
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def _holes(image: Image.Image) -> Image.Image:
    """Where an image is transparent, as a grey one that is white there."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        return ImageOps.invert(image.convert("RGBA").getchannel("A"))
    return Image.new("L", image.size)


def _sizes(pixels: Tensor) -> list[tuple[int, ...]]:
    """Height and width of each of some arrays (N, H, W[, C])."""
    return [tuple(pixels.shape[1:3])] * len(pixels)


def _kind(source: Any) -> type:
    return type(source[0]) if isinstance(source, tuple) else type(source)


def _named(source: Any) -> str:
    return str(source) if isinstance(source, str | Path) else f"the {type(source).__name__}"
