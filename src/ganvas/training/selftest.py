"""Does it learn? A proof for each model, in seconds, on data that ships with the package.

Green tests do not show that a model learns: a training step that does nothing passes most of them.
Here the held-out objective must beat an untrained copy and a naive model by a stated margin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass
from itertools import islice
from time import perf_counter
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from ..core import (
    Autoencodes,
    Batch,
    Bounds,
    Completes,
    Compresses,
    Data,
    InputError,
    Model,
    Predicts,
    Restores,
    Samples,
    SamplesTokens,
    Scores,
    Stylises,
    Translates,
    Upscales,
    seeded_generator,
    seeded_rng,
    with_channels,
)
from ..data.samples import ADULT, FASHION
from ..data.samples.moving import moving_clothes
from ..nn.masks import draw_masks
from ..runs.run import build
from ..runtime import registry
from ..runtime.device import choose_device, choose_precision, prepare
from .engine import Engine

LESSONS: dict[str, tuple[Callable[[], Any], float]] = {
    "images": (lambda: FASHION, 0.75),
    "tables": (lambda: ADULT / "train.csv", 0.9),
    "videos": (moving_clothes, 0.7),
}
"""By modality, what to learn from; and what is left of the untrained copy's and of the naive
model's objective, at most, when a model has learned. Models learn the first that they take, those
that translate or stylise, of `OWN`."""

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

HASTY = 1e-3
"""The rate at which models translate that have little time to learn it: a step of theirs takes
several passes."""

SYMBOLS = {"width": 64, "depth": 2, "latent": 8}
"""The same of models that tell symbols one after another, and do as much at each place as others do
for an example."""


@dataclass(frozen=True)
class Proof:
    """What a model reached on held-out examples, beside its untrained copy and a naive model; lower
    is better."""

    model: str
    objective: str
    trained: float
    untrained: float
    naive: float
    seconds: float
    margin: float
    steps: int

    @property
    def learned(self) -> bool:
        return self.trained < self.margin * min(self.untrained, self.naive)

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
        words, _, cost, naive = objective(model)
        real, train = held.gather(), learn.gather().x
        before, beside = _told(cost, model, real, train), naive(model, real, train)
        rates = dict.fromkeys(model.players, HASTY) if isinstance(model, Translates) else {}
        engine = Engine(
            deepcopy(model), lr=rates, ema=0.99, precision=choose_precision("auto", device)
        )
        game = engine.steps(
            b.to(device) for b in engine.model.batches(learn, min(model.defaults.batch, 64), 0)
        )
        for played in _played(game, name):
            after = _told(cost, engine.ema_model, real, train)
            proof = Proof(
                name, words, after, before, beside, perf_counter() - start, margin, played
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
def _told(cost: Cost, model: Model, real: Batch, train: Tensor) -> float:
    """A cost, which leaves the random numbers of a training as they are."""
    model.eval()
    with seeded_rng(0):
        return cost(model, real, train)


def _begin(name: str) -> tuple[Model, Data, Data, float]:
    """A small model with what it learns from, what it is judged by, and the margin."""
    make = registry.load("models", name)
    known = {option.name for option in registry.options(make)}
    small = SMALL | (SYMBOLS if issubclass(make, SamplesTokens) else {})
    options = {k: v for k, v in small.items() if k in known}
    refusals = []
    lessons = next(
        (lesson for ability, lesson in OWN.items() if issubclass(make, ability)), LESSONS
    )
    for kind, (make_source, margin) in lessons.items():
        reader = registry.load("modalities", kind)
        own = {option.name for option in registry.options(reader.learn)}
        source = make_source()
        reading = make.defaults.reading | ({"size": SIDE} if kind == "images" else {})
        modality = reader.learn(source, **{k: v for k, v in reading.items() if k in own})
        try:
            return build(name, options, modality), *modality.read(source).split(0.2), margin
        except InputError as refusal:
            refusals.append(str(refusal))
    raise InputError(f"{name} can be tried on nothing that ships: {'; '.join(refusals)}")


def _two_domains() -> dict[str, Tensor]:
    """Images and what they shall become."""
    reader = registry.load("modalities", "images")
    x = reader.learn(FASHION, size=SIDE).read(FASHION).gather().x
    return {"grey": x, "recoloured": recoloured(x)}


def _two_palettes() -> dict[str, Tensor]:
    """Grey images as colours, and images each in one of two sets of colours, fire and ice."""
    grey = _two_domains()["grey"]
    made = torch.cat([grey, 0.6 * grey - 0.2, 0.2 * grey - 0.7], 1)
    made[::2] = made[::2].flip(1)
    return {"grey": with_channels(grey, 3), "palettes": made}


OWN: dict[type, dict[str, tuple[Callable[[], Any], float]]] = {
    Translates: {"images": (_two_domains, 0.7)},
    Stylises: {"images": (_two_palettes, 0.7)},
}
"""What models with an ability learn instead."""


def recoloured(x: Tensor) -> Tensor:
    """Grey images (B, 1, H, W) in colours from dark blue to yellow, (B, 3, H, W)."""
    return torch.cat([x, 0.5 * x - 0.1, -0.6 * x - 0.2], 1)


Cost = Callable[[Any, Batch, Tensor], float]
"""What held-out examples cost a model, or cost with no network at all, that learned from others,
(N, *space.shape)."""


class Objective(NamedTuple):
    """By what models with an ability are judged here: in words, the ability, what it costs, and
    with no network."""

    words: str
    ability: type
    cost: Cost
    naive: Cost


def objective(model: Model) -> Objective:
    """The first that fits. A score says whether a model learned only where it is the cost of an
    example."""
    return next(one for one in OBJECTIVES if isinstance(model, one.ability))


def _score(model: Any, real: Batch, train: Tensor) -> float:
    return model.score(real.x.to(model.device)).mean().item()


def _marginal_score(model: Model, real: Batch, train: Tensor) -> float:
    raw = model.space.marginal(train)
    return model.space.nll(raw.expand(len(real), *raw.shape[1:]), real.x).mean().item()


def _translated(model: Any, real: Batch, train: Tensor) -> float:
    assert real.y is not None, "a model that translates is given what from"
    made = torch.cat([model.translate(y.to(model.device)).float().cpu() for y in real.y.split(64)])
    return _error(made, recoloured(real.y))


def _left_grey(model: Any, real: Batch, train: Tensor) -> float:
    assert real.y is not None, "a model that translates is given what from"
    return _error(with_channels(real.y, 3), recoloured(real.y))


def _stylised(model: Any, real: Batch, train: Tensor) -> float:
    assert real.y is not None, "a model that stylises is given what"
    batches = zip(real.y.split(64), real.x.split(64), strict=True)
    made = torch.cat(
        [model.stylise(y.to(model.device), x.to(model.device)).float().cpu() for y, x in batches]
    )
    return _error(made, _in_style(real.y, real.x))


def _left_unstyled(model: Any, real: Batch, train: Tensor) -> float:
    assert real.y is not None, "a model that stylises is given what"
    return _error(real.y, _in_style(real.y, real.x))


def _in_style(y: Tensor, x: Tensor) -> Tensor:
    """Images y whose colours have the mean and the deviation that those of x have (after Reinhard
    et al., 2001)."""
    (deviation, mean), (wanted, middle) = (
        torch.std_mean(part, (2, 3), keepdim=True) for part in (y, x)
    )
    return wanted * (y - mean) / (deviation + 1e-3) + middle


def _predicted(model: Any, real: Batch, train: Tensor) -> float:
    return _error(model.continued(real.x.to(model.device)).cpu(), real.x)


def _standing(model: Any, real: Batch, train: Tensor) -> float:
    return _error(real.x[:, :, torch.arange(real.x.shape[2]).clamp(max=model.given - 1)], real.x)


def _reconstructed(model: Any, real: Batch, train: Tensor) -> float:
    return _error(model.decode(model.encode(real.x.to(model.device))).cpu(), real.x)


def _mean(model: Model, real: Batch, train: Tensor) -> float:
    return _error(model.space.mean(model.space.marginal(train)), real.x)


def _anomaly_score(model: Any, real: Batch, train: Tensor) -> float:
    anomalous, usual = (
        model.score(x.to(model.device)).mean().item() for x in (_shuffled(real.x), real.x)
    )
    return usual / anomalous


def _enlarged(model: Any, real: Batch, train: Tensor) -> float:
    *_, after, whole = model.shown(real.x.to(model.device))
    return _error(after, whole)


def _bicubic(model: Any, real: Batch, train: Tensor) -> float:
    _, bicubic, _, whole = model.shown(real.x.to(model.device))
    return _error(bicubic, whole)


def _completed(model: Any, real: Batch, train: Tensor) -> float:
    x, known = (part.to(model.device) for part in (real.x, _known(real.x)))
    return _error(model.complete(x, known).cpu(), real.x)


def _mean_in_holes(model: Model, real: Batch, train: Tensor) -> float:
    return _error(
        torch.where(_known(real.x), real.x, model.space.mean(model.space.marginal(train))), real.x
    )


def _restored(model: Any, real: Batch, train: Tensor) -> float:
    return _error(model.shown(real.x.to(model.device))[1].cpu(), real.x)


def _damaged(model: Any, real: Batch, train: Tensor) -> float:
    return _error(model.shown(real.x.to(model.device))[0].cpu(), real.x)


def _sampled(model: Any, real: Batch, train: Tensor) -> float:
    made = model.sample(len(real), real.y if model.condition else None)
    return _distance(made.cpu().float(), real.x, train)


def _shuffled_distance(model: Model, real: Batch, train: Tensor) -> float:
    return _distance(_shuffled(train)[: len(real)], real.x, train)


OBJECTIVES = (
    Objective("squared error, translated", Translates, _translated, _left_grey),
    Objective("squared error to the colours of another", Stylises, _stylised, _left_unstyled),
    Objective("-log likelihood, or a bound", Bounds, _score, _marginal_score),
    Objective(
        "cost of packing", Compresses, _score, _marginal_score
    ),  # its transforms give all back from the first
    Objective("squared error of the frames that follow", Predicts, _predicted, _standing),
    Objective("squared error of reconstruction", Autoencodes, _reconstructed, _mean),
    Objective(
        "how anomalous examples are, beside shuffled ones", Scores, _anomaly_score, lambda *_: 1.0
    ),
    Objective("squared error, enlarged", Upscales, _enlarged, _bicubic),
    Objective("squared error in masked regions", Completes, _completed, _mean_in_holes),
    Objective("squared error, restored", Restores, _restored, _damaged),
    Objective("Fréchet distance of 32 components", Samples, _sampled, _shuffled_distance),
)


def _known(x: Tensor) -> Tensor:
    """Where images have no masked region, always the same, boolean, like x."""
    with seeded_rng(0):
        return ~draw_masks(x).expand_as(x)


def _shuffled(x: Tensor) -> Tensor:
    """Examples (N, ...) with each coordinate that of another example: independent of each other."""
    order = torch.rand(x.flatten(1).shape, generator=seeded_generator(0)).argsort(0)
    return x.flatten(1).gather(0, order).view_as(x)


def _error(made: Tensor, x: Tensor) -> float:
    """Squared error of an example, on average."""
    return (made - x).square().flatten(1).sum(1).mean().item()


def _distance(a: Tensor, b: Tensor, train: Tensor) -> float:
    """Fréchet distance of Gaussians fitted to the first 32 principal components of the training
    images."""
    flat = train.flatten(1).double()
    components = torch.linalg.svd(flat - flat.mean(0), full_matrices=False).Vh[:32].T
    p, q = (x.flatten(1).double() @ components for x in (a, b))
    s, t = p.T.cov(), q.T.cov()
    root = torch.linalg.eigvals(s @ t).real.clamp(min=0).sqrt().sum()
    return ((p.mean(0) - q.mean(0)).square().sum() + s.trace() + t.trace() - 2 * root).item()


def table(proofs: list[Proof]) -> Table:
    """Proofs as a table for people."""
    shown = Table(
        "model",
        "objective on held-out examples",
        "trained",
        "untrained",
        "naive",
        "seconds",
        "learned",
    )
    for p in proofs:
        figures = (f"{value:.4g}" for value in (p.trained, p.untrained, p.naive))
        shown.add_row(
            p.model, p.objective, *figures, f"{p.seconds:.1f}", "yes" if p.learned else "NO"
        )
    return shown
