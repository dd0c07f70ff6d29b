"""Restores: what damaged examples were before."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..core import Batch, Evidence, Space, seeded_rng
from ._base import (
    Ability,
    Baseline,
    ErrorMeasure,
    Preview,
    Signature,
    accepts_any_size,
    random_examples,
    squared_error,
)


def _rows(model: Any, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, ...]:
    """Examples damaged, every time alike, and restored, both shaped like x."""
    with seeded_rng(0):
        damaged = model.degrade(x)
    return damaged, model.restore(damaged).float()


def _learned_of_damage(model: Any) -> bool:
    return bool(model.degradation != "none")


def _error(model: Any, real: Batch, train: Tensor) -> float:
    return squared_error(_rows(model, real.x.to(model.device))[1].cpu(), real.x)


def _error_of_damaged(model: Any, real: Batch, train: Tensor) -> float:
    return squared_error(_rows(model, real.x.to(model.device))[0].cpu(), real.x)


def _identity(model: Any, evidence: Evidence, space: Space) -> Restores:
    return Identity(model)


class Restores(Ability):
    """Undoes damage."""

    space: Space

    degradation: str
    """The kind of damage it learned to undo; "none" where it learned of none."""

    any_size: ClassVar[bool] = False
    """Whether grids of any height and width can be restored, not only those of its space."""

    preview = Preview(
        "restorations",
        "Unseen images, damaged (above) and restored (below).",
        _rows,
        rank=1,
        examples=20,
        applies=_learned_of_damage,
    )
    error = ErrorMeasure("squared error, restored", _error, _error_of_damaged, rank=10)
    export = Signature(
        "denoiser",
        lambda model, x: {"restored": model.restore(x)},
        lambda model, n: {"x": random_examples(model.space, n)},
        rank=4,
        any_size=accepts_any_size,
        applies=_learned_of_damage,
    )
    baselines: ClassVar[Mapping[str, Baseline]] = {"identity": _identity}

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where it computes."""

    @abstractmethod
    def degrade(self, x: Tensor) -> Tensor:
        """Examples as the model saw them while it learned, shape like x; by torch's random
        numbers."""

    @abstractmethod
    def restore(self, x: Tensor) -> Tensor:
        """Whole examples of damaged ones, shape like x."""


class Identity(Restores):
    """Leaves the damage that a model undoes."""

    def __init__(self, model: Restores) -> None:
        self.model, self.space, self.degradation = model, model.space, model.degradation

    @property
    def device(self) -> torch.device:
        return self.model.device

    def degrade(self, x: Tensor) -> Tensor:
        return self.model.degrade(x)

    def restore(self, x: Tensor) -> Tensor:
        return x.clamp(-1, 1)
