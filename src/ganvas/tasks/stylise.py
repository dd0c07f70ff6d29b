"""Style transfer: give images the style of one other image."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

from torch import Tensor

from ..abilities import Stylises
from ..core import ImageSet, InputError, Parts
from ..core.images import resize
from ..core.options import File
from ..results.image_pairs import ImagePair, ImagePairs, pair_restored
from ..runtime.errors import flag
from ._progress import each_with_progress
from ._tiles import apply_whole_or_tiled, on_device

LARGEST = 512  # pixels a side of the image whose style it is


def stylise(
    model: Stylises,
    x: ImageSet,
    *,
    style: Annotated[ImageSet | None, File()] = None,
    strength: float = 1.0,
) -> ImagePairs:
    """Gives images of any size the style of one other, each at its own resolution: whole up to a
    megapixel, beyond it tile by tile, of which one fades into the next; then the style replaces
    what each tile is like, not the whole.

    style: Image whose style it is, whatever the training saw; looked at with 512 pixels a side at
        most.
    strength: How much of the style, from 0 (none) to 1.

    Example: ganvas stylise runs/paintings photos/ --style sunflowers.jpg --out painted/
    """
    if style is None or len(style.names) != 1:
        found = "" if style is None else f", not {len(style.names)}"
        raise InputError(
            f"stylise takes its style from one image{found}; name it with {flag('style')}"
        )
    if not 0 <= strength <= 1:
        raise InputError(f"{flag('strength')} is {strength}; it is from 0 (no style) to 1")
    seen = _seen(style.image(0))
    each = partial(each_with_progress, n=len(x.names), words="stylising")
    return ImagePairs(x, Parts(lambda: each(_stylised(model, x, seen, strength))))


def _stylised(model: Stylises, x: ImageSet, style: Tensor, strength: float) -> Iterator[ImagePair]:
    network = on_device(
        partial(model.stylise, style=style.to(model.device), strength=strength), model.device
    )
    for own in x.each():
        image = own.examples(x.channels)
        yield pair_restored(own, image, apply_whole_or_tiled(network, image), recoloured=True)


def _seen(style: Tensor) -> Tensor:
    """An image (C, H, W) as its style is looked at, (1, C, h, w)."""
    height, width = style.shape[1:]
    share = min(LARGEST / max(height, width), 1)
    if share == 1:
        return style[None]
    return resize(style[None], max(round(height * share), 1), max(round(width * share), 1)).clamp(
        -1, 1
    )
