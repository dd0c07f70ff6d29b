"""Does it learn? A proof for each model, in seconds, on pictures or rows that ship with the package.

Green tests do not show that a model learns: a training step that does nothing passes most of them. Here the
held-out objective must beat an untrained copy and a naive model by a stated margin.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from torch.nn.functional import avg_pool2d

from . import plugins
from .core import (
    Autoencodes,
    Batch,
    Bounds,
    Data,
    InputError,
    Model,
    Packs,
    Restores,
    Samples,
    Scores,
    Translates,
    chance,
    coloured,
    seeded,
)
from .engine import Engine
from .machine import choose_device, choose_precision, settle
from .run import build
from .samples import ADULT, FASHION

LESSONS = {"images": (FASHION, 0.7), "tables": (ADULT / "train.csv", 0.9)}
"""By modality, what to learn from; and what is left of the untrained copy's and of the naive model's objective, at
most, when a model has learned. Models learn the first that they take."""

TRANSLATING = "images", 0.7
"""The same for models that translate: pictures, half as large, and what `recoloured` makes of them."""

ROUNDS, RESTORING, GOING = 1000, 250, 100
"""Rounds that a model learns for; one that only restores, which begins by leaving pictures as they are; and one that
translates, of which a round takes several passes, at a rate of `HASTY`."""

HASTY = 1e-3

SMALL = {"channels": 8, "width": 256, "network": "perceptron", "likelihood": "bernoulli", "pixels": 8, "blocks": 1}
"""Options that make a model small enough to learn in seconds, where it has them."""

TRANSLATION = "squared error, translated"
RECONSTRUCTION = "squared error of reconstruction"
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
        rounds = rounds or _rounds(model)
        rates = dict.fromkeys(model.players, HASTY) if isinstance(model, Translates) else {}
        engine = Engine(model, rates=rates, average=0.99, precision=choose_precision("auto", device))
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
    for kind, source, margin in _lessons(make):
        reader = plugins.load("modalities", kind)
        own = {option.name for option in plugins.options(reader.learn)}
        modality = reader.learn(source, **{k: v for k, v in make.practice.reading.items() if k in own})
        try:
            return build(name, options, modality), *modality.read(source).split(0.2), margin
        except InputError as refusal:
            refusals.append(str(refusal))
    raise InputError(f"{name} can be tried on nothing that ships: {'; '.join(refusals)}")


def _rounds(model: Model) -> int:
    if isinstance(model, Translates):
        return GOING
    return ROUNDS if isinstance(model, Samples | Scores) else RESTORING


def _lessons(make: type[Model]) -> Iterator[tuple[str, Any, float]]:
    """What a kind of model may learn from: modality, source and margin."""
    if not issubclass(make, Translates):
        yield from ((kind, source, margin) for kind, (source, margin) in LESSONS.items())
        return
    kind, margin = TRANSLATING
    reader = plugins.load("modalities", kind)
    x = avg_pool2d(reader.learn(FASHION).read(FASHION).gather().x, 2)
    yield kind, {"grey": x, "recoloured": recoloured(x)}, margin


def recoloured(x: Tensor) -> Tensor:
    """Grey pictures (B, 1, H, W) in colours from dark blue to yellow, (B, 3, H, W)."""
    return torch.cat([x, 0.5 * x - 0.1, -0.6 * x - 0.2], 1)


def _objective(model: Model) -> str:
    """By what a model is judged here. A score says whether it learned only where it is the cost of an example."""
    if isinstance(model, Translates):
        return TRANSLATION
    if isinstance(model, Bounds):
        return "-log likelihood, or a bound"
    if isinstance(model, Packs):  # its transforms give all back before they have learned
        return "cost of packing"
    if isinstance(model, Autoencodes):
        return RECONSTRUCTION
    if isinstance(model, Scores):
        return STRANGENESS
    return "squared error, restored" if isinstance(model, Restores) else "Fréchet distance of 32 components"


@torch.no_grad()
def _cost(model: Model, learn: Data, held: Data, device: torch.device) -> float:
    """The model's own cost of held-out examples where it has one, else how far its samples are from them."""
    model.eval()
    real = held.gather()
    if isinstance(model, Translates):
        return _astray(model, real, device)
    if _objective(model) == RECONSTRUCTION:
        assert isinstance(model, Autoencodes)
        return _error(model.decode(model.encode(real.x.to(device))).cpu(), real.x)
    if _objective(model) == STRANGENESS:
        assert isinstance(model, Scores)
        strange, usual = (model.score(x.to(device)).mean().item() for x in (_shuffled(real.x), real.x))
        return usual / strange
    if isinstance(model, Scores):
        return model.score(real.x.to(device)).mean().item()
    if isinstance(model, Restores):
        return (model.shown(real.x.to(device))[1].cpu() - real.x).square().mean().item()
    assert isinstance(model, Samples)
    with chance(0):
        made = model.sample(len(real), real.y if model.condition else None)
    return _distance(made.cpu().float(), real.x, learn.gather().x)


@torch.no_grad()
def _naive_cost(model: Model, learn: Data, held: Data) -> float:
    """The same of independent pixels or columns, or of damage that is left: no network at all."""
    if isinstance(model, Translates):
        given = held.gather().y
        assert given is not None, "a model that translates is given what from"
        return _error(coloured(given, 3), recoloured(given))
    x, train = held.gather().x, learn.gather().x
    if _objective(model) == STRANGENESS:
        return 1.0
    raw = model.space.marginal(train)
    if _objective(model) == RECONSTRUCTION:
        return _error(model.space.mean(raw), x)
    if isinstance(model, Scores):
        return model.space.nll(raw.expand(len(x), *raw.shape[1:]), x).mean().item()
    if isinstance(model, Restores):
        with chance(0):
            return (model.damaged(x) - x).square().mean().item()
    return _distance(_shuffled(train)[: len(x)], x, train)


def _astray(model: Translates, real: Batch, device: torch.device) -> float:
    """Squared error of what a model makes of the first domain, beside what is known to be right."""
    assert real.y is not None, "a model that translates is given what from"
    made = torch.cat([model.translate(y.to(device)).float().cpu() for y in real.y.split(64)])
    return _error(made, recoloured(real.y))


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
