"""Images with all that their files have: opened, and written as what they came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ...core import InputError
from ...core.images import ImageFile

GREY = ("1", "L", "LA", "La", "I", "F")
SEEN_THROUGH = ("RGBA", "RGBa", "LA", "La", "PA")
LAYOUT = (
    256,
    257,
    258,
    259,
    262,
    273,
    274,
    277,
    278,
    279,
    284,
    317,
    320,
    322,
    323,
    324,
    325,
    338,
    339,
    34675,
)
"""Tags of EXIF that say how pixels lie in a file; a new file has its own."""
DETAILS, SIDES = (
    0x8769,
    (0xA002, 0xA003),
)  # where EXIF keeps what the camera says, and there the sides in pixels
FINE: dict[str, dict[str, Any]] = {
    ".jpg": {"quality": 95, "subsampling": 0},
    ".jpeg": {"quality": 95, "subsampling": 0},
    ".webp": {"quality": 95},
}
"""How files are written that lose something, so that one does not see it."""
EIGHT_BITS = (".jpg", ".jpeg", ".webp")
LONGEST = {".jpg": 65_535, ".jpeg": 65_535, ".webp": 16_383}  # pixels a side that a format can say


def is_grey(mode: str) -> bool:
    """Whether images of this mode, as Pillow calls it, have no colours."""
    return mode in GREY or mode.startswith("I;16")


def open_image(image: Image.Image) -> ImageFile:
    """An image as its file has it, upright. Raises OSError where it cannot be decoded, or
    moves."""
    refuse_moving(image)
    image.load()
    icc = b"" if image.mode == "CMYK" else image.info.get("icc_profile") or b""
    image, exif = ImageOps.exif_transpose(image), _exif(image)
    if image.mode.startswith("I") or image.mode == "F":
        return ImageFile(_deep(image), exif=exif, icc=icc)
    kind = "L" if is_grey(image.mode) else "RGB"
    if image.mode in SEEN_THROUGH or "transparency" in image.info:
        pixels = channels_first(image.convert("RGBA"))
        shades = pixels[:1] if kind == "L" else pixels[:3]
        return ImageFile(
            torch.from_numpy(shades.copy()), torch.from_numpy(pixels[3:].copy()), exif, icc
        )
    flat = image if image.mode == kind else image.convert(kind)
    return ImageFile(torch.from_numpy(channels_first(flat)), exif=exif, icc=icc)


def refuse_moving(image: Image.Image) -> None:
    """Raises OSError for an image that moves."""
    frames = getattr(image, "n_frames", 1)  # not every format has it
    if frames > 1 and image.format in ("GIF", "PNG", "WEBP"):
        raise OSError(f"it moves, in {frames} images; take these apart first")


def _exif(image: Image.Image) -> bytes:
    """What EXIF says, but for what depends on how many pixels there are."""
    exif = image.getexif()
    for tag in LAYOUT:
        exif.pop(tag, None)
    details = exif.get_ifd(DETAILS)
    for tag in SIDES:
        details.pop(tag, None)
    return exif.tobytes() if len(exif) else b""


def _deep(image: Image.Image) -> Tensor:
    """Levels (1, H, W) of a grey image of more than eight bits: int32 up to 65,535, or uint8
    where it has none."""
    values = np.asarray(image)
    full = max_level(image.mode, float(values.max()))
    if full == 255:
        return torch.from_numpy(values.clip(0, 255).astype(np.uint8)[None])
    return torch.from_numpy(
        np.round(values.astype(np.float32) / full * 65535).clip(0, 65535).astype(np.int32)[None]
    )


def max_level(mode: str, highest: float) -> int:
    """What white is in an image of more than eight bits: formats keep 16 bits, or shares of one,
    in wider types."""
    if mode == "F" and highest <= 1:
        return 1
    return 65535 if mode.startswith("I;16") or highest > 255 else 255


def channels_first(image: Image.Image) -> np.ndarray:
    array = np.array(image)
    return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))


def to_pillow(one: ImageFile, deep: bool = True, through: bool = True) -> Image.Image:
    """An image as Pillow has it, with what may be kept of 16 bits and of how solid it is; else
    over white."""
    pixels = one.levels.permute(1, 2, 0).cpu()
    if one.white > 255:
        if deep and one.alpha is None and pixels.shape[2] == 1:
            return Image.fromarray(pixels[..., 0].numpy().astype(np.uint16))
        pixels = _of_eight(pixels)
    image = Image.fromarray((pixels[..., 0] if pixels.shape[2] == 1 else pixels).numpy())
    if one.alpha is None:
        return image
    alpha = Image.fromarray(
        (_of_eight(one.alpha[0]) if one.white > 255 else one.alpha[0]).cpu().numpy()
    )
    if through:
        image.putalpha(alpha)
        return image
    return Image.composite(image, Image.new(image.mode, image.size, "white"), alpha)


def _of_eight(levels: Tensor) -> Tensor:
    return levels.float().div(257).round().to(torch.uint8)


def save_image(one: ImageFile, file: Path) -> Path:
    """Writes an image with all that a file of this ending can hold; returns the file. Raises
    InputError where it is too large for it."""
    ending = file.suffix.lower()
    height, width = one.levels.shape[1:]
    if max(height, width) > LONGEST.get(ending, width + height):
        most = f"{LONGEST[ending]:,} pixels a side"
        raise InputError(
            f"{file.name} would have {width:,} × {height:,} pixels, and {ending} holds {most}; use"
            " .png"
        )
    image = to_pillow(one, deep=ending not in EIGHT_BITS, through=ending not in (".jpg", ".jpeg"))
    about: dict[str, Any] = {"icc_profile": one.icc} if one.icc else {}
    about |= {"exif": one.exif} if one.exif else {}
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file, **FINE.get(ending, {}), **about)
    return file
