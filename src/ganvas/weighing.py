"""Examples on their way to be judged: read in parts, weighed by a model, and none kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from .core import Data, Modality, Overlaps, Weigh, Weighed

AT_ONCE = 1024

Part = tuple[Data, Tensor]
"""Examples, and what reading them hides of each, as `Modality.read_any` gives them."""


def weighed(modality: Modality, parts: Iterable[Part], weigh: Weigh) -> Iterator[Weighed]:
    """Examples, or the moments of windows, with their scores."""
    if isinstance(modality, Overlaps):
        yield from modality.moments(parts, weigh)
        return
    for data, hidden in parts:
        for rows in torch.arange(len(data)).split(AT_ONCE):
            x = data.batch(rows).x
            own = data if len(rows) == len(data) else data.subset(rows)
            yield _weighed(x, own.names, *weigh(x), hidden[rows] if hidden.dim() else hidden)


def weighed_together(several: Sequence[Sequence[Part]], weigh: Weigh) -> list[list[Weighed]]:
    """What `weighed` gives of several sources, whose examples are weighed as one batch. Windows cannot be."""
    taken = [(data.batch(torch.arange(len(data))).x, data.names, hidden) for parts in several for data, hidden in parts]
    scores, blame = weigh(torch.cat([x for x, _, _ in taken]))
    sizes = [len(x) for x, _, _ in taken]
    made = (
        _weighed(x, names, own, places, hidden)
        for (x, names, hidden), own, places in zip(taken, scores.split(sizes), blame.split(sizes), strict=True)
    )
    return [[next(made) for _ in parts] for parts in several]


def _weighed(x: Tensor, names: list[str], scores: Tensor, blame: Tensor, hidden: Tensor) -> Weighed:
    scores, blame = scores.float().cpu(), blame.float().cpu()
    if hidden.dim():
        scores, blame = scores + hidden.flatten(1).sum(1), blame + hidden
    return Weighed(x.cpu(), names, scores, blame)
