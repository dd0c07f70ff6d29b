"""Does it learn? A proof for each model, in seconds, on pictures or rows that ship with the package.

Green tests do not show that a model learns: a training step that does nothing passes most of them. Here the
held-out objective must beat an untrained copy and a naive model by a stated margin.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict, dataclass
from itertools import islice
from time import perf_counter
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from . import plugins
from .core import (
    Autoencodes,
    Bounds,
    Data,
    InputError,
    Model,
    Packs,
    Restores,
    Samples,
    Scores,
    Upscales,
    chance,
    seeded,
)
from .engine import Engine
from .machine import choose_device, choose_precision, settle
from .run import build
from .samples import ADULT, FASHION

LESSONS = {"images": (FASHION, 0.7), "tables": (ADULT / "train.csv", 0.9)}
"""By modality, what to learn from; and what is left of the untrained copy's and of the naive model's objective, at
most, when a model has learned. Models learn the first that they take."""

ROUNDS, RESTORING = 1000, 250
"""Rounds that a model learns for; and one that only restores or enlarges, which begins by leaving pictures as they
are."""

SMALL = {"channels": 8, "width": 256, "network": "perceptron", "likelihood": "bernoulli", "pixels": 8, "scale": 2}
"""Options that make a model small enough to learn in seconds, where it has them."""

RECONSTRUCTION = "squared error of reconstruction"
ENLARGED = "squared error, enlarged"
STRANGENESS = "how strange examples are, beside shuffled ones"


@dataclass(frozen=True)
class Proof:
    """What a model reached on held-out examples, beside its untrained copy and a naive model; lower is better."""

    model: str
    objective: str
    trained: float
    untrained: float
    naive: float
    seconds: float
    margin: float

    @property
    def learned(self) -> bool:
        return self.trained < self.margin * min(self.untrained, self.naive)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"learned": self.learned}


def prove(name: str, rounds: int | None = None) -> Proof:
    """Trains a small model of this name and says what it learned."""
    start = perf_counter()
    device = choose_device("auto")
    with chance(0):
        model, learn, held, margin = _begin(name)
        settle(model, device)
        untrained = deepcopy(model).eval()
        rounds = rounds or (ROUNDS if isinstance(model, Samples | Scores) else RESTORING)
        engine = Engine(model, average=0.99, precision=choose_precision("auto", device))
        game = engine.rounds(b.to(device) for b in model.batches(learn, min(model.practice.batch, 64), seed=0))
        for _ in track(islice(game, rounds), f"{name} learns", rounds, console=Console(stderr=True), transient=True):
            pass
    trained, before = (_cost(m, learn, held, device) for m in (engine.averaged, untrained))
    return Proof(
        name, _objective(model), trained, before, _naive_cost(model, learn, held), perf_counter() - start, margin
    )


def _begin(name: str) -> tuple[Model, Data, Data, float]:
    """A small model with what it learns from, what it is judged by, and the margin."""
    make = plugins.load("models", name)
    known = {option.name for option in plugins.options(make)}
    options = {k: v for k, v in SMALL.items() if k in known}
    refusals = []
    for kind, (source, margin) in LESSONS.items():
        reader = plugins.load("modalities", kind)
        own = {option.name for option in plugins.options(reader.learn)}
        modality = reader.learn(source, **{k: v for k, v in make.practice.reading.items() if k in own - {"size"}})
        try:
            return build(name, options, modality), *modality.read(source).split(0.2), margin
        except InputError as refusal:
            refusals.append(str(refusal))
    raise InputError(f"{name} can be tried on nothing that ships: {'; '.join(refusals)}")


def _objective(model: Model) -> str:
    """By what a model is judged here. A score says whether it learned only where it is the cost of an example."""
    if isinstance(model, Bounds):
        return "-log likelihood, or a bound"
    if isinstance(model, Packs):  # its transforms give all back before they have learned
        return "cost of packing"
    if isinstance(model, Autoencodes):
        return RECONSTRUCTION
    if isinstance(model, Scores):
        return STRANGENESS
    if isinstance(model, Upscales):
        return ENLARGED
    return "squared error, restored" if isinstance(model, Restores) else "Fréchet distance of 32 components"


@torch.no_grad()
def _cost(model: Model, learn: Data, held: Data, device: torch.device) -> float:
    """The model's own cost of held-out examples where it has one, else how far its samples are from them."""
    model.eval()
    real = held.gather()
    if _objective(model) == RECONSTRUCTION:
        assert isinstance(model, Autoencodes)
        return _error(model.decode(model.encode(real.x.to(device))).cpu(), real.x)
    if _objective(model) == STRANGENESS:
        assert isinstance(model, Scores)
        strange, usual = (model.score(x.to(device)).mean().item() for x in (_shuffled(real.x), real.x))
        return usual / strange
    if isinstance(model, Scores):
        return model.score(real.x.to(device)).mean().item()
    if isinstance(model, Upscales):
        *_, after, x = model.shown(real.x.to(device))
        return (after - x).square().mean().item()
    if isinstance(model, Restores):
        return (model.shown(real.x.to(device))[1].cpu() - real.x).square().mean().item()
    assert isinstance(model, Samples)
    with chance(0):
        made = model.sample(len(real), real.y if model.condition else None)
    return _distance(made.cpu().float(), real.x, learn.gather().x)


