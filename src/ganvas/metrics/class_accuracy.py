"""Whether a sample is what was asked for, by a classifier of real pictures (GAN-test, Shmelkov et al., 2018)."""

from __future__ import annotations

import torch

from ..core import Evidence, Measured, Samples
from ._statistics import mean


def class_accuracy(model: Samples, evidence: Evidence) -> Measured:
    """Share of samples that a classifier takes for the class asked for: over all, and of the class that does worst."""
    if model.condition is None or evidence.classify is None:
        return Measured({}, {})
    asked = torch.arange(evidence.size).unsqueeze(1) % model.condition.vocabulary
    right = evidence.classify(model.sample(len(asked), asked)).cpu() == asked.squeeze(1)
    per_class = [right[asked.squeeze(1) == label] for label in range(model.condition.vocabulary)]
    worst = min(per_class, key=lambda values: values.float().mean().item())
    return Measured(
        {"class accuracy": mean(right), "worst class": mean(worst)}, {"class accuracy": True, "worst class": True}
    )
