"""Does it learn? A proof for each model, in seconds, on data that ships with the package.

Green tests do not show that a model learns: a training step that does nothing passes most of them.
Here the held-out objective must beat an untrained copy and a baseline by a stated margin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

from ..abilities import Cost, Lesson, error_measure, lesson
from ..core import Batch, Data, InputError, Model, seeded_rng
from ..data.samples import ADULT, FASHION
from ..data.samples.moving import moving_clothes
from ..runs.run import build
from ..runtime import registry
from ..runtime.device import choose_device, choose_precision, prepare
from .engine import Engine

LESSONS: dict[str, tuple[Callable[[], Any], float]] = {
    "images": (lambda: FASHION, 0.75),
    "tables": (lambda: ADULT / "train.csv", 0.9),
    "videos": (moving_clothes, 0.7),
}
"""By modality, what to learn from; and what is left of the untrained copy's and of the baseline's
objective, at most, when a model has learned. Models learn the first that they take, but for those
whose abilities have a `Lesson` of their own."""

STEPS = (60, 125, 250, 500, 750, 1000, 2000)
"""After how many steps it is looked whether a model has learned, which ends the proof; the last
are the most."""

SIDE = 16
"""Pixels a side of images: enough to be learned from, and few enough for seconds."""

SMALL = {
    "channels": 8,
    "width": 256,
    "network": "perceptron",
    "likelihood": "bernoulli",
    "pixels": 8,
    "codes": 64,
}
SMALL |= {
    "discriminator_steps": 1,
    "judge": 8,
    "features": 4,
    "scale": 2,
    "translator": 32,
    "blocks": 1,
}
"""Options that make a model small enough to learn in seconds, where it has them."""


@dataclass(frozen=True)
class Proof:
    """What a model reached on held-out examples, beside its untrained copy and a baseline; lower
    is better."""

    model: str
    objective: str
    trained: float
    untrained: float
    baseline: float
    seconds: float
    margin: float
    steps: int

    @property
    def learned(self) -> bool:
        return self.trained < self.margin * min(self.untrained, self.baseline)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"learned": self.learned}


def prove(name: str) -> Proof:
    """Trains a small model of this name until it has learned, or long enough, and says what it
    reached."""
    start = perf_counter()
    device = choose_device("auto")
    with seeded_rng(0):
        model, learn, held, margin = _begin(name)
        prepare(model, device)
        measure, own = error_measure(model), lesson(type(model))
        real, train = held.gather(), learn.gather().x
        before = _measured(measure.cost, model, real, train)
        beside = measure.baseline(model, real, train)
        rates = dict.fromkeys(model.players, own.lr) if own.lr else {}
        engine = Engine(
            deepcopy(model), lr=rates, ema=0.99, precision=choose_precision("auto", device)
        )
        game = engine.steps(
            b.to(device) for b in engine.model.batches(learn, min(model.defaults.batch, 64), 0)
        )
        for played in _played(game, name):
            after = _measured(measure.cost, engine.ema_model, real, train)
            proof = Proof(
                name,
                measure.words,
                after,
                before,
                beside,
                perf_counter() - start,
                margin,
                played,
            )
            if proof.learned:
                break
    return proof


def _played(game: Iterator[Any], name: str) -> Iterator[int]:
    """How many steps were played, whenever it is time to look."""
    n_steps = track(
        islice(game, STEPS[-1]),
        f"{name} learns",
        STEPS[-1],
        console=Console(stderr=True),
        transient=True,
    )
    yield from (played for played, _ in enumerate(n_steps, 1) if played in STEPS)


@torch.no_grad()
def _measured(cost: Cost, model: Model, real: Batch, train: Tensor) -> float:
    """A cost, which leaves the random numbers of a training as they are."""
    model.eval()
    with seeded_rng(0):
        return cost(model, real, train)


def _begin(name: str) -> tuple[Model, Data, Data, float]:
    """A small model with what it learns from, what it is judged by, and the margin."""
    make = registry.load("models", name)
    own = lesson(make)
    known = {option.name for option in registry.options(make)}
    options = {k: v for k, v in {**SMALL, **own.options}.items() if k in known}
    refusals = []
    for kind, (make_source, margin) in _lessons(own).items():
        reader = registry.load("modalities", kind)
        heeded = {option.name for option in registry.options(reader.learn)}
        source = make_source()
        reading = make.defaults.data_options | ({"size": SIDE} if kind == "images" else {})
        modality = reader.learn(source, **{k: v for k, v in reading.items() if k in heeded})
        try:
            return build(name, options, modality), *modality.read(source).split(0.2), margin
        except InputError as refusal:
            refusals.append(str(refusal))
    raise InputError(f"{name} can be tried on nothing that ships: {'; '.join(refusals)}")


def _lessons(own: Lesson) -> dict[str, tuple[Callable[[], Any], float]]:
    """By modality, what to learn from, and the margin, as in `LESSONS`."""
    domains = own.domains
    return LESSONS if domains is None else {"images": (lambda: domains(_images()), own.margin)}


def _images() -> Tensor:
    """Grey images that ship with the package, (N, 1, SIDE, SIDE)."""
    reader = registry.load("modalities", "images")
    result: Tensor = reader.learn(FASHION, size=SIDE).read(FASHION).gather().x
    return result


def table(proofs: list[Proof]) -> Table:
    """Proofs as a table for people."""
    shown = Table(
        "model",
        "objective on held-out examples",
        "trained",
        "untrained",
        "baseline",
        "seconds",
        "learned",
    )
    for p in proofs:
        figures = (f"{value:.4g}" for value in (p.trained, p.untrained, p.baseline))
        shown.add_row(
            p.model, p.objective, *figures, f"{p.seconds:.1f}", "yes" if p.learned else "NO"
        )
    return shown
