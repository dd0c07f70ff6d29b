"""Scores of examples that are read in parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from .data import Data
from .detection import Scored, ScoreFunction

AT_ONCE = 1024

Part = tuple[Data, Tensor]
"""Examples, and what reading them hides of each, in nats for each place, or () where nothing is."""


def score_examples(parts: Iterable[Part], score: ScoreFunction) -> Iterator[Scored]:
    """Examples with their scores."""
    for data, hidden in parts:
        for rows in torch.arange(len(data)).split(AT_ONCE):
            x = data.batch(rows).x
            own = data if len(rows) == len(data) else data.subset(rows)
            yield _scored(x, own.names, *score(x), hidden[rows] if hidden.dim() else hidden)


def score_jointly(several: Sequence[Sequence[Part]], score: ScoreFunction) -> Scored:
    """The scores of several sources, as one batch. Windows cannot be scored so."""
    parts = [part for source in several for part in source]
    names = [name for data, _ in parts for name in data.names]
    x = torch.cat([data.batch(torch.arange(len(data))).x for data, _ in parts])
    scores, attribution = score(x)
    beyond = torch.zeros(())
    if any(hidden.dim() for _, hidden in parts):
        shape = attribution.shape[1:]
        beyond = torch.cat([hidden.expand(len(data), *shape) for data, hidden in parts])
    return _scored(x, names, scores, attribution, beyond)


def _scored(
    x: Tensor, names: list[str], scores: Tensor, attribution: Tensor, hidden: Tensor
) -> Scored:
    scores, attribution = scores.float().cpu(), attribution.float().cpu()
    if hidden.dim():
        scores, attribution = scores + hidden.flatten(1).sum(1), attribution + hidden
    return Scored(x.cpu(), names, scores, attribution)
