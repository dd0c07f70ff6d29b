"""What metrics say of a model, each number beside its real-vs-real reference, its baselines and its
bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import pandas as pd
import torch
from rich.markup import escape
from rich.table import Table
from torch import Tensor

from ..abilities import Ability, Completes, Samples
from ..abilities.sampling import HeldSamples
from ..core import Batch, Estimate, Evidence, Measured, Model, Space, seeded_rng
from ..runtime import registry
from .verdict import verdict


@dataclass(frozen=True)
class Figure:
    """One number of a model, and the same number of real data and of baselines.

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
                {baseline: Estimate(**e) for baseline, e in f["beside"].items()},
            )
            for name, f in known["figures"].items()
        ]
        return cls(tuple(figures), tuple(known["notes"]))

    def groups(self) -> Iterator[tuple[list[str], list[Figure]]]:
        """Figures that stand beside the same baselines, with the baselines' names."""
        kinds = dict.fromkeys(tuple(figure.beside) for figure in self.figures)
        for baselines in kinds:
            yield (
                list(baselines),
                [figure for figure in self.figures if tuple(figure.beside) == baselines],
            )

    def table(self) -> Table:
        """The figures as a table for people."""
        shown = Table.grid()
        for sentence in self.verdict:
            shown.add_row(f"[bold]{escape(sentence)}")
        for baselines, figures in self.groups():
            group = Table("", "this model", "95 % interval", *baselines)
            for f in figures:
                beside = (format_number(f.beside[baseline].value) for baseline in baselines)
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

    def judged(ability: type[Ability]) -> tuple[object, Evidence]:
        if ability is Completes and coding and coding.completing:
            return coding.completing, evidence
        return (drawn, evidence) if ability is Samples else (model, own)

    @cache
    def baselines(ability: type[Ability]) -> Mapping[str, object]:
        return _baselines(ability, *judged(ability), space)

    for name in registry.fitting(model):
        watch(name.replace("_", " "))
        metric = registry.load("metrics", name)
        ability = registry.needs(metric)
        subject, seen = judged(ability)
        beside = {name: metric(one, seen) for name, one in baselines(ability).items()}
        figures += _figures(metric(subject, seen), beside)
    return tuple(figures), drawn.x if drawn else None


def _figures(measured: Measured, others: Mapping[str, Measured]) -> Iterator[Figure]:
    for name, value in measured.numbers.items():
        beside = {other: m.numbers[name] for other, m in others.items() if name in m.numbers}
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
def _draw(model: Samples, n: int, asked: Tensor | None, coding: Coding | None) -> HeldSamples:
    """The model's samples, drawn once for all metrics, and decoded where they are latents."""
    parts = [slice(start, min(start + 256, n)) for start in range(0, n, 256)]
    with seeded_rng(0):
        x = torch.cat(
            [
                model.sample(p.stop - p.start, None if asked is None else asked[p]).float()
                for p in parts
            ]
        )
    return HeldSamples(coding.decode(x).to(x.device) if coding else x, model.condition)


def _baselines(
    ability: type[Ability], model: object, evidence: Evidence, space: Space
) -> Mapping[str, object]:
    """The real-vs-real reference first, where that means something; then baselines of the same
    ability."""
    made = {name: make(model, evidence, space) for name, make in ability.baselines.items()}
    return {name: baseline for name, baseline in made.items() if baseline is not None}


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