@torch.no_grad()
def _naive_cost(model: Model, learn: Data, held: Data) -> float:
    """The same of independent pixels or columns, or of damage that is left: no network at all."""
    x, train = held.gather().x, learn.gather().x
    if _objective(model) == STRANGENESS:
        return 1.0
    raw = model.space.marginal(train)
    if _objective(model) == RECONSTRUCTION:
        return _error(model.space.mean(raw), x)
    if isinstance(model, Scores):
        return model.space.nll(raw.expand(len(x), *raw.shape[1:]), x).mean().item()
    if isinstance(model, Upscales):
        _, bicubic, _, whole = model.shown(x)
        return (bicubic - whole).square().mean().item()
    if isinstance(model, Restores):
        with chance(0):
            return (model.damaged(x) - x).square().mean().item()
    return _distance(_shuffled(train)[: len(x)], x, train)


def _shuffled(x: Tensor) -> Tensor:
    """Examples (N, ...) with each coordinate that of another example: independent of each other."""
    order = torch.rand(x.flatten(1).shape, generator=seeded(0)).argsort(0)
    return x.flatten(1).gather(0, order).view_as(x)


def _error(made: Tensor, x: Tensor) -> float:
    """Squared error of an example, on average."""
    return (made - x).square().flatten(1).sum(1).mean().item()


def _distance(a: Tensor, b: Tensor, train: Tensor) -> float:
    """Fréchet distance of Gaussians fitted to the first 32 principal components of the training pictures."""
    flat = train.flatten(1).double()
    components = torch.linalg.svd(flat - flat.mean(0), full_matrices=False).Vh[:32].T
    p, q = (x.flatten(1).double() @ components for x in (a, b))
    s, t = p.T.cov(), q.T.cov()
    root = torch.linalg.eigvals(s @ t).real.clamp(min=0).sqrt().sum()
    return ((p.mean(0) - q.mean(0)).square().sum() + s.trace() + t.trace() - 2 * root).item()


def table(proofs: list[Proof]) -> Table:
    """Proofs as a table for people."""
    shown = Table("model", "objective on held-out examples", "trained", "untrained", "naive", "seconds", "learned")
    for p in proofs:
        figures = (f"{value:.4g}" for value in (p.trained, p.untrained, p.naive))
        shown.add_row(p.model, p.objective, *figures, f"{p.seconds:.1f}", "yes" if p.learned else "NO")
    return shown
