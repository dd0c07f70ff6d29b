"""Features learned on the training images: of a classifier, or of rotations without labels
(Gidaris et al., 2018)."""

from __future__ import annotations

import json
from collections import deque
from hashlib import blake2b
from pathlib import Path
from typing import Self

import torch
from rich.console import Console
from rich.progress import track
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from ...core import Batch, Continuous, Data, Modality, seeded_rng
from ...training.classifier import Network, training_batches
from ._base import Features

STEPS, BATCH = 800, 128
CPU = torch.device("cpu")


class Learned(Features):
    """A small convolutional network trained on the training images alone; features are what its
    last layer sees.

    With labels it learns the classes; without, by how many quarter turns an image was rotated.
    """

    def __init__(self, network: Network, accuracy: float) -> None:
        self.network, self.accuracy = network.eval(), accuracy

    @classmethod
    def fit(cls, train: Data, modality: Modality, cache: Path, steps: int = 0) -> Self:
        steps, classes = steps or STEPS, len(modality.classes)
        digest = blake2b(
            train.keys().numpy().tobytes() + repr((classes, steps)).encode(), digest_size=8
        ).hexdigest()
        shape = tuple(train.batch(torch.arange(1)).x.shape[1:])
        with seeded_rng(0):
            network = Network(Continuous(shape), classes)
            file = cache / f"learned-{digest}-{'x'.join(map(str, shape))}.safetensors"
            if file.exists():
                network.load_state_dict(load_file(file))
                with safe_open(file, "pt") as tensors:
                    return cls(network, json.loads(tensors.metadata()["accuracy"]))
            accuracy = _train(network, train, steps)
        cache.mkdir(parents=True, exist_ok=True)
        weights = {name: value.contiguous() for name, value in network.state_dict().items()}
        save_file(weights, file, metadata={"accuracy": json.dumps(accuracy)})
        return cls(network, accuracy)

    @property
    def description(self) -> str:
        task = "the classes" if self.network.classes else "quarter turns"
        return (
            f"a small network that learned {task} of the training images ({self.accuracy:.1%}"
            " right on unseen ones)"
        )

    def embed(self, x: Tensor) -> Tensor:
        return self.network.features(x)

    def classify(self, x: Tensor) -> Tensor | None:
        return self.network.classify(x) if self.network.classes else None


def _train(network: Network, data: Data, steps: int) -> float:
    """Trains on nine tenths of the data; returns the share of the rest that it gets right."""
    learn, held = data.split(0.1, level=1)
    bar = track(
        training_batches(network, learn, steps, BATCH, 0, CPU),
        "learning features",
        steps,
        console=Console(stderr=True),
        transient=True,
    )
    deque(bar, maxlen=0)
    right = [_right(network, batch.to(CPU)) for batch in held.in_batches(most=2000)]
    return torch.cat(right).float().mean().item() if right else float("nan")


@torch.no_grad()
def _right(network: Network, batch: Batch) -> Tensor:
    x, y = network.question(batch)
    return network.classify(x) == y
