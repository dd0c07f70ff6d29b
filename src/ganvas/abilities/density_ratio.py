"""EstimatesDensityRatio: which samples the data has more of than the model, and which fewer."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from .generating import Generates


class EstimatesDensityRatio(Generates):
    """Makes new examples, and knows which of them the data has more or fewer of."""

    @abstractmethod
    def log_density_ratio(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x) - log q(x) but for a constant, (B,): p is how the data is distributed, q how
        samples are.

        y: Of what each is, as in `Samples.sample`. Raises InputError where it has not learned such
            a ratio.
        """
