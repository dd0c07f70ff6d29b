"""Whether a model repeats its training examples (nearest neighbours; Gulrajani et al., 2019; Meehan
et al., 2020)."""

from __future__ import annotations

from ...abilities import Samples
from ...core import Evidence, Measured, evenly_spaced
from ...core.statistics import bootstrap_mean, nearest_distance


def memorisation(model: Samples, evidence: Evidence) -> Measured:
    """Whether samples are nearer to what was learned from than to what was not, in features.

    DCR share: share of samples that are nearer to a training example than to a held-out one, of as
    many (distance to the closest record; Platzer & Reutterer, 2021); one half is ideal, more is
    copying, and training examples themselves score 1. near duplicates: share of samples that are
    nearer to some training example than all but 1 % of held-out examples are; so 0.01 is ideal.
    """
    held, train = evidence.features(evidence.held_out.x), evidence.features(evidence.train.x)
    made = evidence.features(model.sample(len(held), evidence.asked))
    as_many = train[evenly_spaced(len(train), len(held))]
    usual = nearest_distance(held, train).quantile(0.01)
    numbers = {
        "DCR share": bootstrap_mean(nearest_distance(made, as_many) < nearest_distance(made, held)),
        "near duplicates": bootstrap_mean(nearest_distance(made, train) < usual),
    }
    return Measured(numbers, dict.fromkeys(numbers))
