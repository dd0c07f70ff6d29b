"""A model is networks and the game in which they learn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from ..runtime.random import seeded_generator
from .data import Batch, Data
from .space import Space

Optimizer = Callable[..., torch.optim.Optimizer]


def adam(lr: float, betas: tuple[float, float] = (0.9, 0.999)) -> Optimizer:
    """How a player learns: Adam (Kingma & Ba, 2015), all its parameters in one fused call."""
    return partial(torch.optim.Adam, lr=lr, betas=betas, fused=True)


def adamw(lr: float, betas: tuple[float, float] = (0.9, 0.99), decay: float = 0.01) -> Optimizer:
    """The same, with weights that decay apart from their gradients (Loshchilov & Hutter, 2019)."""
    return partial(torch.optim.AdamW, lr=lr, betas=betas, weight_decay=decay, fused=True)


class Turn(NamedTuple):
    """One player's move: the named terms whose sum its parameters descend, and notes to log."""

    player: str
    loss: Mapping[str, Tensor]
    notes: Mapping[str, Tensor] = {}


@dataclass(frozen=True)
class Defaults:
    """How a model is trained by default.

    batch: Examples per step.
    epochs: Passes over the data.
    steps: Steps at least, for small data.
    schedule: Name of the learning-rate schedule.
    ema: Decay of the exponential moving average of the weights.
    early_stopping_metric: Held-out loss whose lowest value decides which weights are kept, and
        whether training ends early.
    data_options: Options of the modality that data is read with, where that has them.
    """

    batch: int = 128
    epochs: int = 40
    steps: int = 2000
    schedule: str = "cosine"
    ema: float = 0.999
    early_stopping_metric: str = ""
    data_options: Mapping[str, Any] = field(default_factory=dict)


class Model(nn.Module, ABC):
    """Networks, and the game in which they learn: one player for an autoencoder, two for a GAN.

    The keyword-only arguments of a model's constructor are its configuration. A conditional model
    takes a second positional argument, `condition`: the space of conditions (a label is one token),
    or None where the data has none.
    """

    players: ClassVar[Mapping[str, Optimizer]]
    """Who learns, and the optimizer it learns with: submodules by name, or one player who is the
    whole model."""

    defaults: Defaults = Defaults()

    objective_options: ClassVar[frozenset[str]] = frozenset()
    """Options that change the objective rather than how it is reached: models that differ in these
    are not comparable."""

    step: int = 0
    """The step being played, from 1; the engine counts."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space
        self.hyperparameters: dict[str, float] = {}
        """Weights in the losses that may be changed while it learns; `turns` reads them in each
        step."""
        self.second_order = False
        """Whether its losses hold gradients of networks, which are then differentiated twice."""
        self.single_process_reason = ""
        """Why only a single process can train it, in words; empty where several can."""

    @abstractmethod
    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Plays one step. What follows a `yield` already sees the parameters which that turn
        updated."""

    def batches(self, data: Data, size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        """Endless batches from step `start` on: epochs in an order that depends on the seed and
        the epoch alone.

        A model with a sampling scheme of its own overrides this; it too must be able to start
        anywhere.
        """
        per_epoch = max(len(data) // size, 1)
        step = start
        while True:
            epoch, place = divmod(step, per_epoch)
            order = torch.randperm(len(data), generator=seeded_generator(seed, epoch))
            for rows in order.split(size)[place:per_epoch]:
                yield data.batch(rows, step)
                step += 1

    def team(self, player: str) -> list[nn.Parameter]:
        """The parameters of a player: those of the submodule of its name; a single player has them
        all."""
        module = self if len(self.players) == 1 else self.get_submodule(player)
        return list(module.parameters())

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device
