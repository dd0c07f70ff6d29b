"""Examples on their way to be judged: read in parts, weighed by a model, and none kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from .data import Data
from .detection import Scored, ScoreFunction

AT_ONCE = 1024

Part = tuple[Data, Tensor]
"""Examples, and what reading them hides of each, in nats for each place, or () where nothing is."""


def score_examples(parts: Iterable[Part], weigh: ScoreFunction) -> Iterator[Scored]:
    """Examples with their scores."""
    for data, hidden in parts:
        for rows in torch.arange(len(data)).split(AT_ONCE):
            x = data.batch(rows).x
            own = data if len(rows) == len(data) else data.subset(rows)
            yield _weighed(x, own.names, *weigh(x), hidden[rows] if hidden.dim() else hidden)


def score_jointly(several: Sequence[Sequence[Part]], weigh: ScoreFunction) -> Scored:
    """What `score_examples` gives of several sources, as one batch."""
    taken = [
        (data.batch(torch.arange(len(data))).x, data.names, hidden)
        for parts in several
        for data, hidden in parts
    ]
    x = torch.cat([own for own, _, _ in taken])
    scores, attribution = weigh(x)
    if any(hidden.dim() for _, _, hidden in taken):
        beyond = torch.cat(
            [hidden.expand(len(own), *attribution.shape[1:]) for own, _, hidden in taken]
        )
    else:
        beyond = torch.zeros(())
    return _weighed(
        x, [name for _, names, _ in taken for name in names], scores, attribution, beyond
    )


def _weighed(
    x: Tensor, names: list[str], scores: Tensor, attribution: Tensor, hidden: Tensor
) -> Scored:
    scores, attribution = scores.float().cpu(), attribution.float().cpu()
    if hidden.dim():
        scores, attribution = scores + hidden.flatten(1).sum(1), attribution + hidden
    return Scored(x.cpu(), names, scores, attribution)
