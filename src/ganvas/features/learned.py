"""Features learned on the training pictures: of a classifier, or of rotations without labels (Gidaris et al., 2018)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import blake2b
from itertools import islice, pairwise
from pathlib import Path
from typing import Self

import torch
from rich.console import Console
from rich.progress import track
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..core import Batch, Continuous, Data, Modality, Model, Turn, adam, chance
from ..engine import SCHEDULES, Engine
from ..machine import choose_precision
from ._base import Features

ROUNDS, BATCH = 800, 128


class Learned(Features):
    """A small convolutional network trained on the training pictures alone; features are what its last layer sees.

    With labels it learns the classes; without, by how many quarter turns a picture was rotated.
    """

    def __init__(self, network: Network, accuracy: float) -> None:
        self.network, self.accuracy = network.eval(), accuracy

    @classmethod
    def fit(cls, train: Data, modality: Modality, cache: Path, rounds: int = 0) -> Self:
        rounds, classes = rounds or ROUNDS, len(modality.classes)
        digest = blake2b(train.keys().numpy().tobytes() + repr((classes, rounds)).encode(), digest_size=8).hexdigest()
        shape = tuple(train.batch(torch.arange(1)).x.shape[1:])
        with chance(0):
            network = Network(Continuous(shape), classes)
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing in torch's stubs
            file = cache / f"learned-{digest}-{'x'.join(map(str, shape))}.safetensors"
            if file.exists():
                network.load_state_dict(load_file(file))
                with safe_open(file, "pt") as tensors:
                    return cls(network, json.loads(tensors.metadata()["accuracy"]))
            accuracy = _train(network, train, rounds)
        cache.mkdir(parents=True, exist_ok=True)
        weights = {name: value.contiguous() for name, value in network.state_dict().items()}
        save_file(weights, file, metadata={"accuracy": json.dumps(accuracy)})
        return cls(network, accuracy)

    @property
    def description(self) -> str:
        task = "the classes" if self.network.classes else "quarter turns"
        return (
            f"a small network that learned {task} of the training pictures ({self.accuracy:.1%} right on unseen ones)"
        )

    def embed(self, x: Tensor) -> Tensor:
        return self.network.features(x)

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor | None:
        if not self.network.classes:
            return None
        return torch.cat([self.network(part).argmax(1) for part in x.split(256)])


class Network(Model):
    """Three strided convolutions, an average over positions (128 features), and a linear layer that names classes.

    classes: How many to tell apart; 0 to tell quarter turns apart.
    """

    players = {"classifier": adam(2e-3)}

    def __init__(self, space: Continuous, classes: int) -> None:
        super().__init__(space)
        self.classes = classes
        layers: list[nn.Module] = []
        for a, b in pairwise([space.shape[0], 32, 64, 128]):
            layers += [nn.Conv2d(a, b, 3, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(True)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(128, classes or 4)

    def features(self, x: Tensor) -> Tensor:
        return self.layers(F.adaptive_avg_pool2d(x, 64) if x.shape[-1] > 64 else x).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))

    def turns(self, batch: Batch) -> Iterator[Turn]:
        x, y = self.question(batch)
        yield Turn("classifier", {"cross-entropy": F.cross_entropy(self(x).float(), y, label_smoothing=0.05)})

    def question(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Pictures, and what is to be said of each: its class, or how often it was turned."""
        if self.classes and batch.y is not None:
            return batch.x, batch.y.squeeze(1)
        turns = torch.arange(len(batch)) % 4
        x = torch.stack([one.rot90(int(k), (1, 2)) for one, k in zip(batch.x, turns, strict=True)])
        return x, turns.to(x.device)


def _train(network: Network, data: Data, rounds: int) -> float:
    """Trains on nine tenths of the data; returns the share of the rest that it gets right."""
    learn, held = data.split(0.1, level=1)
    engine = Engine(network, average=0.99, precision=choose_precision("auto", torch.device("cpu")))
    batches = (batch.to(torch.device("cpu")) for batch in network.batches(learn, min(BATCH, len(learn)), seed=0))
    shown = track(islice(engine.rounds(batches), rounds), "learning features", rounds, console=Console(stderr=True),
                  transient=True)  # fmt: skip
    for i, _ in enumerate(shown, 1):
        engine.pace(SCHEDULES["one-cycle"](i / rounds))
    network.load_state_dict(engine.averaged.state_dict())
    network.eval()
    right = [_right(network, batch.to(torch.device("cpu"))) for batch in held.in_batches(most=2000)]
    return torch.cat(right).float().mean().item() if right else float("nan")


@torch.no_grad()
def _right(network: Network, batch: Batch) -> Tensor:
    x, y = network.question(batch)
    return network(x).argmax(1) == y
