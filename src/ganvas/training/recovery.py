"""Treats a game that is ill: back to weights that were healthy, and one thing changed. A bounded
number of times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor

from ..core import Model
from ..runs.diagnosis import Diagnosis, Facts, Intervention, Remedy
from .engine import Engine

TRIES = 3
BEFORE = (
    100  # steps before the first sign of an illness that weights must be from to count as healthy
)
KEPT = 2  # sets of healthy weights: the newer may prove to be from too late


class RecoveryOrder(NamedTuple):
    """What is to be done after a step, in numbers, so that processes can tell each other.

    keep: 1 where the weights are healthy. number: of what is changed, from 1; 0 for nothing. back:
        step to go to.
    """

    keep: float = 0.0
    number: float = 0.0
    factor: float = 0.0
    least: float = 0.0
    most: float = 0.0
    back: float = 0.0


@dataclass
class Recovery:
    """What was done to a game so far, and what it can go back to.

    Arguments:
        engine: Plays the game.
        first: Makes the model as it was before the first step.
        interventions: Those that were made, oldest first.
        healthy_weights: Averaged weights by step, of steps in which nothing grave was wrong.
    """

    engine: Engine
    first: Callable[[], Model]
    interventions: list[Intervention] = field(default_factory=list)
    healthy_weights: dict[int, dict[str, Tensor]] = field(default_factory=dict)

    def decide(
        self, seen: Sequence[Diagnosis], keep: bool
    ) -> tuple[Diagnosis | None, RecoveryOrder]:
        """What to do about what is wrong: at most one thing. No diagnosis where there is nothing to
        do.

        keep: Whether the weights of this step are to be kept, if they are healthy.
        """
        if not seen or not any(diagnosis.grave for diagnosis in seen):
            return None, RecoveryOrder(keep=float(keep))
        for diagnosis in seen:
            remedy = (
                self._next(diagnosis)
                if diagnosis.grave and len(self.interventions) < TRIES
                else None
            )
            if remedy is not None:
                back = max(
                    (step for step in self.healthy_weights if step <= diagnosis.since - BEFORE),
                    default=0,
                )
                return diagnosis, RecoveryOrder(
                    0.0, self._names.index(remedy.what) + 1, *remedy[1:], back
                )
        return None, RecoveryOrder()

    def obey(self, order: RecoveryOrder, step: int, illness: str) -> Intervention | None:
        """Does what was decided; the same in every process."""
        if order.keep:
            weights = self.engine.ema_model.state_dict()
            self.healthy_weights[step] = {
                k: v.detach().to("cpu", copy=True) for k, v in weights.items()
            }
            for old in sorted(self.healthy_weights)[:-KEPT]:
                del self.healthy_weights[old]
        if not order.number:
            return None
        remedy = Remedy(self._names[int(order.number) - 1], order.factor, order.least, order.most)
        before = self._value(remedy.what)
        self._go_back(int(order.back))
        self.healthy_weights = {
            round: weights for round, weights in self.healthy_weights.items() if round <= order.back
        }
        self._change(remedy)
        self.interventions.append(
            Intervention(
                step, illness, remedy.what, before, self._value(remedy.what), int(order.back)
            )
        )
        return self.interventions[-1]

    def facts(self, batch: int) -> Facts:
        """What a history should know of the game, before its first step; batch: examples of a
        step."""
        model, teams = self.engine.model, self.engine.teams
        parameters = {player: sum(p.numel() for p in team) for player, team in teams.items()}
        sizes = {
            player: _size([p.detach() for p in team if p.dim() > 1])
            for player, team in teams.items()
        }
        codes, places = (model.hyperparameters.get(name, 0) for name in ("codes", "places"))
        return Facts(dict(self.engine.lr), sizes, parameters, int(min(codes, places * batch)))

    def state(self) -> dict[str, Any]:
        """What JSON needs to know to go on exactly."""
        changed = {"rates": self.engine.lr, "hyperparameters": self.engine.model.hyperparameters}
        return {"interventions": [treatment._asdict() for treatment in self.interventions]} | (
            changed if self.interventions else {}
        )

    def tensors(self) -> dict[str, Tensor]:
        """The healthy weights, by step and name."""
        return {
            f"{step}.{name}": value
            for step, weights in self.healthy_weights.items()
            for name, value in weights.items()
        }

    def restore(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Takes up what `state` and `tensors` gave."""
        self.interventions = [
            Intervention(**treatment) for treatment in state.get("interventions", [])
        ]
        self.engine.since = self.interventions[-1].step if self.interventions else 0
        self.engine.lr.update(state.get("rates", {}))
        for model in (self.engine.model, self.engine.ema_model):
            model.hyperparameters.update(state.get("hyperparameters", {}))
        self.healthy_weights = {}
        for key, value in tensors.items():
            step, _, name = key.partition(".")
            self.healthy_weights.setdefault(int(step), {})[name] = value

    def _next(self, diagnosis: Diagnosis) -> Remedy | None:
        """The first remedy that was not tried yet and that changes something."""
        tried = sum(treatment.kind == diagnosis.kind for treatment in self.interventions)
        fit = [r for r in diagnosis.remedies if r.what in self._names]
        left = [r for r in fit[tried:] if r.changed(self._value(r.what)) != self._value(r.what)]
        return left[0] if left else None

    @property
    def _names(self) -> list[str]:
        players = [f"lr.{player}" for player in self.engine.lr]
        return ["lr", *players, *sorted(self.engine.model.hyperparameters)]

    def _value(self, what: str) -> float:
        if what in self.engine.model.hyperparameters:
            return self.engine.model.hyperparameters[what]
        return self.engine.lr.get(what.removeprefix("lr."), max(self.engine.lr.values()))

    def _change(self, remedy: Remedy) -> None:
        if remedy.what in self.engine.model.hyperparameters:
            value = remedy.changed(self._value(remedy.what))
            for model in (self.engine.model, self.engine.ema_model):
                model.hyperparameters[remedy.what] = value
            return
        for player in self.engine.lr:
            if remedy.what in ("lr", f"lr.{player}"):
                self.engine.lr[player] = remedy.changed(self.engine.lr[player])

    def _go_back(self, step: int) -> None:
        """Gives both models healthy weights; optimizers forget, and averaging begins anew."""
        model = self.engine.model
        weights = self.healthy_weights.get(step) or {
            k: v for k, v in self.first().state_dict().items() if v.is_floating_point()
        }
        for one in (model, self.engine.ema_model):
            one.load_state_dict(one.state_dict() | weights)
        for optimizer in self.engine.optimizers.values():
            optimizer.state.clear()
        self.engine.since = model.step


def _size(weights: Sequence[Tensor]) -> float:
    """The root mean square of all numbers in weights; 0 where there are none."""
    return (
        sum(w.square().sum().item() for w in weights) / max(sum(w.numel() for w in weights), 1)
    ) ** 0.5
