"""The floor and the naive rivals of a model are models too: they have the abilities that metrics
ask for."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from ...core import (
    Autoencodes,
    Bounds,
    Completes,
    Mixed,
    Predicts,
    Restores,
    Samples,
    Space,
    Tokens,
    Translates,
    Upscales,
    seeded_generator,
    upscale_bicubic,
    with_channels,
)

SPREADS = 200  # times that known pixels are spread into a masked region


class TrainingSamples(Samples):
    """Gives back examples it holds, the same each time: those of a model, drawn once; or real
    ones."""

    def __init__(self, x: Tensor, condition: Tokens | None) -> None:
        self.x, self.condition = x, condition

    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        return self.x if n == len(self.x) else self.x[torch.arange(n) % len(self.x)]


def with_noise(x: Tensor) -> Tensor:
    """Examples with noise of standard deviation 0.2: close to real ones, and new in no useful
    sense."""
    return (x + 0.2 * torch.randn(x.shape, generator=seeded_generator(0)).to(x.device)).clamp(-1, 1)


def sample_coordinates(x: Tensor, n: int) -> Tensor:
    """`n` draws from a Gaussian fitted to each coordinate of x by itself."""
    noise = torch.randn(n, *x.shape[1:], generator=seeded_generator(1)).to(x.device)
    return (x.mean(0) + x.std(0) * noise).clamp(-1, 1)


def shuffle_coordinates(x: Tensor, space: Space) -> Tensor:
    """Rows whose columns were drawn independently of each other: every column is right, no two
    belong together."""
    widths = space.columns if isinstance(space, Mixed) else (1,) * x.shape[1]
    random = seeded_generator(2)
    return torch.cat(
        [
            part[torch.randperm(len(x), generator=random).to(x.device)]
            for part in x.split(widths, 1)
        ],
        1,
    )


class IndependentCoordinates(Bounds):
    """Every coordinate by itself, with the likelihood of the model it stands beside."""

    def __init__(self, space: Space, x: Tensor) -> None:
        self.space, self.raw = space, space.marginal(x)

    def bound(self, x: Tensor, samples: int = 1) -> Tensor:
        x = self.space.observe(x)
        one = isinstance(self.space, Tokens) and not self.space.alphabets
        return self.space.nll(self.raw if one else self.raw.expand(len(x), *self.raw.shape[1:]), x)


class Identity(Restores):
    """Leaves the damage that a model undoes."""

    def __init__(self, model: Restores) -> None:
        self.model, self.space, self.degradation = model, model.space, model.degradation

    @property
    def device(self) -> torch.device:
        return self.model.device

    def degrade(self, x: Tensor) -> Tensor:
        return self.model.degrade(x)

    def restore(self, x: Tensor) -> Tensor:
        return x.clamp(-1, 1)


class Bicubic(Upscales):
    """Enlarges what a model enlarges, and adds nothing."""

    def __init__(self, model: Upscales) -> None:
        self.model, self.space, self.scale = model, model.space, model.scale

    @property
    def device(self) -> torch.device:
        return self.model.device

    def degrade(self, x: Tensor) -> Tensor:
        return self.model.degrade(x)

    def upscale(self, x: Tensor, fidelity: float = 0.0) -> Tensor:
        return upscale_bicubic(x, self.scale).clamp(-1, 1)


class BorderMean(Completes):
    """Fills masked regions of images with the mean of the known pixels that touch them."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def complete(
        self, x: Tensor, known: Tensor, allowed: Mapping[int, Tensor] | None = None
    ) -> Tensor:
        touched = F.max_pool2d((~known).float(), 3, 1, 1) * known
        mean = (x * touched).sum((2, 3), keepdim=True) / touched.sum((2, 3), keepdim=True).clamp(
            min=1
        )
        return torch.where(known, x, mean)


class Diffusion(Completes):
    """Lets known pixels of images spread into masked regions as heat does, each place the mean of
    those around it."""

    def __init__(self, space: Space) -> None:
        self.start = BorderMean(space)
        self.space = space

    def complete(
        self, x: Tensor, known: Tensor, allowed: Mapping[int, Tensor] | None = None
    ) -> Tensor:
        y = self.start.complete(x, known)
        for _ in range(SPREADS):
            around = F.avg_pool2d(F.pad(y, (1, 1, 1, 1), mode="replicate"), 3, 1)
            y = torch.where(known, x, around)
        return y


class LastFrame(Predicts):
    """The last frame that was seen, again and again."""

    def __init__(self, model: Predicts) -> None:
        self.space, self.given = model.space, model.given
        self.following = model.space.shape[1] - model.given

    def predict(self, seen: Tensor) -> Tensor:
        return seen[:, :, -1:].expand(-1, -1, self.following, -1, -1)


class LinearExtrapolation(Predicts):
    """Every value goes on changing as it did between the last two frames that were seen."""

    def __init__(self, model: Predicts) -> None:
        self.space, self.given = model.space, model.given
        self.ahead = torch.arange(1, model.space.shape[1] - model.given + 1).view(-1, 1, 1)

    def predict(self, seen: Tensor) -> Tensor:
        last, change = seen[:, :, -1:], seen[:, :, -1:] - seen[:, :, -2:-1]
        return (last + self.ahead.to(seen.device) * change).clamp(-1, 1)


class IdentityTranslation(Translates):
    """Leaves images as they are, but for how many channels they have."""

    def __init__(self, model: Translates) -> None:
        self.model, self.space, self.condition = model, model.space, model.condition

    @property
    def device(self) -> torch.device:
        return self.model.device

    def translate(self, x: Tensor, back: bool = False) -> Tensor:
        return with_channels(x, (self.condition if back else self.space).shape[0])


class RealTargets(Translates):
    """Gives back examples of the second domain that it holds, whatever it is given."""

    def __init__(self, model: Translates, x: Tensor) -> None:
        self.model, self.space, self.condition, self.x, self.at = (
            model,
            model.space,
            model.condition,
            x,
            0,
        )

    @property
    def device(self) -> torch.device:
        return self.model.device

    def translate(self, x: Tensor, back: bool = False) -> Tensor:
        self.at += len(x)
        return self.x[torch.arange(self.at - len(x), self.at) % len(self.x)]


class PrincipalComponents(Autoencodes):
    """Principal components: the best that linear maps can do with so many latents (Pearson,
    1901)."""

    def __init__(self, x: Tensor, count: int) -> None:
        flat = x.flatten(1)
        self.shape, self.mean = x.shape[1:], flat.mean(0)
        count = min(count, *flat.shape)
        basis = (
            torch.pca_lowrank(flat, count, niter=4)[2]
            if count
            else flat.new_zeros(flat.shape[1], 0)
        )
        self.directions = basis

    def encode(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - self.mean) @ self.directions

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return (self.mean + z @ self.directions.T).unflatten(1, self.shape).clamp(-1, 1)
