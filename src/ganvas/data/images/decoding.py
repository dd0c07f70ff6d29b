"""Files of images, opened and decoded: upright, of eight bits, and how large they are."""

from __future__ import annotations

from io import BytesIO
from math import inf

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ...core import InputError
from ...core.images import ImageFile
from .._reading import Unreadable, read_lazily, refuse_unreadable
from .files import is_grey, max_level, open_image, refuse_moving
from .sources import Arrays, Encoded


def find_sizes(found: Encoded | Arrays) -> np.ndarray:
    return measure_images(found, skip=False)[0]


def measure_images(found: Encoded | Arrays, skip: bool) -> tuple[np.ndarray, np.ndarray]:
    """(width, height) of every image, and whether it is grey."""
    if isinstance(found, Arrays):
        height, width = found.pixels.shape[1:3]
        return np.array([[width, height]]), np.array([found.pixels.ndim == 3])

    def header(i: int) -> tuple[int, int, bool]:
        with open_header(found.content(i)) as image:
            turned = image.getexif().get(0x0112, 1) >= 5
            width, height = image.size[::-1] if turned else image.size
            return width, height, is_grey(image.mode)

    seen = list(read_lazily(found.names, header, "looking at images"))
    errors = [answer for answer in seen if isinstance(answer, Unreadable)]
    if errors and not skip:  # name those with it whose headers are whole but whose pixels are not
        errors = [
            e
            for e in read_lazily(
                found.names, lambda i: open_header(found.content(i)).load() and None, "checking"
            )
            if e
        ]
    refuse_unreadable(errors, len(found.names), "images", skip)
    good = np.array([answer for answer in seen if not isinstance(answer, Unreadable)])
    return good[:, :2], good[:, 2].astype(bool)


def open_header(content: bytes, size: int | None = None) -> Image.Image:
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


def open_still(content: bytes) -> Image.Image:
    """The same of an image that does not move. Raises OSError for one that does."""
    image = open_header(content)
    refuse_moving(image)
    return image


def read_own_file(found: Encoded, i: int) -> ImageFile:
    try:
        return open_image(open_header(found.content(i)))
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises
        raise InputError(
            f"{found.names[i]} cannot be read: {error}; mend it, or leave it out"
        ) from error


def turn_upright(image: Image.Image) -> Image.Image:
    image.load()
    return ImageOps.exif_transpose(image)


def flatten(image: Image.Image, mode: str) -> Image.Image:
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


def find_transparent(image: Image.Image) -> Image.Image:
    """Where an image is transparent, as a grey one that is white there."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        return ImageOps.invert(image.convert("RGBA").getchannel("A"))
    return Image.new("L", image.size)


def to_channels_first(pixels: np.ndarray) -> Tensor:
    """Levels (H, W) or (H, W, C) as (C, H, W)."""
    levels = torch.from_numpy(np.array(pixels))
    return levels[None] if levels.ndim == 2 else levels.permute(2, 0, 1)
