"""The floor and the naive rivals of a model are models too: they have the abilities that metrics ask for."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core import Autoencodes, Bounds, Samples, Space, Tokens


class Replay(Samples):
    """Gives back examples it holds: real ones are the floor of every distance."""

    def __init__(self, x: Tensor, y: Tensor | None, condition: Tokens | None) -> None:
        self.x, self.y, self.condition = x, y, condition

    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        if y is None or self.y is None:
            return self.x[torch.arange(n) % len(self.x)]
        rows = torch.zeros(n, dtype=torch.long)
        for label in y.unique():
            asked, held = (y == label).flatten().nonzero(), (self.y == label).flatten().nonzero()
            rows[asked.squeeze(1)] = held[torch.arange(len(asked)) % len(held)].squeeze(1)
        return self.x[rows]


def noisy(x: Tensor, seed: int = 0) -> Tensor:
    """Examples with noise of standard deviation 0.2: close to real ones, and new in no useful sense."""
    return (x + 0.2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))).clamp(-1, 1)


def per_pixel(x: Tensor, seed: int = 0) -> Tensor:
    """As many draws from a Gaussian fitted to each coordinate by itself."""
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
    return (x.mean(0) + x.std(0) * noise).clamp(-1, 1)


class Independent(Bounds):
    """Every coordinate by itself, with the likelihood of the model it stands beside."""

    def __init__(self, space: Space, x: Tensor) -> None:
        self.space, self.raw = space, space.marginal(x)

    def bound(self, x: Tensor, samples: int = 1) -> Tensor:
        x = self.space.observe(x)
        return self.space.nll(self.raw.expand(len(x), *self.raw.shape[1:]), x)


class Components(Autoencodes):
    """Principal components: the best that linear maps can do with so many latents (Pearson, 1901)."""

    def __init__(self, x: Tensor, count: int) -> None:
        flat = x.flatten(1)
        self.shape, self.mean = x.shape[1:], flat.mean(0)
        self.directions = (
            torch.pca_lowrank(flat, min(count, *flat.shape), niter=4)[2] if count else flat.new_zeros(flat.shape[1], 0)
        )

    def encode(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - self.mean) @ self.directions

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return (self.mean + z @ self.directions.T).unflatten(1, self.shape).clamp(-1, 1)
