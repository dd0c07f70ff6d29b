"""Whether a model repeats its training examples (nearest neighbours; Gulrajani et al., 2019; Meehan
et al., 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

from ...core import Evidence, Measured, Samples, evenly_spaced
from ._statistics import bootstrap_mean


def memorisation(model: Samples, evidence: Evidence) -> Measured:
    """Whether samples are nearer to what was learned from than to what was not, in features.

    nearer to training: share of samples that are nearer to a training example than to a held-out
    one, of as many; one half is ideal, more is copying, and training examples themselves score 1.
    near copies: share of samples that are nearer to some training example than all but 1 % of
    held-out examples are; so 0.01 is ideal.
    """
    held, train = evidence.features(evidence.held_out.x), evidence.features(evidence.train.x)
    made = evidence.features(model.sample(len(held), evidence.asked))
    as_many = train[evenly_spaced(len(train), len(held))]
    usual = nearest_distance(held, train).quantile(0.01)
    numbers = {
        "nearer to training": bootstrap_mean(
            nearest_distance(made, as_many) < nearest_distance(made, held)
        ),
        "near copies": bootstrap_mean(nearest_distance(made, train) < usual),
    }
    return Measured(numbers, dict.fromkeys(numbers))


def nearest_distance(a: Tensor, b: Tensor) -> Tensor:
    """Distance from each of a (N, D) to its nearest of b (M, D), shape (N,)."""
    return torch.cat([torch.cdist(part, b).min(1).values for part in a.split(1024)])
