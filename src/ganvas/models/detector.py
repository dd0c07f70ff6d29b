"""Detector: what lies apart, and what does not go together, by neighbours and denoising (Vincent et
al., 2008)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..core import Batch, Data, Defaults, InputError, Model, Scores, Space, Turn, seeded_generator
from ..nn.perceptron import residual
from ..nn.views import Cells, view
from ..runtime.errors import flag

NEIGHBOURS = 5
# power of a neighbour's own distances: 0 is a distance to neighbours, 1 all but a local outlier
# factor
LOCAL = 0.25
WEIGHT = 2 / 3  # of the distance; the rest is the error's
# of an error that is usual: columns that follow from others all but exactly do not drown all else
FLOOR = 0.1
SLOW = 0.99
AT_ONCE = 1024
LEAST = 1e-3
FARTHEST = 100.0  # deviations
ROOM = 2**24  # coordinates that are remembered, at most


class Habits(NamedTuple):
    """How much is made of denoising.

    members: Networks.
    groups: Places are hidden in so many groups, one after the other.
    partitions: Ways to make such groups.
    steps: Steps of training, at least.
    """

    members: int
    groups: int
    partitions: int
    steps: int


ROWS = Habits(members=2, groups=6, partitions=4, steps=600)
IMAGES = Habits(
    members=1, groups=3, partitions=1, steps=200
)  # each cell is told by its neighbours: less will do


class Detector(Model, Scores):
    """Two views of what is normal, each blind where the other sees; of a normal example either is
    about 1:

    score(x) = near(x)^(2/3) error(x)^(1/3)

    near: (mean distance of x to its five nearest normal examples / s^(1/4))^2, with s the mean
        distance of these to their own five: what lies apart is anomalous, the sooner where others
        lie close (local scales: Zelnik-Manor & Perona, 2004; all of s would make it the local
        outlier factor of Breunig et al., 2000).
    error: mean over places k of (x_k - f_k(x without k))^2 / (v_k + 0.1), with v_k what is usual
        there. Networks f are denoising autoencoders: they learn to say some of the places from the
        others (Vincent et al., 2008, masking). What does not go together is anomalous, however
        usual each part of it is.

    Numbers are standardised, images seen in cells: `ganvas.nets.views`. The weights of a run hold
    normal examples.

    Arguments:
        members: Networks whose errors are averaged; by default two, and one for images.
        width: Units of each hidden layer.
        depth: Residual blocks.
        memory: Normal examples that are remembered, at most; fewer where they are wide.

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
        seen, wide = self.view.seen, self.view.width
        room = min(memory, max(ROOM // wide, NEIGHBOURS + 1))
        self.groups = min(habits.groups, seen)
        # what is shown and which coordinates that are, to all coordinates
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
        """Takes examples (N, *space.shape) for normal: how they spread, and as many of them as
        there is room for."""
        x = x[: len(self.memory)]
        n, v = len(x), self.view(x)
        self.mean, self.deviation = v.mean(0), self.view.deviation(v)
        self.remembered.fill_(n)
        self.memory[:n] = self._standardised(x)
        if n > NEIGHBOURS:
            parts = self.memory[:n].split(AT_ONCE)
            own = torch.cat(
                [self._nearest(part, NEIGHBOURS + 1)[0][:, 1:].mean(1) for part in parts]
            )  # not itself
            self.usual_distance = own.mean().clamp(min=LEAST)
            self.scale[:n] = own / self.usual_distance + LEAST

    def turns(self, batch: Batch) -> Iterator[Turn]:
        v = self._standardised(batch.x)
        hidden = torch.rand(len(v), self.view.seen, device=v.device).argsort(1) % self.groups == 0
        errors = self._errors(v, hidden) * hidden
        robust = 2 * (
            (1 + errors).sqrt() - 1
        )  # beyond one deviation it grows as the distance, not as its square
        yield Turn("predictor", {"error": robust.mean() * self.groups})
        if self.training:
            told = errors.detach().mean(0).sum(0) / hidden.sum(0).clamp(min=1)
            self.usual = torch.where(hidden.any(0), told.lerp(self.usual, SLOW), self.usual)

    def score_with_attribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The score, and of it each place's share, as far as it makes the distance and the
        error."""
        v = self._standardised(x)
        near, apart = self._near(v)
        odd = self._odd(v)
        score = near**WEIGHT * odd.mean(1) ** (1 - WEIGHT)
        share = WEIGHT * _shares(apart) + (1 - WEIGHT) * _shares(odd)
        return score, self.view.shown(score.unsqueeze(1) * share)

    def _standardised(self, x: Tensor) -> Tensor:
        return ((self.view(x) - self.mean) / self.deviation).clamp(-FARTHEST, FARTHEST)

    def _near(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """near(x) of v (B, width), (B,); and what each place adds to the squared distances, (B,
        seen)."""
        k = min(NEIGHBOURS, int(self.remembered))
        if not k:
            return v.new_ones(len(v)), v.new_ones(len(v), self.view.seen)
        distance, index = self._nearest(v, k)
        local = self.scale[index].mean(1) ** LOCAL
        near = (distance.mean(1) / self.usual_distance / local).square()
        return near, self.view.joined((v.unsqueeze(1) - self.memory[index]).square().mean(1))

    def _nearest(self, v: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Distances and numbers of the k nearest examples that are remembered, each (B, k)."""
        nearest = torch.cdist(v, self.memory[: int(self.remembered)]).topk(k, 1, largest=False)
        return nearest.values, nearest.indices

    def _odd(self, v: Tensor) -> Tensor:
        """How far off each place is where it is predicted from others, in what is usual, (B,
        seen)."""
        total = v.new_zeros(len(v), self.view.seen)
        for group in self.group:
            for number in range(self.groups):
                hidden = (group == number).expand(len(v), -1)
                total += self._errors(v, hidden).mean(0) * hidden
        return total / len(self.group) / (self.usual + FLOOR)

    def _errors(self, v: Tensor, hidden: Tensor) -> Tensor:
        """Squared errors at each place, hidden, boolean (B, seen), or not, of each network,
        (members, B, seen)."""
        known = (~hidden)[:, self.view.owner]
        shown = torch.cat([v * known, known], 1)
        return torch.stack(
            [self.view.joined((member(shown).float() - v).square()) for member in self.predictor]
        )


def _shares(parts: Tensor) -> Tensor:
    """Parts (B, P) as shares of their sum."""
    return parts / parts.sum(1, keepdim=True).clamp(min=LEAST)
