"""Keeps samples as often as the discriminator finds that the data has them (Azadi et al., 2019)."""

from __future__ import annotations

import torch
from torch import Tensor

from ...abilities import EstimatesDensityRatio, Samples
from ...core import InputError, seeded_rng
from ...runtime.errors import flag

POOL, PART = 1024, 64
"""Samples from which it is learned what odds are common, and how many of these are drawn at
once."""
COMMON = 0.95
"""Share of samples whose odds are no higher than those that are kept always."""
TRIES = 1000
"""How often a sample is drawn again before it is given up."""


def with_rejection(model: Samples) -> Samples:
    """The same model, but for samples that its discriminator does not believe. Raises InputError
    where it has none."""
    if not isinstance(model, EstimatesDensityRatio):
        raise InputError(
            f"{flag('reject')} asks the discriminator of a GAN, and this model has none; leave it"
            " out"
        )
    return DiscriminatorRejection(model)


class DiscriminatorRejection(Samples):
    """Samples x ~ q, of which each is kept with probability min(1, e^(F(x) - M)), F(x) = log p(x) /
    q(x) (section 3).

    What is kept is distributed as the data, p, where the discriminator is right about F and F is
    nowhere above M. Of
    each label M is what F stays below for nineteen samples of twenty: were it the maximum, a single
    one that fools the discriminator would decide how few are kept. (The paper shifts F instead, by
    gamma, for the same end.)
    """

    def __init__(self, model: EstimatesDensityRatio) -> None:
        self.model, self.space, self.condition = model, model.space, model.condition
        self.limits: dict[tuple[int, float | None], float] = {}

    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        if y is None and self.condition is not None:
            y = torch.arange(n).unsqueeze(1) % self.condition.vocabulary
        labels = [0] * n if y is None else y.flatten().tolist()
        limits = torch.tensor([self._limit(label, truncation) for label in labels])
        x, left = self.model.sample(n, y, truncation), torch.arange(n)
        for _ in range(TRIES):
            odds = (
                self.model.log_density_ratio(x[left], None if y is None else y[left]).float().cpu()
            )
            left = left[torch.rand(len(left)) >= (odds - limits[left]).exp()]
            if not len(left):
                return x
            x[left] = self.model.sample(len(left), None if y is None else y[left], truncation)
        raise InputError(
            f"{flag('reject')} drew {len(left)} of {n} samples {TRIES} times and kept none; leave"
            " it out"
        )

    def _limit(self, label: int, truncation: float | None) -> float:
        """M of a label: the same every time."""
        if (label, truncation) not in self.limits:
            y = None if self.condition is None else torch.full((PART, 1), label)
            with seeded_rng(0):
                pool = [
                    self.model.log_density_ratio(self.model.sample(PART, y, truncation), y)
                    for _ in range(POOL // PART)
                ]
            self.limits[label, truncation] = torch.cat(pool).float().quantile(COMMON).item()
        return self.limits[label, truncation]
