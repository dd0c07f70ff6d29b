"""Samples: new examples are made."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..core import (
    Batch,
    Continuous,
    Evidence,
    Mixed,
    Space,
    Tokens,
    evenly_spaced,
    seeded_generator,
)
from ..core.statistics import frechet_distance, principal_axes
from ._base import Ability, Baseline, ErrorMeasure, Signature, never

COMPONENTS = 32
"""Principal components of training examples that samples are compared in with held-out ones."""


def _distance_of_samples(model: Any, real: Batch, train: Tensor) -> float:
    made = model.sample(len(real), real.y if model.condition else None)
    return _distance(made.cpu().float(), real.x, train)


def _distance_of_shuffled(model: Any, real: Batch, train: Tensor) -> float:
    return _distance(shuffle_places(train)[: len(real)], real.x, train)


def _distance(a: Tensor, b: Tensor, train: Tensor) -> float:
    axes = principal_axes(train.flatten(1).double(), COMPONENTS)
    return frechet_distance(a.flatten(1).double() @ axes, b.flatten(1).double() @ axes)


def shuffle_places(x: Tensor) -> Tensor:
    """Examples (N, ...) with each coordinate that of another example: independent of each other."""
    order = torch.rand(x.flatten(1).shape, generator=seeded_generator(0)).argsort(0)
    return x.flatten(1).gather(0, order).view_as(x)


def _real(model: Any, evidence: Evidence, space: Space) -> Samples:
    """What the figures would be of a model that samples from the data's own distribution."""
    return HeldSamples(evidence.train.x[_matching(evidence)], model.condition)


def _noisy(model: Any, evidence: Evidence, space: Space) -> Samples | None:
    if not isinstance(space, Continuous):
        return None
    return HeldSamples(with_noise(evidence.train.x[_matching(evidence)]), model.condition)


def _gaussian(model: Any, evidence: Evidence, space: Space) -> Samples | None:
    if not isinstance(space, Continuous):
        return None
    made = sample_coordinates(evidence.train.x, len(evidence.held_out))
    return HeldSamples(made, model.condition)


def _independent_tokens(model: Any, evidence: Evidence, space: Space) -> Samples | None:
    if not isinstance(space, Tokens) or space.alphabets:
        return None
    return _independent(model, evidence, space)


def _independent_columns(model: Any, evidence: Evidence, space: Space) -> Samples | None:
    if isinstance(space, Continuous) or (isinstance(space, Tokens) and not space.alphabets):
        return None
    return _independent(model, evidence, space)


def _independent(model: Any, evidence: Evidence, space: Space) -> Samples:
    real = evidence.train.x[_matching(evidence)]
    return HeldSamples(shuffle_coordinates(real, space), model.condition)


def _matching(evidence: Evidence) -> Tensor:
    """Rows of training examples that are what samples are asked to be; evenly spread where nothing
    is asked."""
    n, have = len(evidence.held_out), len(evidence.train)
    rows = evenly_spaced(have, n)[torch.arange(n) % have]
    if evidence.asked is None or evidence.train.y is None or evidence.asked.shape[1] > 1:
        return rows
    for label in evidence.asked.unique():
        wanted = (evidence.asked == label).flatten().nonzero().squeeze(1).cpu()
        held = (evidence.train.y == label).flatten().nonzero().squeeze(1).cpu()
        if len(held):
            rows[wanted] = held[torch.arange(len(wanted)) % len(held)]
    return rows


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
    shuffled = [
        part[torch.randperm(len(x), generator=random).to(x.device)] for part in x.split(widths, 1)
    ]
    return torch.cat(shuffled, 1)


class Samples(Ability):
    """Makes new examples."""

    space: Space

    condition: Tokens | None = None
    """What can be asked for, or None."""

    preview_rows: ClassVar[int] = 4
    """Rows of samples that are shown while it learns."""

    error = ErrorMeasure(
        f"Fréchet distance of {COMPONENTS} components",
        _distance_of_samples,
        _distance_of_shuffled,
        rank=11,
    )
    export = Signature(
        "sampler",
        lambda model: {},
        lambda model, n: {},
        rank=11,
        applies=never,
        otherwise="it makes examples in turns, not of noise in one go",
    )
    baselines: ClassVar[Mapping[str, Baseline]] = {
        "real data": _real,
        "real with noise": _noisy,
        "per-pixel Gaussian": _gaussian,
        "independent tokens": _independent_tokens,
        "independent columns": _independent_columns,
    }

    @abstractmethod
    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        """Draws `n` new examples, shape (n, *space.shape).

        y: What each shall be, shape (n, *condition.shape), for a model that takes a condition;
            drawn evenly without.
        truncation: Latents further out than this many standard deviations are drawn again
            (Brock et al., 2019): fewer surprises, less variety.
        """


class HeldSamples(Samples):
    """Gives back examples it holds, the same each time: those of a model, drawn once; or real
    ones."""

    def __init__(self, x: Tensor, condition: Tokens | None) -> None:
        self.x, self.condition = x, condition

    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        return self.x if n == len(self.x) else self.x[torch.arange(n) % len(self.x)]
