"""Held-out likelihood of Fashion-MNIST, dynamically binarised: -log p(x) by 5,000 importance
samples.

The published figures on the same data (Norouzi et al., 2020, Exemplar VAE, table 2, nats): VAE
228.70, with a VampPrior 227.35, convolutional hierarchical VAE 225.38, PixelSNAIL 223.68.

python benchmarks/likelihood.py perceptron --seeds 0 1 2
python benchmarks/likelihood.py convolutional --seeds 0
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import perf_counter

import torch
from _common import FASHION, HERE, report, spread
from torch import Tensor

import ganvas
from ganvas.core import seeded_rng
from ganvas.models.vae import VAE

ROUGH = 50
SETTINGS = {
    "perceptron": {
        "network": "perceptron",
        "width": 512,
        "depth": 2,
        "latent": 40,
        "batch": 250,
        "epochs": 60,
        "warmup": 7200,
        "samples": 5,
    },
    "convolutional": {
        "network": "convolutional",
        "width": 32,
        "depth": 1,
        "latent": 40,
        "batch": 128,
        "epochs": 15,
        "warmup": 3500,
    },
}
"""Chosen on 5,000 training images held out for it, never on the test images."""


def measure(network: str, seed: int, runs: Path, samples: int, photos: int) -> dict[str, float]:
    """Trains on the 60,000 training images and bounds the likelihood of the 10,000 test images.

    All of them are judged by 50 samples, and a random part by as many as asked for: what these gain
    over 50 varies little from image to image, so its mean over the part, added to that of 50
    samples, is the mean over all.
    """
    start = perf_counter()
    trained = ganvas.train(
        "vae",
        FASHION,
        out=runs / f"{network}-{seed}",
        seed=seed,
        likelihood="binary",
        held_out=0.0,
        **SETTINGS[network],
    )
    seconds = perf_counter() - start
    images = trained.run.modality.read(FASHION / "t10k-images-idx3-ubyte.gz").gather().x
    start = perf_counter()
    with torch.no_grad(), seeded_rng(0):
        x = trained.model.space.observe(images)
        elbo, rough = (bound(trained.model, x, k) for k in (1, ROUGH))
        some = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:photos]
        gain = bound(trained.model, x[some], samples) - rough[some]
    return {
        "seed": seed,
        "nats": (rough.mean() + gain.mean()).item(),
        "elbo": elbo.mean().item(),
        f"nats_{ROUGH}_samples": rough.mean().item(),
        "standard_error_of_the_samples": (gain.std() / len(gain) ** 0.5).item()
        if photos < len(x)
        else 0.0,
        "seconds_training": seconds,
        "seconds_judging": perf_counter() - start,
        "parameters": sum(p.numel() for p in trained.model.parameters()),
    }


def bound(model: VAE, x: Tensor, samples: int) -> Tensor:
    """Of many images, -log p(x) by so many importance samples each."""
    return torch.cat([model.bound(part, samples) for part in x.split(200)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=SETTINGS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--images", type=int, default=1000, help="test images that get all samples")
    parser.add_argument("--runs", type=Path, default=Path("runs/likelihood"))
    given = parser.parse_args()
    settings = SETTINGS[given.network]
    for seed in given.seeds:
        measured = measure(given.network, seed, given.runs, given.samples, given.images)
        seeds = [*_others(given.network, seed), measured]
        summary = {
            "nats": spread([s["nats"] for s in seeds]),
            "published_vae": 228.70,
            "samples": given.samples,
            "images_with_all_samples": given.images,
        }
        report(f"likelihood-{given.network}", summary | {"settings": settings, "seeds": seeds})


def _others(network: str, seed: int) -> list[dict[str, float]]:
    """What was measured before with the same settings, of other seeds."""
    file = HERE / "results" / f"likelihood-{network}.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    return [
        s
        for s in known.get("seeds", [])
        if s["seed"] != seed and known["settings"] == SETTINGS[network]
    ]


if __name__ == "__main__":
    main()
