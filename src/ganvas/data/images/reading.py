"""Images as a model takes them: examples, images of any size, images with parts missing, levels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...core import Data, ImageSet, InputError, Mask, Masked, Source
from ...core.captions import encode_caption
from ...core.images import ImageFile, mirror_pad
from ...results.unpacked import Unpacked
from ...runtime.filenames import image_names
from .._reading import (
    Unreadable,
    class_numbers,
    content_key,
    content_keys,
    memory_budget,
    read_lazily,
    refuse_unreadable,
)
from .captions import caption_of
from .crops import Filed, Held, Patches, resize_to_side
from .decoding import (
    find_sizes,
    find_transparent,
    flatten,
    open_header,
    open_still,
    read_own_file,
    to_channels_first,
    turn_upright,
)
from .domains import Paired, Unpaired, pair_domains, read_domains
from .examples import Resident, Streamed
from .files import channels_first, refuse_moving
from .lossless import Album, refuse_unheld_modes
from .sources import Arrays, Encoded, form_of, open_source

if TYPE_CHECKING:
    from .modality import Images


class ImageSource(Source):
    """Images in files, an array, a tensor or a list; or two domains of them."""

    modality: Images

    @property
    def views(self) -> Mapping[Any, Callable[[], Any]]:
        return {
            **super().views,
            ImageSet: self.images,
            Masked: self.masked,
            Mask: self.mask,
            Unpacked: self.unpacked,
        }

    def examples(self) -> Data:
        if self.modality.domains:
            ours, theirs = map(
                open_source, read_domains(self.given, self.modality.to, self.modality.domains)
            )
            if self.modality.pairs:
                ours, theirs = pair_domains(ours, theirs, find_sizes, self.modality.domains)
            kind = Paired if self.modality.pairs else Unpaired
            first = self.modality.first.read(ours, self.device)
            return kind(first, self.modality.second.read(theirs, self.device))
        found = open_source(self.given)
        labels = self._read_conditions(found)
        if self.modality.crop == "random":
            return Patches(self._keep_whole(found, labels), self.modality.size, self.modality.flip)
        if isinstance(found, Arrays):
            pixels = self.modality.fit(torch.from_numpy(np.array(found.pixels)))
            return Resident(
                pixels.to(self.device),
                labels,
                content_keys(map(bytes, found.pixels)),
                found.names,
                self.modality.flip,
            )
        if len(found.names) * self.modality.channels * self.modality.size**2 <= memory_budget(
            self.modality.resident, self.device
        ):
            return self._decode_all(found, labels)
        return self._survey(found, labels)

    def _read_conditions(self, found: Encoded | Arrays) -> Tensor | None:
        """What each image could be asked for by: its words, int64 (N, longest), or its class (N,
        1)."""
        if not self.modality.words:
            return class_numbers(found.names, found.labels, self.modality.classes, self.where)
        texts = caption_of(found, self.modality.captions)
        return (
            None
            if texts is None
            else encode_caption(texts, self.modality.words, self.modality.longest)
        )

    def _keep_whole(self, found: Encoded | Arrays, labels: Tensor | None) -> Held | Filed:
        """Every image decoded once, whole; kept if there is room for all."""
        if isinstance(found, Arrays):
            x = mirror_pad(
                self.modality.with_channels(torch.from_numpy(np.array(found.pixels))),
                self.modality.size,
                self.modality.size,
            )
            sizes = torch.tensor(x.shape[2:]).expand(len(x), 2)
            keys = content_keys(map(bytes, found.pixels))
            return Held(
                x.flatten().to(self.device),
                self.modality.channels,
                sizes,
                keys,
                labels,
                found.names,
            )
        sizes, keys = (
            torch.empty(len(found.names), 2, dtype=torch.int64),
            torch.empty(len(found.names)).long(),
        )
        kept, left = dict[int, Tensor](), memory_budget(self.modality.resident, self.device)

        def take(i: int) -> None:
            nonlocal left
            content = found.content(i)
            pixels = torch.from_numpy(self.modality.decode_file(content))
            keys[i], sizes[i] = content_key(content), torch.tensor(pixels.shape[1:])
            left -= pixels.nbytes
            if left >= 0:
                kept[i] = pixels.flatten()

        good = self._check(found, take)
        names = [found.names[i] for i in good.tolist()]
        described = sizes[good], keys[good], None if labels is None else labels[good], names
        if len(kept) == len(good):
            return Held(
                torch.cat([kept[i] for i in good.tolist()]).to(self.device),
                self.modality.channels,
                *described,
            )
        kept.clear()
        return Filed(lambda i: self.modality.decode_file(found.content(int(good[i]))), *described)

    def images(self) -> ImageSet:
        """Images of any size, as they are."""
        if self.modality.domains:
            channels = max(self.modality.channels, self.modality.first_channels)
            both = replace(self.modality.second, channels=channels)
            return replace(self, modality=both).images()
        found = open_source(self.given)
        form = form_of(self.given)
        if isinstance(found, Arrays):
            return ImageSet(
                found.names,
                lambda i: ImageFile(to_channels_first(found.pixels[i])),
                self.modality.channels,
                form,
            )
        good = self._check(found, lambda i: refuse_moving(open_header(found.content(i)))).tolist()
        return ImageSet(
            [found.names[i] for i in good],
            lambda i: read_own_file(found, good[i]),
            self.modality.channels,
            form,
        )

    def masked(self) -> Masked:
        """Images; what is transparent in one is missing."""
        found = open_source(self.given)
        form = form_of(self.given)
        if isinstance(found, Arrays):
            pixels = torch.from_numpy(np.array(found.pixels))
            whole = resize_to_side(
                self.modality.with_channels(pixels)
                if self.modality.crop == "random"
                else self.modality.fit(pixels),
                None,
            )
            everywhere = torch.ones_like(whole).bool()
            sides = side_lengths(pixels)
            return Masked([*whole], [*everywhere], found.names, sides, form).to(self.device)

        def opened(i: int) -> tuple[Tensor, Tensor, tuple[int, ...]]:
            image = turn_upright(open_still(found.content(i)))
            x = resize_to_side(
                torch.from_numpy(
                    channels_first(self.modality.fit_image(flatten(image, self.modality.mode)))
                ),
                None,
            )
            return x, ~self._find_missing(find_transparent(image)), (image.height, image.width)

        x, known, sizes, names = self._open_all(found, opened)
        return Masked(x, known, names, sizes, form).to(self.device)

    def mask(self) -> Mask:
        """Masks are white where something is missing, and black where not."""
        given = self.given
        flat = isinstance(given, np.ndarray | Tensor) and given.ndim == 2
        found = open_source(given[None] if flat else given)
        if isinstance(found, Arrays):
            pixels = torch.from_numpy(np.array(found.pixels))
            grey = [Image.fromarray(one.numpy()).convert("L") for one in pixels]
            return Mask([*map(self._find_missing, grey)], found.names, side_lengths(pixels))

        def opened(i: int) -> tuple[Tensor, Tensor, tuple[int, ...]]:
            missing = self._find_missing(
                flatten(turn_upright(image := open_still(found.content(i))), "L")
            )
            return missing, missing, (image.height, image.width)

        missing, _, sizes, names = self._open_all(found, opened)
        return Mask(missing, names, sizes)

    def _open_all(
        self, found: Encoded, opened: Callable[[int], tuple[Tensor, Tensor, tuple[int, ...]]]
    ) -> tuple[list[Tensor], list[Tensor], list[tuple[int, ...]], list[str]]:
        """What `opened` makes of every image that can be read, each part in a list of its own;
        and their names."""
        read = dict[int, tuple[Tensor, Tensor, tuple[int, ...]]]()
        good = self._check(found, lambda i: read.update({i: opened(i)})).tolist()
        first, second, sizes = (list(part) for part in zip(*(read[i] for i in good), strict=True))
        return first, second, sizes, [found.names[i] for i in good]

    def _find_missing(self, white: Image.Image) -> Tensor:
        """Where a grey image is white, boolean (channels, S, S): also where it is so in part once
        it is smaller."""
        hard = white.point(lambda level: 255 * (level >= 128))
        part = torch.from_numpy(np.array(self.modality.fit_image(hard, Image.Resampling.BOX))) > 0
        return part.expand(self.modality.channels, *part.shape)

    def _decode_all(self, found: Encoded, labels: Tensor | None) -> Resident:
        """Every image decoded once, in one tensor."""
        pixels = torch.empty(
            len(found.names),
            self.modality.channels,
            self.modality.size,
            self.modality.size,
            dtype=torch.uint8,
        )
        keys = torch.empty(len(found.names), dtype=torch.int64)

        def take(i: int) -> None:
            content = found.content(i)
            keys[i] = content_key(content)
            pixels[i] = torch.from_numpy(self.modality.decode_file(content))

        good = self._check(found, take)
        names = [found.names[i] for i in good.tolist()]
        if len(good) < len(pixels):
            pixels, keys, labels = (
                pixels[good],
                keys[good],
                None if labels is None else labels[good],
            )
        return Resident(pixels.to(self.device), labels, keys, names, self.modality.flip)

    def _survey(self, found: Encoded, labels: Tensor | None) -> Streamed:
        """Every image decoded once to see that it can be, and forgotten."""
        keys = torch.empty(len(found.names), dtype=torch.int64)

        def take(i: int) -> None:
            content = found.content(i)
            keys[i] = content_key(content)
            self.modality.decode_file(content)

        good = self._check(found, take)
        return Streamed(self.modality, found, labels, keys, good)

    def _check(self, found: Encoded, take: Callable[[int], None]) -> Tensor:
        """Numbers of the images that `take` could take. Raises InputError naming all others, if
        not to skip them."""
        errors = [
            error for error in read_lazily(found.names, take, "reading images") if error is not None
        ]
        refuse_unreadable(errors, len(found.names), "images", self.modality.skip_unreadable)
        bad = {error.number for error in errors}
        return torch.tensor([i for i in range(len(found.names)) if i not in bad])

    def unpacked(self) -> Unpacked:
        """Levels (n, channels * size * size), uint8, of the images that are of the model's kind;
        and the rest."""
        found = open_source(self.given)
        if isinstance(found, Arrays):
            form = "tensor" if form_of(self.given) == "tensor" else "array"
            rest = Album(form, found.given.shape).pack()
            return Unpacked(self._array_levels(found), rest, self.fingerprint())
        if isinstance(self.given, list):
            refuse_unheld_modes(self.given)
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
                f"no image of {self.where} is {self.modality.kind_of_image}, as the model learned"
                " them"
            )
        album = Album("images", (), image_names(found.names, odd), odd)
        levels = torch.from_numpy(np.stack([one for one in seen if one is not None])).flatten(1)
        return Unpacked(levels, album.pack(), self.fingerprint())

    def _array_levels(self, found: Arrays) -> Tensor:
        """Levels of an array that says all there is of it. Raises InputError where they would
        not."""
        given = found.given
        pixels = torch.from_numpy(np.array(found.pixels))
        pixels = pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)
        if (
            given.dtype != np.uint8
            or given.size != pixels.numel()
            or pixels.shape[1:] != self.modality.space.shape
        ):
            words = f"{self.where} is {given.dtype} of shape {given.shape}"
            raise InputError(
                f"{words}; what comes back to the last bit is uint8, {self.modality.kind_of_image}"
            )
        return pixels.flatten(1)

    def _exact_levels(self, content: bytes) -> np.ndarray | None:
        """Levels (channels, size, size) that say all there is of an image's pixels; None where
        none do."""
        opened = open_header(content)
        image = turn_upright(opened)
        kind = (
            "L" if self.modality.channels == 1 else "RGB",
            (self.modality.size, self.modality.size),
            1,
            False,
        )
        if (
            image.mode,
            image.size,
            getattr(opened, "n_frames", 1),
            "transparency" in image.info,
        ) != kind:
            return None
        return (
            np.array(image)
            .reshape(self.modality.size, self.modality.size, self.modality.channels)
            .transpose(2, 0, 1)
        )


def side_lengths(pixels: Tensor) -> list[tuple[int, ...]]:
    """Height and width of each of some arrays (N, H, W[, C])."""
    return [tuple(pixels.shape[1:3])] * len(pixels)
