"""Directions of meaning in latents: from what is known of examples, or found without knowing
anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ...core import InputError
from ...runtime.errors import flag
from .._progress import with_progress

By = Literal["boundary", "means"]
NEWTON = 30  # steps that a logistic regression takes at most
RIDGE = 1.0  # variance of the normal that weights are held to be from, of standardised latents
STEP = 0.25  # standard deviations that latents are moved by to see what an example does


@dataclass(frozen=True)
class Scale:
    """Latents z of any shape as standardised vectors u (n, D), float64, and back."""

    middle: Tensor
    width: Tensor

    @classmethod
    def of(cls, z: Tensor) -> Scale:
        """That of some latents (n, ...), at least two."""
        flat = z.double()
        width = flat.std(0)
        return cls(flat.mean(0), width.clamp(min=1e-3 * width.max().item() + 1e-12))

    def there(self, z: Tensor) -> Tensor:
        return ((z.double() - self.middle) / self.width).flatten(1)

    def back(self, u: Tensor) -> Tensor:
        return (u.view(-1, *self.middle.shape) * self.width + self.middle).float()


def attribute_direction(u: Tensor, values: Tensor, by: By) -> Tensor:
    """The direction in which values (n,) grow over standardised latents u (n, D), a unit vector
    (D,).

    boundary: Normal of the boundary between the two values there are, by logistic regression
        (InterFaceGAN; Shen et
    al., 2020), or of more values, by linear regression. means: From the mean of those below the
    middle one to the mean of those above. Raises InputError where values do not differ.
    """
    known = ~values.isnan()
    u, values = u[known.to(u.device)], values[known].to(u.device)
    distinct = values.unique()
    if len(distinct) < 2:
        raise InputError(
            "all examples have the same value of what is to be edited; give some of another"
        )
    middle = (distinct[0] + distinct[1]) / 2 if len(distinct) == 2 else values.median()
    high = values > middle
    if by == "means" or not high.any() or high.all():
        found = u[high].mean(0) - u[~high].mean(0)
    else:
        found = _logistic(u, high.double()) if len(distinct) == 2 else _linear(u, values)
    result: Tensor = found / found.norm()
    return result


def _logistic(u: Tensor, y: Tensor) -> Tensor:
    """Weights of logistic regression by Newton's method, both classes counting alike, drawn to zero
    by a ridge."""
    x = torch.cat([u, torch.ones_like(u[:, :1])], 1)
    each = torch.where(y > 0, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    ridge = torch.full((x.shape[1],), 1 / RIDGE, dtype=x.dtype, device=x.device)
    w = torch.zeros_like(ridge)
    for _ in range(NEWTON):
        p = (x @ w).sigmoid()
        slope = x.T @ (each * (p - y)) + ridge * w
        bend = (x * (each * p * (1 - p)).unsqueeze(1)).T @ x + ridge.diag()
        step = torch.linalg.solve(bend, slope)
        w = w - step
        if step.abs().max() < 1e-6:
            break
    return w[:-1]


def _linear(u: Tensor, values: Tensor) -> Tensor:
    """Weights of ridge regression on standardised values."""
    y = (values - values.mean()) / values.std()
    centred = u - u.mean(0)
    gram = centred.T @ centred + torch.eye(u.shape[1], dtype=u.dtype, device=u.device) / RIDGE
    result: Tensor = torch.linalg.solve(gram, centred.T @ y)
    return result


def orthogonal_to(direction: Tensor, others: Sequence[Tensor]) -> Tensor:
    """A direction (D,) without what it shares with others: along it these stay as they are (Shen et
    al., 2020).

    Raises InputError where nothing is left.
    """
    if not others:
        return direction
    basis = torch.linalg.qr(torch.stack([*others], 1)).Q
    left = direction - basis @ (basis.T @ direction)
    if left.norm() < 1e-3:
        raise InputError(
            f"what is to be edited cannot be told from what {flag('hold')} names; hold less"
        )
    result: Tensor = left / left.norm()
    return result


def discover_directions(decode: Callable[[Tensor], Tensor], bases: Tensor, most: int) -> Tensor:
    """Directions along which examples change most, (most, D): the first eigenvectors of E J^T J,
    unit vectors.

    J is the derivative of the example by its standardised latent, taken by differences at bases u
    (n, D). For a generator of one linear layer it is SeFa (Shen & Zhou, 2021); for any, the metric
    of Wang & Ponce (2021).

    decode: Examples (B, ...) of standardised latents (B, D).
    """
    width = bases.shape[1]
    moves = STEP * torch.eye(width, dtype=bases.dtype, device=bases.device)
    gram = torch.zeros_like(moves)
    for u in with_progress(bases, len(bases) * width, "finding directions", lambda _: width, 2**12):
        up, down = (decode(u + sign * moves).flatten(1).double() for sign in (1, -1))
        slope = (up - down) / (2 * STEP)
        gram += slope @ slope.T
    found = torch.linalg.eigh(gram).eigenvectors.flip(1)[:, :most]
    largest = found.gather(0, found.abs().argmax(0, keepdim=True))
    result: Tensor = (found * largest.sign()).T
    return result
