"""Undo damage: noise, missing pixels, JPEG artefacts."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..core import Continuous, InputError, Own, Restored, Restores, Whole
from ._progress import one_by_one
from ._tiles import OVERLAP, on_device, side, tiled


def denoise(model: Restores, x: Whole) -> Restored:
    """Restores pictures of any size, each at its own resolution, tile by tile; grey or in colour as the model is.

    Where tiles overlap, one fades into the next.

    Example: ganvas denoise runs/rednet-photos noisy/ --out clean/
    """
    if not isinstance(model.space, Continuous) or len(model.space.shape) != 3:
        raise InputError("this model learned from no pictures; denoise is for those that did")
    if model.undoes == "none":
        raise InputError("this model learned to undo no damage; train it with --corrupt, such as gaussian")
    return Restored(x, one_by_one(_steps(model, x), len(x.names), "restoring"))


@torch.no_grad()
def _steps(model: Restores, x: Whole) -> Iterator[tuple[Own, Tensor, Tensor]]:
    for own in x.each():
        picture = own.examples(x.channels)
        yield own, picture, restored(model, picture)


def restored(model: Restores, x: Tensor) -> Tensor:
    """A picture (C, H, W), restored."""
    height, width = map(side, x.shape[1:]) if model.any_size else model.space.shape[1:]
    overlap = OVERLAP if model.any_size else min(height, width) // 2
    return tiled(on_device(model.restore, model.device), x, height, width, overlap)
