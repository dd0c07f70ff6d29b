"""Whether a sample is what was asked for, by a classifier of real images (GAN-test, Shmelkov et
al., 2018)."""

from __future__ import annotations

from ...abilities import Samples
from ...core import Evidence, Measured
from ...core.statistics import bootstrap_mean


def class_accuracy(model: Samples, evidence: Evidence) -> Measured:
    """Share of samples that a classifier takes for the class asked for: over all, and of the class
    that does worst."""
    if evidence.asked is None or evidence.classify is None:
        return Measured({}, {})
    asked = evidence.asked.squeeze(1)
    right = evidence.classify(model.sample(len(asked), evidence.asked)) == asked
    worst = min(
        (right[asked == label] for label in asked.unique()),
        key=lambda values: values.float().mean().item(),
    )
    numbers = {
        "class accuracy": bootstrap_mean(right),
        "class accuracy, worst class": bootstrap_mean(worst),
    }
    return Measured(numbers, dict.fromkeys(numbers, True))
