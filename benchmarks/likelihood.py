"""Held-out likelihood of Fashion-MNIST, dynamically binarised: -log p(x) by 5,000 importance samples.

The published figures on the same data (Norouzi et al., 2020, Exemplar VAE, table 2, nats): VAE 228.70, with a
VampPrior 227.35, convolutional hierarchical VAE 225.38, PixelSNAIL 223.68.

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

import ganvas
from ganvas.core import chance

SETTINGS = {
    "perceptron": {"network": "perceptron", "width": 512, "depth": 2, "latent": 40, "batch": 250, "epochs": 80},
    "convolutional": {"network": "convolutional", "width": 32, "depth": 1, "latent": 40, "batch": 128, "epochs": 40},
}
"""Chosen on 5,000 training pictures held out for it, never on the test pictures."""


def measure(network: str, seed: int, runs: Path, samples: int) -> dict[str, float]:
    """Trains on the 60,000 training pictures and bounds the likelihood of the 10,000 test pictures."""
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
    data = trained.run.modality.read(FASHION / "t10k-images-idx3-ubyte.gz")
    start = perf_counter()
    with torch.no_grad(), chance(0):
        elbo = torch.cat([trained.model.bound(b.x, 1) for b in data.in_batches(200)])
        bound = torch.cat([trained.model.bound(b.x, samples) for b in data.in_batches(200)])
    return {
        "seed": seed, "nats": bound.mean().item(), "elbo": elbo.mean().item(), "seconds_training": seconds,
        "seconds_judging": perf_counter() - start,
        "parameters": sum(p.numel() for p in trained.model.parameters()),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=SETTINGS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--runs", type=Path, default=Path("runs/likelihood"))
    given = parser.parse_args()
    known = HERE / "results" / f"likelihood-{given.network}.json"
    done = {r["seed"]: r for r in json.loads(known.read_text())["seeds"]} if known.exists() else {}
    for seed in given.seeds:
        done[seed] = measure(given.network, seed, given.runs, given.samples)
        seeds = [done[s] for s in sorted(done)]
        summary = {"nats": spread([s["nats"] for s in seeds]), "published_vae": 228.70, "samples": given.samples}
        report(f"likelihood-{given.network}", summary | {"settings": SETTINGS[given.network], "seeds": seeds})


if __name__ == "__main__":
    main()
