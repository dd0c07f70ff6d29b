"""Super-resolution: make images larger, and add the detail that they lack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import log

from torch import Tensor

from ..abilities import Upscales
from ..core import Continuous, ImageSet, InputError, Parts
from ..core.images import (
    ImageFile,
    image_from_levels,
    image_to_levels,
    upscale_bicubic,
    with_channels,
)
from ..results.image_pairs import ImagePair, ImagePairs, pair_enlarged
from ..runtime.errors import flag
from ._progress import each_with_progress
from ._tiles import bands, on_device, tile_side

TILE = 1024  # pixels a side of a tile that comes out
SMALLEST = 128  # pixels a side of one that goes in, at least
OVERLAP = 32  # pixels that neighbouring tiles share before they are enlarged


def upscale(
    model: Upscales, x: ImageSet, *, fidelity: float = 0.0, scale: int | None = None
) -> ImagePairs:
    """Enlarges images of any size, tile by tile; what their files have beside pixels is kept: 16
    bits of grey ones, transparency, EXIF, colour profiles.

    Grey images stay grey; where the model knows grey ones alone, colours are enlarged
    bicubically.

    Arguments:
        fidelity: 1 keeps to what pixels say, 0 looks as sharp as real photographs do; between,
            something of both.
        scale: How many times as many pixels a side; by default the model's, or one of its powers.

    Example: ganvas upscale runs/srgan-photos small/ --out large/
    """
    if not isinstance(model.space, Continuous) or len(model.space.shape) != 3:
        raise InputError("this model learned from no images; upscale is for those that did")
    if not 0 <= fidelity <= 1:
        raise InputError(
            f"{flag('fidelity')} is {fidelity:g}; it lies between 0 (sharp) and 1 (true to the"
            " pixels)"
        )
    times = _times(model.scale, model.scale if scale is None else scale)
    each = partial(each_with_progress, n=len(x.names), words="enlarging")
    pairs = Parts(lambda: each(_enlarged(model, x, times, fidelity)))
    return ImagePairs(x, pairs, keeps_kind=True)


def _times(own: int, wanted: int) -> int:
    """How often a model is to be applied for a scale. Raises InputError where it is none of its
    powers."""
    times = round(log(max(wanted, 2), own))
    if times < 1 or own**times != wanted:
        raise InputError(
            f"this model enlarges {own} times, so {flag('scale')} is {own}, {own**2}, {own**3} and"
            f" so on, not {wanted}"
        )
    return times


def _enlarged(model: Upscales, x: ImageSet, times: int, fidelity: float) -> Iterator[ImagePair]:
    for before in x.each():
        after = upscale_image(model, before, times, fidelity)
        yield pair_enlarged(before, after, model.scale**times, x.channels)


def upscale_image(model: Upscales, image: ImageFile, times: int, fidelity: float) -> ImageFile:
    """An image, enlarged so many times by a model; on a processor that computes in bf16, in that.

    What is finished is kept as levels: beside these, memory holds one row of tiles.
    """
    scale = model.scale**times
    enlarge = _enlarging(model, times, fidelity, image.white)
    alpha = image.alpha
    if alpha is not None:
        alpha = _grown(
            lambda tiles: upscale_bicubic(image_from_levels(tiles, image.white), scale),
            alpha,
            scale,
            image.white,
        )
    return ImageFile(
        _grown(enlarge, image.levels, scale, image.white), alpha, image.exif, image.icc
    )


def _grown(enlarge: Callable[[Tensor], Tensor], x: Tensor, scale: int, white: int) -> Tensor:
    """Levels (C, H, W), enlarged band by band, (C, scale H, scale W): laid out as files have them,
    row by row."""
    channels, height, width = x.shape
    grown = x.new_empty(height * scale, width * scale, channels)
    tile = max(TILE // scale, SMALLEST)
    tall, wide = (tile_side(n, tile, OVERLAP) for n in (height, width))
    top = 0
    for band in bands(enlarge, x, tall, wide, OVERLAP, scale):
        grown[top : top + band.shape[1]] = image_to_levels(band, white).permute(1, 2, 0)
        top += band.shape[1]
    return grown.permute(2, 0, 1)


def _enlarging(
    model: Upscales, times: int, fidelity: float, white: int
) -> Callable[[Tensor], Tensor]:
    """What maps tiles of levels (B, C, H, W) to enlarged ones in [-1, 1], float32, of as many
    channels.

    Of colours that the model does not know, luma is as it says, and the rest bicubic.
    """

    def often(y: Tensor) -> Tensor:
        for _ in range(times):
            y = model.upscale(y, fidelity)
        return y

    network, known = on_device(often, model.device), model.space.shape[0]

    def enlarge(tiles: Tensor) -> Tensor:
        x = image_from_levels(tiles, white)
        seen = with_channels(x, known)
        y = network(seen)
        if known < x.shape[1]:
            scale = y.shape[2] // x.shape[2]
            y = upscale_bicubic(x, scale) + y - upscale_bicubic(seen, scale)
        return with_channels(y, x.shape[1])

    return enlarge
