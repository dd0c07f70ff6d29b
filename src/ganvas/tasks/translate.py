"""Turn pictures of one kind into another kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from ..core import Continuous, InputError, Own, Restored, Space, Translates, Whole, coloured, mirrored
from ._progress import one_by_one
from ._tiles import OVERLAP, on_device, side, tiled

AT_MOST = 2**20  # pixels of a picture that is translated whole


def translate(model: Translates, x: Whole, *, to: str | int | None = None) -> Restored:
    """Translates pictures of any size, each at its own resolution: whole up to a megapixel, tile by tile beyond it.

    Where tiles overlap, one fades into the next.

    to: Name of the domain to go to, as its folder was called; by default the second, that of --to in training.

    Example: ganvas translate runs/horses photos/ --to zebras --out made/
    """
    back = to is not None and int(to) == 0
    if back and not model.both_ways:
        raise InputError("this model goes one way only; leave out --to, or train cyclegan, which goes both ways")
    given, made = (model.space, model.condition) if back else (model.condition, model.space)
    if not all(isinstance(space, Continuous) and len(space.shape) == 3 for space in (given, made)):
        raise InputError("this model learned from no pictures; translate is for those that did")
    steps = _steps(model, x, given, back)
    return Restored(x, one_by_one(steps, len(x.names), "translating"), recoloured=True)


@torch.no_grad()
def _steps(model: Translates, x: Whole, given: Space, back: bool) -> Iterator[tuple[Own, Tensor, Tensor]]:
    network = on_device(partial(model.translate, back=back), model.device)
    for own in x.each():
        picture = coloured(own.examples(x.channels), given.shape[0])
        seen = mirrored(picture, *given.shape[1:])  # networks see nothing smaller than what they practised on
        made = translated(network, seen, None if model.any_size else given.shape[1:])
        yield own, picture, made[:, : picture.shape[1], : picture.shape[2]]


def translated(network: Callable[[Tensor], Tensor], x: Tensor, sides: tuple[int, ...] | None = None) -> Tensor:
    """A picture (C, H, W), translated.

    network: Maps pictures (B, C, H, W) to others of that size.
    sides: Height and width that pictures must have, where it does not take any.
    """
    if sides:
        return tiled(network, x, sides[0], sides[1], min(sides) // 2)
    if x[0].numel() <= AT_MOST:
        return network(x[None])[0]
    return tiled(network, x, side(x.shape[1]), side(x.shape[2]), OVERLAP)
