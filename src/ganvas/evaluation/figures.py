"""What metrics say of a model, each number beside its floor, its naive rivals and its bootstrap
interval."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from math import prod
from typing import Any

import pandas as pd
import torch
from rich.markup import escape
from rich.table import Table
from torch import Tensor

from ..core import (
    Autoencodes,
    Batch,
    Bounds,
    Completes,
    Continuous,
    Estimate,
    Evidence,
    Measured,
    Model,
    Predicts,
    Restores,
    Samples,
    Space,
    Tokens,
    Translates,
    Upscales,
    evenly_spaced,
    seeded_rng,
)
from ..runtime import registry
from .metrics._baselines import (
    Bicubic,
    BorderMean,
    Diffusion,
    Identity,
    IdentityTranslation,
    IndependentCoordinates,
    LastFrame,
    LinearExtrapolation,
    PrincipalComponents,
    RealTargets,
    TrainingSamples,
    sample_coordinates,
    shuffle_coordinates,
    with_noise,
)
from .verdict import verdict

Baselines = Mapping[str, object]


@dataclass(frozen=True)
class Figure:
    """One number of a model, and the same number of real data and of naive models.

    larger_is_better: None where neither is.
    beside: By name, what stands beside the model.
    """

    name: str
    value: Estimate
    larger_is_better: bool | None
    beside: Mapping[str, Estimate]


@dataclass(frozen=True)
class Evaluation:
    """A model judged.

    figures: What was measured.
    notes: What one must know to read them: counts, features, leaks.
    """

    figures: tuple[Figure, ...]
    notes: tuple[str, ...]

    @property
    def verdict(self) -> tuple[str, ...]:
        """What the figures say, in sentences: see `ganvas.verdict`."""
        return verdict(self.figures)

    def __getitem__(self, name: str) -> Estimate:
        return next(figure.value for figure in self.figures if figure.name == name)

    def to_json(self) -> dict[str, Any]:
        """Plain values: {"figures": {name: {"value": {"value", "low", "high"}, "beside": {...}}},
        "notes": [...], "verdict": [...]}."""
        figures = {f.name: asdict(f) for f in self.figures}
        return {"figures": figures, "notes": list(self.notes), "verdict": list(self.verdict)}

    @classmethod
    def from_json(cls, known: Mapping[str, Any]) -> Evaluation:
        """What `to_json` gave."""
        figures = [
            Figure(
                name,
                Estimate(**f["value"]),
                f["larger_is_better"],
                {rival: Estimate(**e) for rival, e in f["beside"].items()},
            )
            for name, f in known["figures"].items()
        ]
        return cls(tuple(figures), tuple(known["notes"]))

    def groups(self) -> Iterator[tuple[list[str], list[Figure]]]:
        """Figures that stand beside the same rivals, with the rivals' names."""
        kinds = dict.fromkeys(tuple(figure.beside) for figure in self.figures)
        for rivals in kinds:
            yield (
                list(rivals),
                [figure for figure in self.figures if tuple(figure.beside) == rivals],
            )

    def table(self) -> Table:
        """The figures as a table for people."""
        shown = Table.grid()
        for sentence in self.verdict:
            shown.add_row(f"[bold]{escape(sentence)}")
        for rivals, figures in self.groups():
            group = Table("", "this model", "95 % interval", *rivals)
            for f in figures:
                beside = (format_number(f.beside[rival].value) for rival in rivals)
                group.add_row(
                    f"{f.name} {direction_arrow(f)}",
                    format_number(f.value.value),
                    format_interval(f.value),
                    *beside,
                )
            shown.add_row(group)
        for note in self.notes:
            shown.add_row(note)
        return shown


@dataclass(frozen=True)
class Coding:
    """How examples are coded for a model that learned from their latents.

    train, held_out: Latents of the examples that it is judged by, in the same order.
    space: What the examples themselves are.
    decode: Latents (N, ...) to examples.
    completing: The model, as one that completes the examples themselves, where it can.
    """

    train: Batch
    held_out: Batch
    space: Space
    decode: Callable[[Tensor], Tensor]
    completing: Completes | None = None


