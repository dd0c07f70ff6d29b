"""A small convolutional network that learns, within seconds, to name the classes of images."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core import Batch, Continuous, Data, Model, Turn, adam
from ..runtime.device import choose_precision
from .engine import SCHEDULES, Engine


class Network(Model):
    """Three strided convolutions, an average over positions (128 features), and a linear layer that
    names classes.

    classes: How many to tell apart; 0 to tell quarter turns apart (Gidaris et al., 2018).
    weights: How much each class counts, (classes,), where not all count alike.
    """

    players = {"classifier": adam(2e-3)}

    def __init__(self, space: Continuous, classes: int, weights: Tensor | None = None) -> None:
        super().__init__(space)
        self.classes = classes
        layers: list[nn.Module] = []
        for a, b in pairwise([space.shape[0], 32, 64, 128]):
            layers += [nn.Conv2d(a, b, 3, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(True)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(128, classes or 4)
        self.weights: Tensor | None
        self.register_buffer("weights", weights, persistent=False)
        # missing in torch's stubs
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(self, x: Tensor) -> Tensor:
        """Images (B, C, S, S) as vectors (B, 128)."""
        if x.shape[-1] > 64:
            x = F.adaptive_avg_pool2d(x, 64)
        grid: Tensor = self.layers(x)
        return grid.mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits

    def turns(self, batch: Batch) -> Iterator[Turn]:
        x, y = self.question(batch)
        loss = F.cross_entropy(self(x).float(), y, self.weights, label_smoothing=0.05)
        yield Turn("classifier", {"cross-entropy": loss})

    def question(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Images and their targets: their classes, or by how many quarters they were turned."""
        if self.classes and batch.y is not None:
            return batch.x, batch.y.squeeze(1)
        turns = torch.arange(len(batch)) % 4
        x = torch.stack([one.rot90(int(k), (1, 2)) for one, k in zip(batch.x, turns, strict=True)])
        return x, turns.to(x.device)

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """Class numbers of images, (N,)."""
        return torch.cat([self(part).argmax(1) for part in x.split(256)])


@torch.enable_grad()
def training_batches(
    network: Network, data: Data, n_steps: int, batch: int, seed: int, device: torch.device
) -> Iterator[int]:
    """Trains a network on a device, yielding the number of each step; in the end its weights are
    averaged ones."""
    network.to(device)
    engine = Engine(network, ema=0.99, precision=choose_precision("auto", device))
    batches = (part.to(device) for part in network.batches(data, min(batch, len(data)), seed))
    for i, _ in enumerate(islice(engine.steps(batches), n_steps), 1):
        engine.set_lr_factor(SCHEDULES["one-cycle"](i / n_steps))
        yield i
    network.load_state_dict(engine.ema_model.state_dict())
    network.eval()
