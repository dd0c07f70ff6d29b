"""Perceptrons: layers that connect everything with everything."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from ..core import Space, Tokens


def perceptron(
    *widths: int,
    activation: Callable[[], nn.Module] = nn.SiLU,
    normalised: bool = False,
    bias: bool = True,
) -> nn.Sequential:
    """Linear layers of these widths, an activation between each two.

    normalised: Hidden units are normalised over the batch before they are activated (Ioffe &
        Szegedy, 2015).
    bias: Whether the last layer has one.
    """
    layers: list[nn.Module] = []
    for before, after in pairwise(widths[:-1]):
        layers += [nn.Linear(before, after), *[nn.BatchNorm1d(after)] * normalised, activation()]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1], bias=bias))


FREQUENCIES = 32
"""Of Fourier features, by default."""


class FourierFeatures(nn.Module):
    """x with sin(fx) and cos(fx) appended, (B, into + 2 count), of fixed frequencies
    f ~ N(0, scale^2).

    Networks of rectifiers learn low frequencies first, and Fourier features make high ones low
    (Tancik et al., 2020). Those of two examples have nearly the inner product
    count exp(-scale^2 |x - x'|^2 / 2) (Rahimi & Recht, 2007).
    """

    frequencies: Tensor

    def __init__(self, into: int, scale: float, count: int = FREQUENCIES) -> None:
        super().__init__()
        self.register_buffer("frequencies", scale * torch.randn(into, count))

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # phases in bf16 would be meaningless
            phases = x.float() @ self.frequencies
        return torch.cat([x, phases.sin(), phases.cos()], 1)


class Residual(nn.Module):
    """x + f(x), with f a normalised gated layer (Dauphin et al., 2017)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.normalise = nn.LayerNorm(width)
        self.gate = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(nn.functional.glu(self.gate(self.normalise(x))))


def residual(into: int, width: int, blocks: int, out: int) -> nn.Sequential:
    """Vectors (B, into) to vectors (B, out), by way of so many residual blocks."""
    between = [Residual(width) for _ in range(blocks)]
    return nn.Sequential(
        nn.Linear(into, width), nn.SiLU(), *between, nn.SiLU(), nn.Linear(width, out)
    )


class Append(nn.Module):
    """x with ReLU(normalised f(x)) appended, (B, into + width) (Xu et al., 2019, section 4.4)."""

    def __init__(self, into: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(into, width), nn.BatchNorm1d(width), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.layers(x)], 1)


class LeakyDropout(nn.Module):
    """Leaky ReLU, then dropout, as a product with one factor.

    The factor is piecewise constant, and autograd takes it for constant: second derivatives, which
    a gradient penalty needs, do not run back through it to find that they are zero.

    slope: Of the negative part.
    dropped: Share of the units that are left out in training.
    """

    def __init__(self, slope: float, dropped: float) -> None:
        super().__init__()
        self.slope, self.dropped = slope, dropped

    def forward(self, x: Tensor) -> Tensor:
        factor = torch.where(x > 0, 1.0, self.slope)
        if self.training:
            factor = factor * (torch.rand_like(factor) >= self.dropped) / (1 - self.dropped)
        return x * factor.to(x.dtype)


class MinibatchStandardDeviation(nn.Module):
    """Appends one feature, or one channel: how much all the others vary over the batch, on average.

    (B, C, ...) to (B, C + 1, ...). Generated examples that are too much alike are found out (Karras
    et al., 2018, section 3).
    """

    def forward(self, x: Tensor) -> Tensor:
        varied = (x.float().var(0, unbiased=False) + 1e-8).sqrt().mean().to(x.dtype)
        return torch.cat([x, varied.expand(len(x), 1, *x.shape[2:])], 1)


EMBEDDING = 32  # numbers that stand for a token


class PerceptronEncoder(nn.Module):
    """Examples (B, *space.shape) to vectors (B, out)."""

    def __init__(self, space: Space, out: int, width: int, depth: int) -> None:
        super().__init__()
        self.embed: nn.Module = nn.Identity()
        into = prod(space.shape)
        if isinstance(space, Tokens):
            self.embed = nn.Embedding(space.vocabulary, EMBEDDING)
            into *= EMBEDDING
        self.layers = residual(into, width, depth - 1, out)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.embed(x).flatten(1))


class PerceptronDecoder(nn.Module):
    """Vectors (B, into) to raw output without log-scales: one value of each coordinate."""

    def __init__(self, space: Space, into: int, width: int, depth: int) -> None:
        super().__init__()
        self.shape = space.raw if isinstance(space, Tokens) else space.shape
        blocks = [Residual(width) for _ in range(depth - 1)]
        last = nn.Linear(width, prod(self.shape))
        self.layers = nn.Sequential(nn.Linear(into, width), nn.SiLU(), *blocks, nn.SiLU(), last)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).unflatten(1, self.shape)


class WithScale(nn.Module):
    """A decoder of means (B, C, ...) followed by learned log-scales of this shape, the same for all
    examples."""

    def __init__(self, means: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.means = means
        self.log_scale = nn.Parameter(torch.full(shape, -1.0))

    def forward(self, z: Tensor) -> Tensor:
        means = self.means(z)
        return torch.cat([means, self.log_scale.expand(len(means), *self.log_scale.shape)], 1)