def evaluate(
    model: Model,
    train: Batch,
    held_out: Batch,
    features: Callable[[Tensor], Tensor],
    classify: Callable[[Tensor], Tensor] | None,
    frame: Callable[[Tensor], pd.DataFrame | None],
    target: str | None,
    paired: bool,
    watch: Callable[[str], None],
    coding: Coding | None = None,
) -> tuple[tuple[Figure, ...], Tensor | None]:
    """Every metric whose ability the model has; and the samples it was judged by.

    watch: Told what is about to be measured.
    coding: Of a model of latents, how these are coded: samples, and what is filled in, are decoded
        and judged beside examples, all else is judged by the latents.
    """
    asked = _asked(model, held_out)
    evidence = Evidence(train, held_out, asked, features, classify, frame, target, paired)
    own = replace(evidence, train=coding.train, held_out=coding.held_out) if coding else evidence
    drawn = _draw(model, len(held_out), asked, coding) if isinstance(model, Samples) else None
    figures: list[Figure] = []
    space = coding.space if coding else model.space

    def judged(ability: type) -> tuple[object, Evidence]:
        if ability is Completes and coding and coding.completing:
            return coding.completing, evidence
        return (drawn, evidence) if ability is Samples else (model, own)

    rivals_of = cache(
        lambda ability: _rivals(ability, judged(ability)[0], space, judged(ability)[1])
    )
    for name in registry.fitting(model):
        watch(name.replace("_", " "))
        metric = registry.load("metrics", name)
        ability = registry.needs(metric)
        subject, seen = judged(ability)
        rivals = rivals_of(ability)
        figures += _figures(metric(subject, seen), {n: metric(r, seen) for n, r in rivals.items()})
    return tuple(figures), drawn.x if drawn else None


def _figures(measured: Measured, rivals: Mapping[str, Measured]) -> Iterator[Figure]:
    for name, value in measured.numbers.items():
        beside = {rival: m.numbers[name] for rival, m in rivals.items() if name in m.numbers}
        yield Figure(name, value, measured.larger_is_better[name], beside)


def _asked(model: Model, held_out: Batch) -> Tensor | None:
    """What samples are asked to be: what held-out examples are, or where nobody knows, every label
    in turn; no text."""
    if not isinstance(model, Samples) or model.condition is None:
        return None
    if held_out.y is not None:
        return held_out.y
    if model.condition.length > 1:
        return None
    return (
        torch.arange(len(held_out), device=held_out.x.device).unsqueeze(1)
        % model.condition.vocabulary
    )


@torch.no_grad()
def _draw(model: Samples, n: int, asked: Tensor | None, coding: Coding | None) -> TrainingSamples:
    """The model's samples, drawn once for all metrics, and decoded where they are latents."""
    parts = [slice(start, min(start + 256, n)) for start in range(0, n, 256)]
    with seeded_rng(0):
        x = torch.cat(
            [
                model.sample(p.stop - p.start, None if asked is None else asked[p]).float()
                for p in parts
            ]
        )
    return TrainingSamples(coding.decode(x).to(x.device) if coding else x, model.condition)


def _rivals(ability: type, model: object, space: Space, evidence: Evidence) -> Baselines:
    """Real data first, where that means something; then naive models of the same ability."""
    train = evidence.train.x
    if ability is Samples and isinstance(model, Samples):
        real = train[_matching(evidence)]
        rivals = {"real data": real}
        if isinstance(space, Continuous):
            rivals |= {
                "real with noise": with_noise(real),
                "per-pixel Gaussian": sample_coordinates(train, len(real)),
            }
        else:
            symbols = isinstance(space, Tokens) and not space.alphabets
            rivals |= {
                f"independent {'symbols' if symbols else 'columns'}": shuffle_coordinates(
                    real, space
                )
            }
        return {name: TrainingSamples(x, model.condition) for name, x in rivals.items()}
    if ability is Bounds and isinstance(model, Bounds):
        return {"independent coordinates": IndependentCoordinates(model.space, train)}
    if ability is Restores and isinstance(model, Restores):
        return {"left as it is": Identity(model)}
    if ability is Upscales and isinstance(model, Upscales):
        return {"bicubic": Bicubic(model)}
    if ability is Completes and isinstance(model, Completes):
        own = model.space
        images = isinstance(own, Continuous) and len(own.shape) == 3
        return (
            {"diffusion": Diffusion(own), "mean of the border": BorderMean(own)} if images else {}
        )
    if ability is Predicts and isinstance(model, Predicts):
        moving = {"as values changed last": LinearExtrapolation(model)} if model.given > 1 else {}
        return {"last frame again": LastFrame(model)} | moving
    if ability is Translates and isinstance(model, Translates):
        floor = {} if evidence.paired else {"real data": RealTargets(model, train)}
        return floor | {"left as it is": IdentityTranslation(model)}
    if ability is Autoencodes and isinstance(model, Autoencodes) and train.is_floating_point():
        latents = prod(model.encode(train[:1]).shape[1:])
        return {
            f"{latents} principal components": PrincipalComponents(train, latents),
            "mean": PrincipalComponents(train, 0),
        }
    return {}


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


def format_number(value: float) -> str:
    """Three or four digits, as people write them."""
    if abs(value) >= 100:
        return f"{value:,.1f}"
    return f"{value:.3g}" if abs(value) >= 0.001 or value == 0 else f"{value:.1e}"


def format_interval(estimate: Estimate) -> str:
    return f"{format_number(estimate.low)} … {format_number(estimate.high)}"


def direction_arrow(figure: Figure) -> str:
    """Which way is better."""
    return {True: "↑", False: "↓", None: ""}[figure.larger_is_better]
