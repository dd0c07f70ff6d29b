"""Whether a model repeats its training examples (nearest neighbours; Gulrajani et al., 2019; Meehan et al., 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core import Evidence, Measured, Samples
from ._statistics import mean


def memorisation(model: Samples, evidence: Evidence) -> Measured:
    """Whether samples are nearer to what was learned from than to what was not, in features.

    nearer to training: share of samples that are nearer to a training example than to a held-out one, sets of equal
    size; one half is ideal, more is copying. near copies: share of samples nearer to their training neighbour than
    all but 1 % of held-out examples are to theirs.
    """
    held = evidence.features(evidence.held_out.gather(evidence.size).x)
    train = evidence.features(evidence.train.gather(len(held)).x)
    made = evidence.features(model.sample(len(held)))
    to_train, to_held = nearest(made, train), nearest(made, held)
    usual = nearest(held, train).quantile(0.01)
    numbers = {"nearer to training": mean(to_train < to_held), "near copies": mean(to_train < usual)}
    return Measured(numbers, {"nearer to training": None, "near copies": None})


def nearest(a: Tensor, b: Tensor) -> Tensor:
    """Distance from each of a (N, D) to its nearest of b (M, D), shape (N,)."""
    return torch.cat([torch.cdist(part, b).min(1).values for part in a.split(1024)])
