"""What a model makes of examples, to be looked at: while it learns, and in its report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from ..core import (
    Autoencodes,
    Completes,
    Predicts,
    Restores,
    Stylises,
    Translates,
    Upscales,
    with_same_channels,
)
from ..nn.masks import show_completions


def previews_of(
    model: object, x: Tensor, y: Tensor | None
) -> Iterator[tuple[str, Sequence[Tensor]]]:
    """Examples and what each ability makes of them, all shaped (n, ...), by what that is called.

    y: What the examples are to be made of, where that is given.
    """
    if isinstance(model, Restores) and model.degradation != "none":
        yield "restorations", model.shown(x)
    if isinstance(model, Upscales):
        yield "enlargements", model.shown(x)
    if isinstance(model, Predicts):
        yield "predictions", (x, _whole(model.continued(x)))
    if isinstance(model, Autoencodes):
        yield "reconstructions", (x, _whole(model.decode(model.encode(x))))
    if isinstance(model, Completes) and x.ndim == 4:
        yield "completions", show_completions(model, x)
    if isinstance(model, Translates | Stylises) and y is not None:
        yield (
            "translations" if isinstance(model, Translates) else "styles",
            with_same_channels(*model.shown(x, y)),
        )


def _whole(x: Tensor) -> Tensor:
    """Numbers in full precision; symbols as they are."""
    return x.float() if x.is_floating_point() else x
