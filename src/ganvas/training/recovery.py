"""Recovery from a grave diagnosis: back to weights from before it, and one thing changed. A bounded
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
BEFORE = 100  # steps that weights must be older than the first sign of a diagnosis
KEPT = 2  # recovery points: the newer may prove to be from too late


class RecoveryOrder(NamedTuple):
    """What is to be done after a step, in numbers, so that processes can send it to each other.

    keep: 1 where the weights of this step become a recovery point.
    number: Of what is changed, from 1; 0 for nothing.
    factor, least, most: As in `Remedy`.
    back: Step to go back to.
    """

    keep: float = 0.0
    number: float = 0.0
    factor: float = 0.0
    least: float = 0.0
    most: float = 0.0
    back: float = 0.0


@dataclass
class Recovery:
    """What was changed in a game so far, and what it can go back to.

    Arguments:
        engine: Plays the game.
        first: Makes the model as it was before the first step.
        interventions: Those that were made, oldest first.
        recovery_points: Averaged weights by step, of steps without a grave diagnosis.
    """

    engine: Engine
    first: Callable[[], Model]
    interventions: list[Intervention] = field(default_factory=list)
    recovery_points: dict[int, dict[str, Tensor]] = field(default_factory=dict)

    def decide(
        self, diagnoses: Sequence[Diagnosis], keep: bool
    ) -> tuple[Diagnosis | None, RecoveryOrder]:
        """What to do about diagnoses: at most one thing. None, where there is nothing to do.

        keep: Whether the weights of this step become a recovery point, if no diagnosis is grave.
        """
        grave = [diagnosis for diagnosis in diagnoses if diagnosis.grave]
        if not grave:
            return None, RecoveryOrder(keep=float(keep))
        if len(self.interventions) < TRIES:
            for diagnosis in grave:
                remedy = self._next_remedy(diagnosis)
                if remedy is not None:
                    return diagnosis, self._order(diagnosis, remedy)
        return None, RecoveryOrder()

    def obey(self, order: RecoveryOrder, step: int, kind: str) -> Intervention | None:
        """Does what was decided; the same in every process.

        kind: Of the diagnosis that it was decided for.
        """
        if order.keep:
            self._keep_weights(step)
        if not order.number:
            return None
        remedy = Remedy(self._names[int(order.number) - 1], order.factor, order.least, order.most)
        before, back = self._value(remedy.what), int(order.back)
        self._go_back(back)
        self._apply(remedy)
        made = Intervention(step, kind, remedy.what, before, self._value(remedy.what), back)
        self.interventions.append(made)
        return made

    def facts(self, batch: int) -> Facts:
        """What a history should know of the game, before its first step; batch: examples of a
        step."""
        model, teams = self.engine.model, self.engine.teams
        parameters = {player: sum(p.numel() for p in team) for player, team in teams.items()}
        sizes = {}
        for player, team in teams.items():
            sizes[player] = _root_mean_square([p.detach() for p in team if p.dim() > 1])
        codes, places = (model.hyperparameters.get(name, 0) for name in ("codes", "places"))
        return Facts(dict(self.engine.lr), sizes, parameters, int(min(codes, places * batch)))

    def state(self) -> dict[str, Any]:
        """What JSON needs to know to go on exactly."""
        state: dict[str, Any] = {"interventions": [made._asdict() for made in self.interventions]}
        if self.interventions:
            state["lr"] = self.engine.lr
            state["hyperparameters"] = self.engine.model.hyperparameters
        return state

    def tensors(self) -> dict[str, Tensor]:
        """The recovery points, by step and name: {"300.encoder.weight": ...}."""
        tensors: dict[str, Tensor] = {}
        for step, weights in self.recovery_points.items():
            tensors |= {f"{step}.{name}": value for name, value in weights.items()}
        return tensors

    def restore(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Takes up what `state` and `tensors` gave."""
        self.interventions = [Intervention(**made) for made in state.get("interventions", [])]
        self.engine.since = self.interventions[-1].step if self.interventions else 0
        self.engine.lr.update(state.get("lr", {}))
        for model in (self.engine.model, self.engine.ema_model):
            model.hyperparameters.update(state.get("hyperparameters", {}))
        self.recovery_points = {}
        for key, value in tensors.items():
            step, _, name = key.partition(".")
            self.recovery_points.setdefault(int(step), {})[name] = value

    def _next_remedy(self, diagnosis: Diagnosis) -> Remedy | None:
        """The first remedy that was not tried yet and that changes something."""
        tried = sum(made.kind == diagnosis.kind for made in self.interventions)
        known = [remedy for remedy in diagnosis.remedies if remedy.what in self._names]
        for remedy in known[tried:]:
            value = self._value(remedy.what)
            if remedy.apply(value) != value:
                return remedy
        return None

    def _order(self, diagnosis: Diagnosis, remedy: Remedy) -> RecoveryOrder:
        """To go back to the last recovery point from well before the diagnosis, and apply a
        remedy."""
        early = [step for step in self.recovery_points if step <= diagnosis.since - BEFORE]
        number = self._names.index(remedy.what) + 1
        return RecoveryOrder(0.0, number, *remedy[1:], max(early, default=0))

    @property
    def _names(self) -> list[str]:
        """What a remedy can change, in an order that all processes share."""
        players = [f"lr.{player}" for player in self.engine.lr]
        return ["lr", *players, *sorted(self.engine.model.hyperparameters)]

    def _value(self, what: str) -> float:
        if what in self.engine.model.hyperparameters:
            return self.engine.model.hyperparameters[what]
        return self.engine.lr.get(what.removeprefix("lr."), max(self.engine.lr.values()))

    def _apply(self, remedy: Remedy) -> None:
        if remedy.what in self.engine.model.hyperparameters:
            value = remedy.apply(self._value(remedy.what))
            for model in (self.engine.model, self.engine.ema_model):
                model.hyperparameters[remedy.what] = value
            return
        for player in self.engine.lr:
            if remedy.what in ("lr", f"lr.{player}"):
                self.engine.lr[player] = remedy.apply(self.engine.lr[player])

    def _keep_weights(self, step: int) -> None:
        """Makes the weights of this step a recovery point; the oldest makes room."""
        weights = self.engine.ema_model.state_dict()
        self.recovery_points[step] = {
            name: value.detach().to("cpu", copy=True) for name, value in weights.items()
        }
        for old in sorted(self.recovery_points)[:-KEPT]:
            del self.recovery_points[old]

    def _go_back(self, step: int) -> None:
        """Gives both models the weights of a recovery point, or those of before the first step;
        optimizers forget, averaging begins anew, and later points are dropped."""
        weights = self.recovery_points.get(step) or self._first_weights()
        for model in (self.engine.model, self.engine.ema_model):
            model.load_state_dict(model.state_dict() | weights)
        for optimizer in self.engine.optimizers.values():
            optimizer.state.clear()
        self.engine.since = self.engine.model.step
        for later in [point for point in self.recovery_points if point > step]:
            del self.recovery_points[later]

    def _first_weights(self) -> dict[str, Tensor]:
        weights = self.first().state_dict()
        return {name: value for name, value in weights.items() if value.is_floating_point()}


def _root_mean_square(weights: Sequence[Tensor]) -> float:
    """Of all numbers in weights; 0 where there are none."""
    total = sum(float(w.square().sum()) for w in weights)
    return float((total / max(sum(w.numel() for w in weights), 1)) ** 0.5)
