"""Whether new images help a small network to tell classes apart, on images that nobody learned
from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor

from ...core import Batch, Continuous, Data, Estimate, seeded_generator, seeded_rng
from ...core.images import random_flip
from ...runtime.console import stderr_console
from ...training.classifier import Network, training_batches
from .comparison import Figure, compare

STEPS, BATCH = 800, 64
REPEATS = 3
"""Networks that learn in each way, from different beginnings."""
DRAWS = 1000
NEW = "with new images"


class Cases(NamedTuple):
    """Images (N, C, S, S), and the numbers of their classes, int64 (N,)."""

    x: Tensor
    y: Tensor


@dataclass(frozen=True)
class Way:
    """What a network learns from, and how.

    weighted: Whether all classes together count alike, however many images they have.
    shifted: Whether half of the images are moved at random, by an eighth of their side at most.
    mirrored: Whether they are mirrored at random.
    """

    cases: Cases
    weighted: bool = False
    shifted: bool = False
    mirrored: bool = False


def join_cases(a: Cases, b: Cases) -> Cases:
    return Cases(torch.cat([a.x, b.x]), torch.cat([a.y, b.y]))


def training_sets(learn: Cases, new: Cases) -> dict[str, Way]:
    """New images beside all that costs no model: nothing, weights where classes differ in size,
    shifts, mirrors."""
    counts = learn.y.bincount()
    found = {"real images alone": Way(learn)}
    if counts.min() < counts.max():
        found["classes weighted"] = Way(learn, weighted=True)
    found["shifted"] = Way(learn, shifted=True)
    found["shifted and mirrored"] = Way(learn, shifted=True, mirrored=True)
    return found | {NEW: Way(join_cases(learn, new))}


def score_with_networks(
    ways: Mapping[str, Way], held: Cases, classes: int
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Accuracy on held-out images by the way of learning; and how much more new images gave
    than each other way."""
    return compare(predict(ways, held, classes), NEW, scores(held), DRAWS)


def scores(held: Cases) -> Figure:
    """The accuracy of which held-out images were named rightly."""
    y = held.y.cpu().numpy()
    return lambda rows, right: accuracy(y[rows], right)


def accuracy(y: np.ndarray, right: np.ndarray) -> float:
    """Share of each class that is right, averaged over the classes that are there."""
    counts = np.bincount(y)
    return float((np.bincount(y, right)[counts > 0] / counts[counts > 0]).mean())


def predict(ways: Mapping[str, Way], held: Cases, classes: int) -> dict[str, np.ndarray]:
    """Which held-out images networks that learned in these ways name rightly, 0 or 1, (REPEATS,
    N)."""
    with Progress(console=stderr_console(), transient=True) as bar:
        task = bar.add_task("small networks learn", total=len(ways) * REPEATS * STEPS)
        step = lambda: bar.advance(task)  # noqa: E731
        return {
            name: np.stack([_right(way, held, classes, i, step) for i in range(REPEATS)])
            for name, way in ways.items()
        }


def _right(way: Way, held: Cases, classes: int, seed: int, step: Callable[[], None]) -> np.ndarray:
    """Which held-out images a network names rightly, 0 or 1, (N,)."""
    counts = way.cases.y.bincount(minlength=classes)
    weights = len(way.cases.y) / classes / counts.clamp(min=1) if way.weighted else None
    space = Continuous(tuple(held.x.shape[1:]))
    with seeded_rng(seed):
        network = Network(space, classes, weights)
        for _ in training_batches(network, Varied(way, seed), STEPS, BATCH, seed, held.x.device):
            step()
    return (network.classify(held.x) == held.y).cpu().numpy().astype(float)


class Varied(Data):
    """Images of a way to learn, moved and mirrored as it has it, otherwise in every step."""

    def __init__(self, way: Way, seed: int) -> None:
        self.way, self.seed = way, seed
        self.x, self.y = way.cases

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, rows: Tensor, step: int | None = None) -> Batch:
        own = rows.to(self.x.device)
        x, random = self.x[own], seeded_generator(self.seed, step or 0)
        x = augment_shift(x, random) if self.way.shifted else x
        x = random_flip(x, random) if self.way.mirrored else x
        return Batch(x, self.y[own].unsqueeze(1))

    def keys(self) -> Tensor:
        return torch.arange(len(self))

    def subset(self, rows: Tensor) -> Varied:
        return Varied(replace(self.way, cases=Cases(self.x[rows], self.y[rows])), self.seed)


def augment_shift(x: Tensor, random: torch.Generator) -> Tensor:
    """Images (B, C, S, S), half of them moved by at most an eighth of their side; their borders
    go on."""
    size = x.shape[-1]
    most = size // 8
    still = torch.rand(len(x), 1, generator=random) < 0.5
    far = (
        torch.randint(-most, most + 1, (len(x), 1), generator=random).where(~still, 0)
        for _ in range(2)
    )
    down, right = ((torch.arange(size) + by).clamp(0, size - 1).to(x.device) for by in far)
    own = torch.arange(len(x), device=x.device)[:, None, None]
    return x[own, :, down[:, :, None], right[:, None, :]].permute(0, 3, 1, 2)
