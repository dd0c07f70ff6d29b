"""Detector: anomalies by nearest neighbours and denoising (Vincent et al., 2008)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..abilities import Scores
from ..core import Batch, Data, Defaults, InputError, Model, Space, Turn, seeded_generator
from ..nn.perceptron import residual
from ..nn.views import Cells, view
from ..runtime.errors import flag

NEIGHBOURS = 5
LOCAL = 0.25  # power of neighbours' own distances; with 1 it is nearly a local outlier factor
WEIGHT = 2 / 3  # of the distance; the rest is the error's
FLOOR = 0.1  # of the usual error, so that columns that nearly follow from others do not drown all
SLOW = 0.99  # decay of the average of usual errors
AT_ONCE = 1024
LEAST = 1e-3
FARTHEST = 100.0  # deviations
ROOM = 2**24  # coordinates of the memory, at most


class Schedule(NamedTuple):
    """How much denoising is trained and used.

    members: Networks.
    groups: Places are masked in so many groups, one after the other.
    partitions: Ways to make such groups.
    steps: Steps of training, at least.
    """

    members: int
    groups: int
    partitions: int
    steps: int


ROWS = Schedule(members=2, groups=6, partitions=4, steps=600)
IMAGES = Schedule(
    members=1, groups=3, partitions=1, steps=200
)  # each cell is told by its neighbours: less will do


class Detector(Model, Scores):
    """Two anomaly scores that complement each other, each about 1 for a normal example:

    score(x) = distance(x)^(2/3) error(x)^(1/3)

    distance: (mean distance of x to its five nearest normal examples / s^(1/4))^2, with s the mean
        distance of these to their own five: finds what lies apart, the sooner where others lie
        close (local scales: Zelnik-Manor & Perona, 2004; all of s would make it the local outlier
        factor of Breunig et al., 2000).
    error: mean over places k of (x_k - f_k(x without k))^2 / (v_k + 0.1), with v_k the usual
        squared error there. Networks f are denoising autoencoders: they learn to predict some of
        the places from the others (Vincent et al., 2008, masking). Finds values that do not go
        together, however usual each of them is.

    Numbers are standardised, images reduced to cells: `ganvas.nn.views`. The weights of a run hold
    normal examples.

    Arguments:
        members: Networks whose errors are averaged; by default two, and one for images.
        width: Units of each hidden layer.
        depth: Residual blocks.
        memory: Normal examples that are kept, at most; fewer where they are wide.

    Example: ganvas train detector payments.csv --out runs/detector-payments
    """

    players = {"predictor": partial(torch.optim.AdamW, lr=3e-3, weight_decay=0.01, fused=True)}
    defaults = Defaults(
        batch=512,
        epochs=10,
        steps=ROWS.steps,
        schedule="one-cycle",
        ema=0.0,
        early_stopping_metric="held_out/predictor/error",
        data_options={"numbers": "plain"},
    )

    group: Tensor
    mean: Tensor
    deviation: Tensor
    usual: Tensor
    memory: Tensor
    scale: Tensor
    usual_distance: Tensor
    remembered: Tensor

    def __init__(
        self,
        space: Space,
        *,
        members: int | None = None,
        width: int = 256,
        depth: int = 2,
        memory: int = 8192,
    ) -> None:
        super().__init__(space)
        self.view = view(space)
        habits = IMAGES if isinstance(self.view, Cells) else ROWS
        self.defaults = replace(self.defaults, steps=habits.steps)
        members = habits.members if members is None else members
        if members < 1 or memory <= NEIGHBOURS:
            raise InputError(
                f"{flag('members', members)} {flag('memory', memory)}: one member at least, and"
                f" {NEIGHBOURS + 1} examples"
            )
        seen, wide = self.view.n_places, self.view.width
        room = min(memory, max(ROOM // wide, NEIGHBOURS + 1))
        self.groups = min(habits.groups, seen)
        # from known coordinates, and which these are, to all coordinates
        self.predictor = nn.ModuleList(
            residual(2 * wide, width, depth, wide) for _ in range(members)
        )
        order = torch.stack(
            [
                torch.randperm(seen, generator=seeded_generator(seen, i))
                for i in range(habits.partitions)
            ]
        )
        self.register_buffer("group", order % self.groups, persistent=False)
        self.register_buffer("mean", torch.zeros(wide))
        self.register_buffer("deviation", torch.ones(wide))
        self.register_buffer("usual", torch.ones(seen))
        self.register_buffer("memory", torch.zeros(room, wide))
        self.register_buffer("scale", torch.ones(room))
        self.register_buffer("usual_distance", torch.ones(()))
        self.register_buffer("remembered", torch.zeros((), dtype=torch.int64))

    def batches(self, data: Data, size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        self.remember(data.gather(most=len(self.memory)).x.to(self.device))
        return super().batches(data, size, seed, start)

    @torch.no_grad()
    def remember(self, x: Tensor) -> None:
        """Keeps examples (N, *space.shape) as normal ones: their mean and deviation, and as many of
        them as there is room for."""
        x = x[: len(self.memory)]
        n, v = len(x), self.view(x)
        self.mean, self.deviation = v.mean(0), self.view.deviation(v)
        self.remembered.fill_(n)
        self.memory[:n] = self._standardise(x)
        if n > NEIGHBOURS:
            distances = []
            for part in self.memory[:n].split(AT_ONCE):
                nearest, _ = self._nearest(part, NEIGHBOURS + 1)
                distances.append(nearest[:, 1:].mean(1))  # not to itself
            own = torch.cat(distances)
            self.usual_distance = own.mean().clamp(min=LEAST)
            self.scale[:n] = own / self.usual_distance + LEAST

    def turns(self, batch: Batch) -> Iterator[Turn]:
        v = self._standardise(batch.x)
        hidden = (
            torch.rand(len(v), self.view.n_places, device=v.device).argsort(1) % self.groups == 0
        )
        errors = self._errors(v, hidden) * hidden
        # beyond one deviation it grows as the distance, not as its square
        robust = 2 * ((1 + errors).sqrt() - 1)
        yield Turn("predictor", {"error": robust.mean() * self.groups})
        if self.training:
            error = errors.detach().mean(0).sum(0) / hidden.sum(0).clamp(min=1)
            self.usual = torch.where(hidden.any(0), error.lerp(self.usual, SLOW), self.usual)

    def score_with_attribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The score, attributed to places by their shares of the distance and of the error."""
        v = self._standardise(x)
        distance, parts = self._distance(v)
        errors = self._prediction_error(v)
        score = distance**WEIGHT * errors.mean(1) ** (1 - WEIGHT)
        share = WEIGHT * _shares(parts) + (1 - WEIGHT) * _shares(errors)
        return score, self.view.to_places(score.unsqueeze(1) * share)

    def _standardise(self, x: Tensor) -> Tensor:
        return ((self.view(x) - self.mean) / self.deviation).clamp(-FARTHEST, FARTHEST)

    def _distance(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """distance(x) of v (B, width), (B,); and each place's part of the squared distances,
        (B, n_places)."""
        k = min(NEIGHBOURS, int(self.remembered))
        if not k:
            return v.new_ones(len(v)), v.new_ones(len(v), self.view.n_places)
        distance, index = self._nearest(v, k)
        local = self.scale[index].mean(1) ** LOCAL
        relative = (distance.mean(1) / self.usual_distance / local).square()
        return relative, self.view.sum_by_place(
            (v.unsqueeze(1) - self.memory[index]).square().mean(1)
        )

    def _nearest(self, v: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Distances and numbers of the k nearest examples of the memory, each (B, k)."""
        nearest = torch.cdist(v, self.memory[: int(self.remembered)]).topk(k, 1, largest=False)
        return nearest.values, nearest.indices

    def _prediction_error(self, v: Tensor) -> Tensor:
        """Squared error of each place, predicted from others, in units of the usual one,
        (B, n_places)."""
        total = v.new_zeros(len(v), self.view.n_places)
        for group in self.group:
            for number in range(self.groups):
                hidden = (group == number).expand(len(v), -1)
                total += self._errors(v, hidden).mean(0) * hidden
        return total / len(self.group) / (self.usual + FLOOR)

    def _errors(self, v: Tensor, hidden: Tensor) -> Tensor:
        """Squared errors of each network at each place, (members, B, n_places).

        hidden: Which places are masked, boolean (B, n_places).
        """
        known = (~hidden)[:, self.view.owner]
        shown = torch.cat([v * known, known], 1)
        return torch.stack(
            [
                self.view.sum_by_place((member(shown).float() - v).square())
                for member in self.predictor
            ]
        )


def _shares(parts: Tensor) -> Tensor:
    """Parts (B, P) as shares of their sum."""
    return parts / parts.sum(1, keepdim=True).clamp(min=LEAST)
