"""Examples on their way to be judged: read in parts, weighed by a model, and none kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from .core import Data, Modality, Overlaps, Weigh, Weighed

AT_ONCE = 1024


def weighed(modality: Modality, parts: Iterable[tuple[Data, Tensor]], weigh: Weigh) -> Iterator[Weighed]:
    """Examples, or the moments of windows, with their scores; parts are as `Modality.read_any` gives them."""
    if isinstance(modality, Overlaps):
        yield from modality.moments(parts, weigh)
        return
    for data, hidden in parts:
        for rows in torch.arange(len(data)).split(AT_ONCE):
            x = data.batch(rows).x
            scores, blame = (value.float().cpu() for value in weigh(x))
            if hidden.dim():
                beyond = hidden[rows]
                scores, blame = scores + beyond.flatten(1).sum(1), blame + beyond
            yield Weighed(x.cpu(), data.subset(rows).names, scores, blame)
