"""Detector: neighbours by local scale (Zelnik-Manor & Perona, 2004), and columns from columns (Vincent et al., 2008)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from ..core import Batch, Data, InputError, Model, Practice, Scores, Space, Turn, seeded
from ..nets.perceptron import Residual
from ..nets.views import view

NEIGHBOURS = 5
LOCAL = 0.25  # how much of a neighbour's own scale counts: none is a distance to neighbours, all of it a local outlier
GROUPS = 6  # places are hidden in so many groups, one after the other
PARTITIONS = 4  # ways to make such groups
WEIGHT = 2 / 3  # of the distance, the rest is the error's
FLOOR = 0.1  # of an error that is usual, where columns follow from others all but exactly
SLOW = 0.99
AT_ONCE = 1024
LEAST = 1e-3
FARTHEST = 100.0  # deviations
ROOM = 2**24  # coordinates that are remembered, at most


class Detector(Model, Scores):
    """Two views of what is normal; each sees what the other is blind to:

    score(x) = near(x)^(2/3) error(x)^(1/3), either being about 1 for what is normal

    near: mean over the five nearest of the normal examples n that are remembered, of |x - n|^2 / s(n)^(1/2), with s(n)
        the mean distance of n to its own five. What lies apart is strange, the sooner where the others lie close.
    error: mean over places k of (x_k - f_k(x without k))^2 / (v_k + 0.1), with v_k what is usual. Networks f are denoising
        autoencoders that learn to say a sixth of the places from the others. What does not go together is strange, however
        close each part of it is to what is normal.

    Numbers are standardised, pictures seen as `ganvas.nets.views.Cells`. The run keeps normal examples in its weights.

    Arguments:
        members: Networks whose predictions are averaged.
        width: Units of each hidden layer.
        depth: Residual blocks.
        memory: Normal examples that are remembered, at most; fewer where they are wide.
    """

    players = {"predictor": partial(torch.optim.AdamW, lr=3e-3, weight_decay=0.01, fused=True)}
    practice = Practice(
        batch=512,
        epochs=10,
        steps=600,
        schedule="one-cycle",
        average=0.0,
        decides="held_out/predictor/error",
        reading={"numbers": "plain"},
    )

    def __init__(self, space: Space, *, members: int = 2, width: int = 256, depth: int = 2, memory: int = 8192) -> None:
        super().__init__(space)
        self.view = view(space)
        n, wide = self.view.seen, self.view.width
        self.groups = min(GROUPS, n)
        if members < 1 or memory < NEIGHBOURS + 1:
            raise InputError(f"--members {members} --memory {memory}: one member at least, {NEIGHBOURS + 1} examples")
        self.predictor = nn.ModuleList(_network(wide, width, depth) for _ in range(members))
        order = torch.stack([torch.randperm(n, generator=seeded(n, i)) for i in range(PARTITIONS)])
        self.register_buffer("group", order % self.groups, persistent=False)
        self.register_buffer("mean", torch.zeros(wide))
        self.register_buffer("deviation", torch.ones(wide))
        self.register_buffer("usual", torch.ones(n))
        self.register_buffer("memory", torch.zeros(min(memory, max(ROOM // wide, NEIGHBOURS + 1)), wide))
        self.register_buffer("scale", torch.ones(len(self.memory)))
        self.register_buffer("usual_distance", torch.ones(()))
        self.register_buffer("remembered", torch.zeros((), dtype=torch.int64))

    def batches(self, data: Data, size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        self.remember(data.gather(most=len(self.memory)).x.to(self.device))
        return super().batches(data, size, seed, start)

    @torch.no_grad()
    def remember(self, x: Tensor) -> None:
        """Takes examples (N, *space.shape) for what is normal: how they spread, and each one, at most as many as fit."""
        v = self.view(x[: len(self.memory)])
        n, self.mean, self.deviation = len(v), v.mean(0), self.view.deviation(v)
        self.remembered.fill_(n)
        self.memory[:n] = self._standardised(x[:n])
        if n > NEIGHBOURS:
            parts = self.memory[:n].split(AT_ONCE)
            own = torch.cat([self._nearest(part, NEIGHBOURS + 1)[0][:, 1:].mean(1) for part in parts])
            self.usual_distance = own.mean()
            self.scale[:n] = own / own.mean().clamp(min=LEAST) + LEAST

    def turns(self, batch: Batch) -> Iterator[Turn]:
        v = self._standardised(batch.x)
        hidden = torch.rand(len(v), self.view.seen, device=v.device).argsort(1) % self.groups == 0
        errors = self._errors(v, hidden)
        robust = 2 * ((1 + errors).sqrt() - 1)  # beyond one deviation it grows with the distance, not with its square
        yield Turn("predictor", {"error": (robust * hidden).mean() * self.groups})
        if self.training:
            told = (errors * hidden).detach().mean(0).sum(0) / hidden.sum(0).clamp(min=1)
            self.usual = torch.where(hidden.any(0), told.lerp(self.usual, SLOW), self.usual)

    def weigh(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The score, about 1 for what is normal; each place's share of it, as far as it is to blame for either view."""
        v = self._standardised(x)
        far, apart = self._distance(v)
        odd = self._oddity(v)
        score = far**WEIGHT * odd.mean(1) ** (1 - WEIGHT)
        blame = WEIGHT * _shares(apart) + (1 - WEIGHT) * _shares(odd)
        return score, self.view.shown(score.unsqueeze(1) * blame)

    def _standardised(self, x: Tensor) -> Tensor:
        return ((self.view(x) - self.mean) / self.deviation).clamp(-FARTHEST, FARTHEST)

    def _distance(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """near(x) of v (B, width), (B,), and the squared distances that it is made of, (B, seen)."""
        k = min(NEIGHBOURS, int(self.remembered))
        if not k:
            return torch.ones(len(v), device=v.device), torch.ones(len(v), self.view.seen, device=v.device)
        distance, index = self._nearest(v, k)
        local = self.scale[index].mean(1) ** LOCAL
        near = (distance.mean(1) / local / self.usual_distance.clamp(min=LEAST)).square()
        return near, self.view.joined((v.unsqueeze(1) - self.memory[index]).square().mean(1))

    def _nearest(self, v: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Distances and numbers of the k nearest examples that are remembered, each (B, k)."""
        nearest = torch.cdist(v, self.memory[: int(self.remembered)]).topk(k, 1, largest=False)
        return nearest.values, nearest.indices

    def _oddity(self, v: Tensor) -> Tensor:
        """How much further off than usual each place is where it is predicted from others, (B, seen)."""
        total = torch.zeros(len(v), self.view.seen, device=v.device)
        for partition in self.group:
            for number in range(self.groups):
                hidden = (partition == number).expand(len(v), -1)
                total += self._errors(v, hidden).mean(0) * hidden
        return total / len(self.group) / (self.usual + FLOOR)

    def _errors(self, v: Tensor, hidden: Tensor) -> Tensor:
        """Squared errors of each network at each place, (members, B, seen), where some are hidden, boolean (B, seen)."""
        known = (~hidden)[:, self.view.owner]
        shown = torch.cat([v * known, known], 1)
        return torch.stack([self.view.joined((member(shown).float() - v).square()) for member in self.predictor])


def _network(wide: int, width: int, depth: int) -> nn.Module:
    """What is seen (B, wide) and which of it is, as often, to all of it (B, wide)."""
    blocks = [Residual(width) for _ in range(depth)]
    return nn.Sequential(nn.Linear(2 * wide, width), nn.SiLU(), *blocks, nn.SiLU(), nn.Linear(width, wide))


def _shares(parts: Tensor) -> Tensor:
    """Parts (B, P) as shares of their sum."""
    return parts / parts.sum(1, keepdim=True).clamp(min=LEAST)
