"""A VAE on Fashion-MNIST, same networks, batch 128, against Pythae 0.1.2: images a second and
held-out ELBO.

perceptron: Pythae's default network (784-512-16). convolutional: its benchmark network for MNIST.
    Both are trained
epoch by epoch in turn, each in a process of its own that sleeps while the other works; the ratio is
that of medians.
Convolutions before batch normalisation have no bias in ours: what follows removes it.

python benchmarks/vae_vs_pythae.py perceptron --epochs 6
python benchmarks/vae_vs_pythae.py convolutional --images 2560 --epochs 3
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from time import perf_counter

import torch
from _common import FASHION, peer, report, spread
from torch import nn

from ganvas.data.images.modality import Images
from ganvas.models.vae import VAE
from ganvas.nn.strided import Double, Halve
from ganvas.runtime.device import choose_precision, prepare
from ganvas.training.engine import Engine

BATCH, LATENT, RATE = 128, 16, 1e-3

PEER = """
import json, sys, time
import numpy as np
import torch
from pythae.models import VAE, VAEConfig
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.data.datasets import BaseDataset
network, folder, images, batch, latent, rate = sys.argv[1], sys.argv[2], *map(float, sys.argv[3:])
torch.manual_seed(0)
x = torch.from_numpy(np.load(folder + "/train.npy")).float().div(255)
test = torch.from_numpy(np.load(folder + "/test.npy")).float().div(255)
config = VAEConfig(input_dim=(1, 28, 28), latent_dim=int(latent), reconstruction_loss="bce")
nets = {}
if network == "convolutional":
    from pythae.models.nn.benchmarks.mnist import Decoder_Conv_AE_MNIST, Encoder_Conv_VAE_MNIST
    nets = {"encoder": Encoder_Conv_VAE_MNIST(config), "decoder": Decoder_Conv_AE_MNIST(config)}
model = VAE(config, **nets)
settings = BaseTrainerConfig(output_dir=folder, learning_rate=rate, per_device_train_batch_size=int(batch),
                             num_epochs=1, no_cuda=True)
trainer = BaseTrainer(model=model, train_dataset=BaseDataset(x, torch.ones(len(x))), training_config=settings)
trainer.prepare_training()
print("ready", flush=True)
for epoch, line in enumerate(sys.stdin, 1):
    if line.strip() == "elbo":
        model.eval()
        from pythae.data.datasets import DatasetOutput
        with torch.no_grad():
            costs = [model(DatasetOutput(data=part)).loss.item() * len(part) for part in test.split(500)]
        print(json.dumps(sum(costs) / len(test)), flush=True)
    else:
        start = time.perf_counter()
        trainer.train_step(epoch)
        print(json.dumps(time.perf_counter() - start), flush=True)
"""


def networks(network: str) -> tuple[nn.Module, nn.Module]:
    """Pythae's networks, as an encoder to (mean, log-variance) and a decoder to logits."""
    if network == "perceptron":
        encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 2 * LATENT)
        )
        decoder = nn.Sequential(
            nn.Linear(LATENT, 512), nn.ReLU(), nn.Linear(512, 784), nn.Unflatten(1, (1, 28, 28))
        )
        return encoder, decoder
    down: list[nn.Module] = []
    for a, b in ((1, 128), (128, 256), (256, 512), (512, 1024)):
        down += [Halve(a, b, bias=False), nn.BatchNorm2d(b), nn.ReLU(True)]
    encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(1024, 2 * LATENT))
    decoder = nn.Sequential(
        nn.Linear(LATENT, 1024 * 16),
        nn.Unflatten(1, (1024, 4, 4)),
        Double(1024, 512, 3, bias=False),
        nn.BatchNorm2d(512),
        nn.ReLU(True),
        Double(512, 256, 3, extra=1, bias=False),
        nn.BatchNorm2d(256),
        nn.ReLU(True),
        Double(256, 1, 3, extra=1),
    )
    return encoder, decoder


class Ours:
    """The same VAE played by the engine, data resident."""

    def __init__(self, network: str, photos: int) -> None:
        torch.manual_seed(0)
        images = Images.learn(FASHION)
        self.data = images.read(FASHION).subset(torch.arange(photos))
        self.test = images.read(FASHION / "t10k-images-idx3-ubyte.gz")
        self.model = VAE(images.space, latent=LATENT, likelihood="bernoulli")
        self.model.encoder, self.model.decoder = networks(network)
        prepare(self.model, torch.device("cpu"))
        precision = choose_precision("auto", torch.device("cpu"))
        self.engine = Engine(
            self.model, lr={"autoencoder": RATE}, ema=0.999, precision=precision
        )  # as `train` does
        self.steps = self.engine.steps(self._batches())

    def _batches(self) -> Iterator[object]:
        return self.model.batches(self.data, BATCH, seed=0)

    def epoch(self) -> float:
        start = perf_counter()
        for _ in islice(self.steps, len(self.data) // BATCH):
            pass
        return perf_counter() - start

    @torch.no_grad()
    def elbo(self) -> float:
        bound = [self.engine.ema_model.bound(batch.x) for batch in self.test.in_batches(500)]
        return torch.cat(bound).mean().item()


class Theirs:
    def __init__(self, network: str, photos: int, folder: Path) -> None:
        python = peer("pythae", "pythae==0.1.2", "numpy<2", "setuptools")
        arguments = [str(v) for v in (network, folder, photos, BATCH, LATENT, RATE)]
        self.process = subprocess.Popen(
            [python, "-c", PEER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._read("ready")

    def _read(self, until: str = "") -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == until or (not until and line[0] in "0123456789-"):
                return line.strip()
        raise RuntimeError("the peer stopped; run its script by hand to see why")

    def _ask(self, what: str) -> float:
        assert self.process.stdin is not None
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return json.loads(self._read())

    def epoch(self) -> float:
        return self._ask("epoch")

    def elbo(self) -> float:
        return self._ask("elbo")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=["perceptron", "convolutional"])
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=6)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        mine = Ours(given.network, given.images)
        import numpy as np

        for name, data in (("train", mine.data), ("test", mine.test)):
            np.save(folder / f"{name}.npy", data.pixels.numpy())
        rival = Theirs(given.network, given.images, folder)
        seconds: dict[str, list[float]] = {"ours": [], "pythae": []}
        for _ in range(given.epochs):
            seconds["pythae"].append(rival.epoch())
            seconds["ours"].append(mine.epoch())
            print(
                {name: f"{given.photos / s[-1]:,.0f}/s" for name, s in seconds.items()},
                file=sys.stderr,
            )
        speed = {
            name: spread([given.images / s for s in values]) for name, values in seconds.items()
        }
        report(
            f"vae-vs-pythae-{given.network}",
            {
                "images": given.images,
                "epochs": given.epochs,
                "images_per_second": speed,
                "ratio": speed["ours"]["median"] / speed["pythae"]["median"],
                "held_out_negative_elbo": {"ours": mine.elbo(), "pythae": rival.elbo()},
            },
        )
        rival.process.terminate()


if __name__ == "__main__":
    main()
