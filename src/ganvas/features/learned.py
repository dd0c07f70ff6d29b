"""Features learned on the training pictures: of a classifier, or of rotations without labels (Gidaris et al., 2018)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Self

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..core import Batch, Continuous, Data, Model, Turn, adam, chance
from ..engine import SCHEDULES, Engine
from ._base import Features


class Learned(Features):
    """A small convolutional network trained on the training pictures alone; features are what its last layer sees.

    With labels it learns the classes; without, by how many quarter turns a picture was rotated.
    """

    def __init__(self, network: Network, accuracy: float, labelled: bool) -> None:
        self.network, self.accuracy, self.labelled = network.eval(), accuracy, labelled

    @classmethod
    def fit(cls, train: Data, classes: int, cache: Path, rounds: int = 800) -> Self:
        space = Continuous(tuple(train.batch(torch.arange(1)).x.shape[1:]))
        labelled = classes > 1
        network = Network(space, classes if labelled else 4, labelled)
        digest = blake2b(train.keys().numpy().tobytes() + bytes([rounds % 251]), digest_size=8).hexdigest()
        if cache.exists():
            with safe_open(cache, "pt") as file:
                known = json.loads(file.metadata()["learned"])
            if known["digest"] == digest:
                network.load_state_dict(load_file(cache))
                return cls(network, known["accuracy"], labelled)
        accuracy = _train(network, train, rounds)
        note = {"learned": json.dumps({"digest": digest, "accuracy": accuracy})}
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, cache, metadata=note)
        return cls(network, accuracy, labelled)

    @property
    def description(self) -> str:
        task = "the classes" if self.labelled else "quarter turns"
        return (
            f"a small network that learned {task} of the training pictures ({self.accuracy:.1%} right on held-out ones)"
        )

    def embed(self, x: Tensor) -> Tensor:
        return self.network.features(x)

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor | None:
        if not self.labelled:
            return None
        return torch.cat([self.network(part).argmax(1) for part in x.split(256)])


class Network(Model):
    """Three convolutions, an average over positions (128 features), and a linear layer that names classes."""

    players = {"classifier": adam(2e-3)}

    def __init__(self, space: Continuous, classes: int, labelled: bool) -> None:
        super().__init__(space)
        self.labelled = labelled
        widths = [space.shape[0], 32, 64, 128]
        layers: list[nn.Module] = []
        for i in range(3):
            a, b = widths[i], widths[i + 1]
            layers += [nn.Conv2d(a, b, 3, 2 if i else 1, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(True)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(128, classes)

    def features(self, x: Tensor) -> Tensor:
        return self.layers(F.avg_pool2d(x, 2) if x.shape[-1] >= 64 else x).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))

    def turns(self, batch: Batch) -> Iterator[Turn]:
        x, y = self.question(batch)
        yield Turn("classifier", {"cross-entropy": F.cross_entropy(self(x).float(), y, label_smoothing=0.05)})

    def question(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Pictures, and what is to be said of each: its class, or how often it was turned."""
        if self.labelled and batch.y is not None:
            return batch.x, batch.y.squeeze(1)
        turns = torch.arange(len(batch)) % 4
        x = torch.stack([one.rot90(int(k), (1, 2)) for one, k in zip(batch.x, turns, strict=True)])
        return x, turns.to(x.device)


def _train(network: Network, data: Data, rounds: int) -> float:
    """Trains on nine tenths of the data; returns the share of the rest that it gets right."""
    learn, held = data.split(0.1)
    with chance(0):
        for parameter in network.children():
            parameter.apply(_fresh)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing in torch's stubs
        engine = Engine(network, average=0.99)
        batches = network.batches(learn, min(128, len(learn)), seed=0)
        for i, _ in enumerate(islice(engine.rounds(b.to(torch.device("cpu")) for b in batches), rounds)):
            engine.pace(SCHEDULES["one-cycle"]((i + 1) / rounds))
    network.load_state_dict(engine.averaged.state_dict())
    network.eval()
    right = [_right(network, batch) for batch in held.in_batches(most=2000)]
    return torch.cat(right).float().mean().item() if right else float("nan")


@torch.no_grad()
def _right(network: Network, batch: Batch) -> Tensor:
    x, y = network.question(batch.to(torch.device("cpu")))
    return network(x).argmax(1) == y


def _fresh(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
        module.reset_parameters()
