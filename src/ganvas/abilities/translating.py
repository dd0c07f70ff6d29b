"""Translates: examples of one domain become counterparts in another."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..core import Batch, Evidence, Space
from ..core.images import with_channels, with_same_channels
from ._base import (
    Ability,
    Baseline,
    ErrorMeasure,
    Lesson,
    Preview,
    Signature,
    accepts_any_size,
    random_examples,
    squared_error,
)


def _rows(model: Any, x: Tensor, y: Tensor | None) -> list[Tensor]:
    """Examples y of the first domain and what becomes of them; then, of a model that goes back, x
    likewise."""
    if y is None:
        return []
    back = (x, model.translate(x, back=True).float()) if model.both_ways else ()
    return with_same_channels(y, model.translate(y).float(), *back)


def recoloured(x: Tensor) -> Tensor:
    """Grey images (B, 1, H, W) in colours from dark blue to yellow, (B, 3, H, W)."""
    return torch.cat([x, 0.5 * x - 0.1, -0.6 * x - 0.2], 1)


def _two_domains(x: Tensor) -> Mapping[str, Tensor]:
    """Images and what they shall become."""
    return {"grey": x, "recoloured": recoloured(x)}


def _error(model: Any, real: Batch, train: Tensor) -> float:
    assert real.y is not None, "a model that translates is given what from"
    made = torch.cat([model.translate(y.to(model.device)).float().cpu() for y in real.y.split(64)])
    return squared_error(made, recoloured(real.y))


def _error_of_grey(model: Any, real: Batch, train: Tensor) -> float:
    assert real.y is not None, "a model that translates is given what from"
    return squared_error(with_channels(real.y, 3), recoloured(real.y))


def _real(model: Any, evidence: Evidence, space: Space) -> Translates | None:
    """Real examples of the second domain, where they are not what each example should become."""
    return None if evidence.paired else RealTargets(model, evidence.train.x)


def _identity(model: Any, evidence: Evidence, space: Space) -> Translates:
    return IdentityTranslation(model)


class Translates(Ability):
    """Maps examples of one domain, the condition of the data, to counterparts in another, its
    space; some also back."""

    space: Space

    condition: Space
    """What an example of the first domain is."""

    both_ways: ClassVar[bool] = False
    """Whether it also goes back."""

    any_size: ClassVar[bool] = False
    """Whether grids of any height and width can be translated, not only those of its spaces."""

    preview = Preview(
        "translations",
        "Unseen images of the first domain (above) and what became of them (below); of a model"
        " that goes both ways, then the same of the second domain.",
        _rows,
        rank=6,
    )
    lesson = Lesson(_two_domains, margin=0.7, lr=1e-3)
    """A step takes several passes, so that there is time for few."""

    error = ErrorMeasure("squared error, translated", _error, _error_of_grey, rank=1)
    export = Signature(
        "translator",
        lambda model, y: {"x": model.translate(y)},
        lambda model, n: {"y": random_examples(model.condition, n)},
        rank=2,
        any_size=accepts_any_size,
    )
    baselines: ClassVar[Mapping[str, Baseline]] = {
        "real data": _real,
        "identity": _identity,
    }

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where it computes."""

    @abstractmethod
    def translate(self, x: Tensor, back: bool = False) -> Tensor:
        """Counterparts of examples (B, ...) of the first domain, or with `back` of the second: (B,
        ...) in [-1, 1]."""


class IdentityTranslation(Translates):
    """Leaves images as they are, but for how many channels they have."""

    def __init__(self, model: Translates) -> None:
        self.model, self.space, self.condition = model, model.space, model.condition

    @property
    def device(self) -> torch.device:
        return self.model.device

    def translate(self, x: Tensor, back: bool = False) -> Tensor:
        return with_channels(x, (self.condition if back else self.space).shape[0])


class RealTargets(Translates):
    """Gives back examples of the second domain that it holds, whatever it is given."""

    def __init__(self, model: Translates, x: Tensor) -> None:
        self.model, self.space, self.condition = model, model.space, model.condition
        self.x, self.at = x, 0

    @property
    def device(self) -> torch.device:
        return self.model.device

    def translate(self, x: Tensor, back: bool = False) -> Tensor:
        self.at += len(x)
        return self.x[torch.arange(self.at - len(x), self.at) % len(self.x)]
