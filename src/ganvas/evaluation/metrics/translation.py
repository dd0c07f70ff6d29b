"""Whether images arrive in the other domain, and what survives the way (Heusel et al., 2017; Zhu
et al., 2017)."""

from __future__ import annotations

import torch
from torch import Tensor

from ...abilities import Translates
from ...core import Evidence, Measured
from ...core.statistics import bootstrap_distance, bootstrap_mean, frechet_distance
from ._image_similarity import image_similarity
from .frechet import kernel_distance


def translation(model: Translates, evidence: Evidence) -> Measured:
    """Held-out examples of the first domain, translated: beside their counterparts in the second,
    where they have any; else as sets, by the distances of `frechet`, and from a model that goes
    back, beside what comes back."""
    x, y = evidence.held_out.x, evidence.held_out.y
    if y is None:
        return Measured({}, {})
    if evidence.paired:
        return _beside_the_truth(_all(model, y), x)
    y = y.unique(dim=0)
    made = _all(model, y)
    real, features = evidence.features(x.unique(dim=0)).double(), evidence.features(made).double()
    numbers = {
        "Fréchet distance, translated": bootstrap_distance(frechet_distance, real, features),
        "kernel distance × 1000, translated": bootstrap_distance(
            lambda a, b: 1000 * kernel_distance(a, b), real, features
        ),
    }
    better: dict[str, bool | None] = dict.fromkeys(numbers, False)
    if model.both_ways:
        again = image_similarity(_all(model, made, back=True), y)
        numbers |= {f"{name}, there and back": again[name] for name in again}
        better |= {f"{name}, there and back": "error" not in name for name in again}
    return Measured(numbers, better)


def _beside_the_truth(made: Tensor, x: Tensor) -> Measured:
    numbers = {
        "absolute error": bootstrap_mean((made - x).abs().flatten(1).mean(1))
    } | image_similarity(made, x)
    numbers = {f"{name}, translated": value for name, value in numbers.items()}
    return Measured(numbers, {name: "error" not in name for name in numbers})


@torch.no_grad()
def _all(model: Translates, x: Tensor, back: bool = False) -> Tensor:
    return torch.cat([model.translate(part, back).float() for part in x.split(64)])
