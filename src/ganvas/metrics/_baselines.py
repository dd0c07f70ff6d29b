"""The floor and the naive rivals of a model are models too: they have the abilities that metrics ask for."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core import Autoencodes, Bounds, Mixed, Restores, Samples, Space, Tokens, Translates, coloured, seeded


class Replay(Samples):
    """Gives back examples it holds, the same each time: those of a model, drawn once; or real ones."""

    def __init__(self, x: Tensor, condition: Tokens | None) -> None:
        self.x, self.condition = x, condition

    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        return self.x if n == len(self.x) else self.x[torch.arange(n) % len(self.x)]


def noisy(x: Tensor) -> Tensor:
    """Examples with noise of standard deviation 0.2: close to real ones, and new in no useful sense."""
    return (x + 0.2 * torch.randn(x.shape, generator=seeded(0)).to(x.device)).clamp(-1, 1)


def per_coordinate(x: Tensor, n: int) -> Tensor:
    """`n` draws from a Gaussian fitted to each coordinate of x by itself."""
    noise = torch.randn(n, *x.shape[1:], generator=seeded(1)).to(x.device)
    return (x.mean(0) + x.std(0) * noise).clamp(-1, 1)


def shuffled(x: Tensor, space: Space) -> Tensor:
    """Rows whose columns were drawn independently of each other: every column is right, no two belong together."""
    widths = space.columns if isinstance(space, Mixed) else (1,) * x.shape[1]
    random = seeded(2)
    return torch.cat([part[torch.randperm(len(x), generator=random).to(x.device)] for part in x.split(widths, 1)], 1)


class Independent(Bounds):
    """Every coordinate by itself, with the likelihood of the model it stands beside."""

    def __init__(self, space: Space, x: Tensor) -> None:
        self.space, self.raw = space, space.marginal(x)

    def bound(self, x: Tensor, samples: int = 1) -> Tensor:
        x = self.space.observe(x)
        return self.space.nll(self.raw.expand(len(x), *self.raw.shape[1:]), x)


class Untouched(Restores):
    """Leaves the damage that a model undoes."""

    def __init__(self, model: Restores) -> None:
        self.model, self.space, self.undoes = model, model.space, model.undoes

    @property
    def device(self) -> torch.device:
        return self.model.device

    def damaged(self, x: Tensor) -> Tensor:
        return self.model.damaged(x)

    def restore(self, x: Tensor) -> Tensor:
        return x.clamp(-1, 1)


class Untranslated(Translates):
    """Leaves pictures as they are, but for how many channels they have."""

    def __init__(self, model: Translates) -> None:
        self.model, self.space, self.condition = model, model.space, model.condition

    @property
    def device(self) -> torch.device:
        return self.model.device

    def translate(self, x: Tensor, back: bool = False) -> Tensor:
        return coloured(x, (self.condition if back else self.space).shape[0])


class Arrived(Translates):
    """Gives back examples of the second domain that it holds, whatever it is given."""

    def __init__(self, model: Translates, x: Tensor) -> None:
        self.model, self.space, self.condition, self.x, self.at = model, model.space, model.condition, x, 0

    @property
    def device(self) -> torch.device:
        return self.model.device

    def translate(self, x: Tensor, back: bool = False) -> Tensor:
        self.at += len(x)
        return self.x[torch.arange(self.at - len(x), self.at) % len(self.x)]


class Components(Autoencodes):
    """Principal components: the best that linear maps can do with so many latents (Pearson, 1901)."""

    def __init__(self, x: Tensor, count: int) -> None:
        flat = x.flatten(1)
        self.shape, self.mean = x.shape[1:], flat.mean(0)
        count = min(count, *flat.shape)
        basis = torch.pca_lowrank(flat, count, niter=4)[2] if count else flat.new_zeros(flat.shape[1], 0)
        self.directions = basis

    def encode(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - self.mean) @ self.directions

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return (self.mean + z @ self.directions.T).unflatten(1, self.shape).clamp(-1, 1)
