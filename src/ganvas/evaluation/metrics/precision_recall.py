"""Precision, recall, density and coverage (Kynkäänniemi et al., 2019; Naeem et al., 2020)."""

from __future__ import annotations

import torch

from ...abilities import Samples
from ...core import Evidence, Measured
from ...core.statistics import bootstrap_mean, neighbour_radius

K = 5
"""Neighbours that decide how far an example's neighbourhood reaches (Naeem et al. recommend 5)."""


def precision_recall(model: Samples, evidence: Evidence) -> Measured:
    """Whether samples lie among real examples, and real examples among samples.

    precision: share of samples inside some real neighbourhood; recall: share of held-out examples
    inside some sample's neighbourhood; density: how many real neighbourhoods a sample lies in, over
    k; coverage: share of real neighbourhoods with a sample inside. Neighbourhoods reach to the
    fifth neighbour, in features.
    """
    real = evidence.features(evidence.held_out.x)
    made = evidence.features(model.sample(len(real), evidence.asked))
    between = torch.cdist(real, made)
    real_reach, made_reach = neighbour_radius(real, K), neighbour_radius(made, K)
    in_real, in_made = between <= real_reach[:, None], between <= made_reach[None, :]
    numbers = {
        "precision": bootstrap_mean(in_real.any(0)),
        "recall": bootstrap_mean(in_made.any(1)),
        "density": bootstrap_mean(in_real.sum(0) / K),
        "coverage": bootstrap_mean(in_real.any(1)),
    }
    return Measured(numbers, dict.fromkeys(numbers, True))
