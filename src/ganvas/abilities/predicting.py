"""Predicts: the frames that follow the first ones."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..core import Batch, Evidence, InputError, Space
from ._base import (
    Baseline,
    ErrorMeasure,
    Given,
    Preview,
    Signature,
    in_full_precision,
    random_examples,
    squared_error,
)
from .completing import Completes


def _rows(model: Any, x: Tensor, y: Tensor | None) -> tuple[Tensor, ...]:
    return x, in_full_precision(model.continued(x))


def _error(model: Any, real: Batch, train: Tensor) -> float:
    return squared_error(model.continued(real.x.to(model.device)).cpu(), real.x)


def _error_of_the_last_frame(model: Any, real: Batch, train: Tensor) -> float:
    frames = torch.arange(real.x.shape[2]).clamp(max=model.given - 1)
    return squared_error(real.x[:, :, frames], real.x)


def _first_frames(model: Any, n: int) -> Given:
    return {"seen": random_examples(model.space, n)[:, :, : model.given]}


def _last_frame(model: Any, evidence: Evidence, space: Space) -> Predicts:
    return LastFrame(model)


def _linear_extrapolation(model: Any, evidence: Evidence, space: Space) -> Predicts | None:
    return LinearExtrapolation(model) if model.given > 1 else None


class Predicts(Completes):
    """Predicts how examples that lie in time, (C, T, H, W), go on after their first frames."""

    given: int
    """How many frames it goes on from."""

    preview = Preview(
        "predictions",
        "Unseen videos (above), and how the model goes on after their first frames (below).",
        _rows,
        rank=3,
    )
    error = ErrorMeasure(
        "squared error of the frames that follow", _error, _error_of_the_last_frame, rank=5
    )
    export = Signature(
        "predictor",
        lambda model, seen: {"following": model.predict(seen)},
        _first_frames,
        rank=6,
    )
    baselines: ClassVar[Mapping[str, Baseline]] = {
        "last frame": _last_frame,
        "linear extrapolation": _linear_extrapolation,
    }

    @abstractmethod
    def predict(self, seen: Tensor) -> Tensor:
        """The frames (B, C, T - given, H, W) that follow the first ones, (B, C, given, H, W)."""

    def complete(
        self, x: Tensor, known: Tensor, allowed: Mapping[int, Tensor] | None = None
    ) -> Tensor:
        """As in `Completes`. Raises InputError where a value of the frames that it goes on from is
        not known."""
        if not known[:, :, : self.given].all():
            raise InputError(
                f"this model goes on from {self.given} frames; let it know that many, or train"
                " another"
            )
        return torch.where(known, x, self.continued(x))

    def continued(self, x: Tensor) -> Tensor:
        """Examples with all but the frames that it goes on from made anew, shape like x."""
        seen = x[:, :, : self.given]
        return torch.cat([seen, self.predict(seen).to(x.dtype)], 2)


class LastFrame(Predicts):
    """The last frame that was seen, again and again."""

    def __init__(self, model: Predicts) -> None:
        self.space, self.given = model.space, model.given
        self.following = model.space.shape[1] - model.given

    def predict(self, seen: Tensor) -> Tensor:
        return seen[:, :, -1:].expand(-1, -1, self.following, -1, -1)


class LinearExtrapolation(Predicts):
    """Every value goes on changing as it did between the last two frames that were seen."""

    def __init__(self, model: Predicts) -> None:
        self.space, self.given = model.space, model.given
        self.ahead = torch.arange(1, model.space.shape[1] - model.given + 1).view(-1, 1, 1)

    def predict(self, seen: Tensor) -> Tensor:
        last, change = seen[:, :, -1:], seen[:, :, -1:] - seen[:, :, -2:-1]
        return (last + self.ahead.to(seen.device) * change).clamp(-1, 1)
