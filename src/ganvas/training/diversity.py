"""How varied samples are beside real examples: a quick look while a model learns."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..core import Data
from ..core.statistics import neighbour_radius, principal_axes

EXAMPLES = 256
COMPONENTS = 16
"""Principal components of real examples that distances are measured in: enough to tell kinds of
examples apart, too few for distances to be about noise."""


NEIGHBOURS = 5
"""How far an example's neighbourhood reaches (Naeem et al. recommend 5)."""


class Diversity:
    """Real examples that samples are compared with, in their first principal components.

    Arguments:
        real: Real examples, of which some are taken.
        vectors: Examples as vectors (N, D).
    """

    def __init__(self, real: Data, vectors: Callable[[Tensor], Tensor]) -> None:
        self.vectors = vectors
        x = vectors(real.gather(most=EXAMPLES).x).cpu()
        self.mean, self.axes = x.mean(0), principal_axes(x, COMPONENTS)
        self.real = self._project(x)
        self.reach = neighbour_radius(self.real, NEIGHBOURS)

    def of(self, made: Tensor) -> dict[str, float]:
        """Coverage and diversity of samples.

        made/coverage: Share of real examples whose neighbourhood, which reaches to the fifth
            nearest other, has a sample inside (Naeem et al., 2020, equation 6).
        made/diversity: Mean distance between samples over that between real examples.
        """
        x = self._project(self.vectors(made).cpu())
        covered = (torch.cdist(self.real, x) <= self.reach[:, None]).any(1)
        apart = torch.pdist(x).mean() / torch.pdist(self.real).mean().clamp(min=1e-12)
        return {"made/coverage": covered.float().mean().item(), "made/diversity": apart.item()}

    def _project(self, x: Tensor) -> Tensor:
        """Vectors (N, D) on the principal components, (N, at most COMPONENTS)."""
        return (x - self.mean) @ self.axes
