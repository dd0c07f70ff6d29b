"""Denoising and restoration: remove noise, missing pixels and JPEG artefacts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from torch import Tensor

from ..abilities import Restores
from ..core import Continuous, ImageSet, InputError, Parts
from ..results.image_pairs import ImagePair, ImagePairs, pair_restored
from ..runtime.errors import flag
from ._progress import each_with_progress
from ._tiles import OVERLAP, apply_tiled, on_device, tile_side


def denoise(model: Restores, x: ImageSet) -> ImagePairs:
    """Restores images of any size, each at its own resolution, tile by tile; grey or in colour as
    the model is.

    Where tiles overlap, one fades into the next.

    Example: ganvas denoise runs/rednet-photos noisy/ --out clean/
    """
    if not isinstance(model.space, Continuous) or len(model.space.shape) != 3:
        raise InputError("this model learned from no images; denoise is for those that did")
    if model.degradation == "none":
        raise InputError(
            f"this model learned to undo no damage; train it with {flag('corrupt')}, such as"
            " gaussian"
        )
    each = partial(each_with_progress, n=len(x.names), words="restoring")
    return ImagePairs(x, Parts(lambda: each(_restored(model, x))))


def _restored(model: Restores, x: ImageSet) -> Iterator[ImagePair]:
    for own in x.each():
        image = own.examples(x.channels)
        yield pair_restored(own, image, restore_tiled(model, image))


def restore_tiled(model: Restores, x: Tensor) -> Tensor:
    """An image (C, H, W), restored."""
    height, width = map(tile_side, x.shape[1:]) if model.any_size else model.space.shape[1:]
    overlap = OVERLAP if model.any_size else min(height, width) // 2
    return apply_tiled(on_device(model.restore, model.device), x, height, width, overlap)
