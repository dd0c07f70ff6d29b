"""Image-to-image translation: turn images of one domain into images of another."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ..abilities import Translates
from ..core import Continuous, ImageSet, InputError, Parts, Space
from ..core.images import mirror_pad, with_channels
from ..core.options import Domain
from ..results.image_pairs import ImagePair, ImagePairs, pair_restored
from ..runtime.errors import flag
from ._progress import each_with_progress
from ._tiles import apply_whole_or_tiled, on_device


def translate(model: Translates, x: ImageSet, *, to: Domain | None = None) -> ImagePairs:
    """Translates images of any size, each at its own resolution: whole up to a megapixel, tile by
    tile beyond it.

    Where tiles overlap, one fades into the next.

    to: Name of the domain to go to, as its folder was called; by default the second, that of --to
        in training.

    Example: ganvas translate runs/horses photos/ --to zebras --out made/
    """
    back = to == 0
    if back and not model.both_ways:
        raise InputError(
            f"this model goes one way only; leave out {flag('to')}, or train cyclegan, which goes"
            " both ways"
        )
    given, made = (model.space, model.condition) if back else (model.condition, model.space)
    if not all(isinstance(space, Continuous) and len(space.shape) == 3 for space in (given, made)):
        raise InputError("this model learned from no images; translate is for those that did")
    each = partial(each_with_progress, n=len(x.names), words="translating")
    return ImagePairs(x, Parts(lambda: each(_translated(model, x, given, back))))


def _translated(model: Translates, x: ImageSet, given: Space, back: bool) -> Iterator[ImagePair]:
    network = on_device(partial(model.translate, back=back), model.device)
    for own in x.each():
        image = with_channels(own.examples(x.channels), given.shape[0])
        seen = mirror_pad(
            image, *given.shape[1:]
        )  # networks see nothing smaller than what they practised on
        made = apply_whole_or_tiled(network, seen, None if model.any_size else given.shape[1:])
        after = made[:, : image.shape[1], : image.shape[2]]
        yield pair_restored(own, image, after, recoloured=True)
