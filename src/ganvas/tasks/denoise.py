"""Denoising and restoration: remove noise, missing pixels and JPEG artefacts."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..core import Continuous, ImageFile, ImageSet, InputError, Restored, Restores
from ..runtime.errors import flag
from ._progress import each_with_progress
from ._tiles import OVERLAP, apply_tiled, on_device, tile_side


def denoise(model: Restores, x: ImageSet) -> Restored:
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
    return Restored(x, each_with_progress(_steps(model, x), len(x.names), "restoring"))


@torch.no_grad()
def _steps(model: Restores, x: ImageSet) -> Iterator[tuple[ImageFile, Tensor, Tensor]]:
    for own in x.each():
        image = own.examples(x.channels)
        yield own, image, restore_tiled(model, image)


def restore_tiled(model: Restores, x: Tensor) -> Tensor:
    """An image (C, H, W), restored."""
    height, width = map(tile_side, x.shape[1:]) if model.any_size else model.space.shape[1:]
    overlap = OVERLAP if model.any_size else min(height, width) // 2
    return apply_tiled(on_device(model.restore, model.device), x, height, width, overlap)
