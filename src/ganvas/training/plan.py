"""Before training starts: what it will take, measured on a few steps that leave no trace."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from time import perf_counter

import torch
from torch import Tensor

from ..core import Batch, Data, InputError, Model, seeded_rng
from ..runtime.device import free_memory
from ..runtime.errors import flag
from .engine import Engine


@dataclass(frozen=True)
class Plan:
    """What a training will take.

    parameters: By player.
    model_bytes: Weights, gradients, optimizer and averaged copy, and what a step leaves behind
        whatever its batch.
    example_bytes: What one example of a batch leaves behind for the backward pass.
    batch: Examples per step, on this machine.
    seconds_per_step: As measured.
    """

    parameters: dict[str, int]
    model_bytes: int
    example_bytes: int
    batch: int
    seconds_per_step: float

    @property
    def bytes(self) -> int:
        """Memory that training takes, beside the data."""
        return self.model_bytes + self.batch * self.example_bytes


def make_plan(engine: Engine, data: Data, batch: int, device: torch.device) -> Plan:
    """Measures what a step takes. Raises InputError where memory will not suffice."""
    model = engine.model
    parameters = {player: sum(p.numel() for p in team) for player, team in engine.teams.items()}
    copies = 4 + (engine.ema_model is not model)  # weights, gradients, two moments, the average
    model_bytes = 4 * copies * sum(p.numel() for p in model.parameters())
    rows = torch.arange(min(len(data), batch))
    with seeded_rng(0):
        two, four = (_bytes_of_step(model, data.batch(rows[:n]).to(device)) for n in (2, 4))
        example_bytes = (four - two) // 2 if len(rows) > 2 else two // 2
        model_bytes += two - 2 * example_bytes
        plan = Plan(parameters, model_bytes, example_bytes, batch, 0.0)
        _refuse(plan, device)
        seconds = _seconds_per_step(engine, data.batch(rows).to(device))
    return Plan(parameters, model_bytes, example_bytes, batch, seconds)


def _refuse(plan: Plan, device: torch.device) -> None:
    free = free_memory(device)
    if free is not None and plan.bytes > free:
        fits = max((free - plan.model_bytes) // max(plan.example_bytes, 1), 0)
        advice = "choose a smaller model"
        if fits:
            advice = f"try {flag('batch', fits)} (with {flag('accumulate')} to make up for it)"
        raise InputError(
            f"training would take {_gib(plan.bytes)} and {_gib(free)} are free on {device};"
            f" {advice}"
        )


def _bytes_of_step(model: Model, batch: Batch) -> int:
    """Counts what autograd keeps for the backward pass in one step, each storage once."""
    kept: dict[int, int] = {}
    held: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        held.append(tensor)  # alive until the count is done, so that no address is given out twice
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    copy = deepcopy(model)
    own |= {p.untyped_storage().data_ptr() for p in copy.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        for _ in copy.turns(batch):
            pass
    return sum(size for address, size in kept.items() if address not in own)


def _seconds_per_step(engine: Engine, batch: Batch) -> float:
    """The faster of two steps after a first, played by a copy."""
    copy = Engine(deepcopy(engine.model), ema=engine.decay, precision=engine.precision)
    times = []
    start = perf_counter()
    for log in islice(copy.steps([batch] * 3), 3):
        next(iter(log.values())).item()  # waits for the device
        now = perf_counter()
        times.append(now - start)
        start = now
    return min(times[1:])


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**29 else f"{size / 2**20:.0f} MiB"
