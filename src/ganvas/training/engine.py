"""The one training engine. It knows steps and turns, and nothing about any model or kind of
data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from copy import deepcopy
from itertools import islice
from math import cos, inf, pi
from typing import Any

import torch
from torch import Tensor, nn

from ..core import Batch, Model, Turn
from ..runtime import distributed

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda t: 1.0,
    "linear": lambda t: min(1.0, 2 * (1 - t)),  # second half, as in Zhu et al. (2017)
    "cosine": lambda t: (1 + cos(pi * t)) / 2,
    "one-cycle": lambda t: min(t / 0.1, (1 + cos(pi * max(t - 0.1, 0) / 0.9)) / 2) + 1e-3,
}
"""Share of the learning rate to use once a share t of the training is done."""


class Engine:
    """Plays steps of a model's game, stepping each player's optimizer as its turn comes.

    Arguments:
        model: Whose game is played.
        lr: Learning rates by player, where they differ from the model's own.
        accumulate: Micro-batches whose gradients are averaged before each step.
        clip: Gradient norm that no player exceeds.
        ema: Decay of the exponential moving average of the weights, `ema_model`; zero keeps none.
        precision: Type in which networks compute (autocast); None for that of their weights.
    """

    def __init__(
        self,
        model: Model,
        *,
        lr: Mapping[str, float] | None = None,
        accumulate: int = 1,
        clip: float = inf,
        ema: float = 0.0,
        precision: torch.dtype | None = None,
    ) -> None:
        self.model, self.accumulate, self.clip, self.precision = model, accumulate, clip, precision
        self.teams = {player: model.team(player) for player in model.players}
        chosen = {player: {"lr": rate} for player, rate in (lr or {}).items()}
        self.optimizers = {
            player: make(self.teams[player], **chosen.get(player, {}))
            for player, make in model.players.items()
        }
        self.lr: dict[str, float] = {
            player: optimizer.param_groups[0]["lr"] for player, optimizer in self.optimizers.items()
        }
        self.since = 0
        self.decay = ema
        self.ema_model = deepcopy(model).requires_grad_(False).eval() if ema else model

    def steps(self, batches: Iterable[Batch]) -> Iterator[dict[str, Tensor]]:
        """Plays for as long as it is asked. Each value is a finished step's terms and notes, still
        on the device."""
        batches = iter(batches)
        while micro := list(islice(batches, self.accumulate)):
            self.model.train()
            self.model.step += 1
            games = [self.model.turns(batch) for batch in micro]
            log: dict[str, Tensor] = {}
            while turns := self._next_turns(games):
                player = _player(turns, len(games))
                log |= _report(turns) | {f"{player}/gradient": self._step_optimizer(player)}
            self._update_ema()
            yield log

    @torch.no_grad()
    def evaluate(self, batches: Iterable[Batch]) -> dict[str, Tensor]:
        """Losses and notes of the averaged weights, without learning, averaged over batches."""
        self.ema_model.eval()
        self.ema_model.step = self.model.step
        reports: list[dict[str, Tensor]] = []
        for batch in batches:
            report: dict[str, Tensor] = {}
            with self._autocast():
                for turn in self.ema_model.turns(batch):
                    report |= _report([turn])
            reports.append(report)
        if not reports:
            return {}
        return {name: torch.stack([r[name] for r in reports]).mean() for name in reports[0]}

    def set_lr_factor(self, share: float) -> None:
        """Sets every player's learning rate to this share of its own: what a schedule says."""
        for player, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = self.lr[player] * share

    def _next_turns(self, games: Iterable[Iterator[Turn]]) -> list[Turn]:
        """The next turn of each game that is not over."""
        turns = [self._play_turn(game) for game in games]
        return [turn for turn in turns if turn is not None]

    def _play_turn(self, game: Iterator[Turn]) -> Turn | None:
        """Lets one game come to its next turn, and computes the gradients of that turn's player
        alone."""
        with self._autocast():
            turn = next(game, None)
            if turn is None:
                return None
            loss: Any = sum(turn.loss.values())
        if self.accumulate > 1:
            loss = loss / self.accumulate
        loss.backward(inputs=self.teams[turn.player])
        return turn

    def _step_optimizer(self, player: str) -> Tensor:
        """Steps a player's optimizer; the norm of its gradient before it was clipped."""
        team, optimizer = self.teams[player], self.optimizers[player]
        gradients = [p.grad for p in team if p.grad is not None]
        distributed.average(gradients)
        norm = nn.utils.get_total_norm(gradients)
        if self.clip < inf:
            nn.utils.clip_grads_with_norm_(team, self.clip, norm)
        optimizer.step()
        optimizer.zero_grad()
        return norm

    @torch.no_grad()
    def _update_ema(self) -> None:
        """Moves the averaged weights towards the model's, faster in the first steps after
        `since`."""
        if self.ema_model is self.model:
            return
        age = self.model.step - self.since
        decay = min(self.decay, age / (age + 10))
        slow: list[Tensor] = list(self.ema_model.parameters())
        fast: list[Tensor] = list(self.model.parameters())
        torch._foreach_lerp_(slow, fast, 1 - decay)
        for ours, theirs in zip(self.ema_model.buffers(), self.model.buffers(), strict=True):
            ours.lerp_(theirs, 1 - decay) if ours.is_floating_point() else ours.copy_(theirs)

    def _autocast(self) -> Any:
        if self.precision is None:
            return nullcontext()
        return torch.autocast(next(iter(self.teams.values()))[0].device.type, self.precision)

    def state(self) -> dict[str, Tensor]:
        """What the optimizers remember, one tensor a name: {"generator.3.exp_avg": ...}."""
        state = {}
        for player, optimizer in self.optimizers.items():
            for number, parameter in enumerate(self.teams[player]):
                for name, value in optimizer.state[parameter].items():
                    state[f"{player}.{number}.{name}"] = value
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Takes up what `state` gave. Each memory gets the layout of the parameter it belongs
        to."""
        for key, value in state.items():
            player, number, name = key.split(".")
            parameter = self.teams[player][int(number)]
            like = parameter if value.shape == parameter.shape else value
            self.optimizers[player].state[parameter][name] = torch.empty_like(like).copy_(value)


def _player(turns: list[Turn], games: int) -> str:
    """Whose turn it is; micro-batches must agree, so what a model yields may depend on the step
    alone."""
    players = {turn.player for turn in turns}
    if len(players) > 1 or len(turns) < games:
        raise RuntimeError(
            f"micro-batches fell out of step at {sorted(players)}: a turn depends on more than the"
            " step"
        )
    return players.pop()


def _report(turns: list[Turn]) -> dict[str, Tensor]:
    """Averages terms and notes over micro-batches: {"discriminator/real": ...}."""
    terms = [{**turn.loss, **turn.notes} for turn in turns]
    return {
        f"{turns[0].player}/{name}": torch.stack([t[name].detach() for t in terms]).mean()
        for name in terms[0]
    }
