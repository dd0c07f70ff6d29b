"""Does a latent pay for itself in text? A text VAE beside the same decoder without one.

Short verses (at most `--letters`) of the King James Version (see text_data.py), in parts of words
learned from those of the training chapters. Both models have decoders of one size, as many steps,
and keep the weights that were best on held-out verses of the training chapters. Verses of the test
chapters are then scored: by the decoder alone exactly, by the VAE with the importance-weighted
bound of `--samples` latents (Burda et al., 2016).

KL: nats that the posterior of a verse costs, on average. Active: dimensions of the latent whose
means vary by more than 0.01 over the test verses.

python benchmarks/textvae.py --cache kjv/ --runs runs/
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from _common import report
from text_data import kjv

import ganvas
from ganvas.core import seeded_rng
from ganvas.nn.losses import kl_standard_normal

PART = 64  # verses that are scored together


@torch.no_grad()
def scored(run: ganvas.api.Trained, x: torch.Tensor, samples: int) -> float:
    """-log p of a verse, in nats, or a bound."""
    with seeded_rng(0):
        return float(torch.cat([run.model.bound(part, samples) for part in x.split(PART)]).mean())


@torch.no_grad()
def told(run: ganvas.api.Trained, x: torch.Tensor) -> dict[str, float]:
    """What latents tell about verses."""
    mean, logvar = (
        torch.cat(own) for own in zip(*map(run.model.posterior, x.split(PART)), strict=True)
    )
    kl = kl_standard_normal(mean, logvar).sum(1).mean()
    return {"kl_nats": float(kl), "active": int((mean.var(0) > 0.01).sum()), "of": mean.shape[1]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="Where the text is kept.")
    parser.add_argument("--runs", type=Path, required=True, help="Where the runs are kept.")
    for name, value in {
        "letters": 80,
        "width": 128,
        "depth": 2,
        "latent": 32,
        "batch": 32,
        "steps": 1200,
        "vocabulary": 1024,
        "samples": 128,
        "test": 500,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--free-bits", type=float, default=0.2)
    parser.add_argument("--word-dropout", type=float, default=0.0)
    parser.add_argument("--part", default="test", choices=["choose", "test"])
    given = parser.parse_args()
    parts = kjv(given.cache)
    short = {
        name: [line for line in text.splitlines() if 0 < len(line) <= given.letters]
        for name, text in parts.items()
    }
    own = {
        name: getattr(given, name) for name in ("width", "depth", "batch", "steps", "vocabulary")
    }
    alone = ganvas.train(
        "transformer", short["train"], out=given.runs / "verses-transformer", **own
    )
    bounds = {"free_bits": given.free_bits, "word_dropout": given.word_dropout}
    out = given.runs / "-".join(map(str, ("verses", *bounds.values())))
    run = ganvas.train("textvae", short["train"], out=out, latent=given.latent, **bounds, **own)
    x = run.run.modality.read(short[given.part][: given.test]).gather().x
    symbols = float(run.model.places.valid_places(x).sum() / len(x))
    nats = {
        "decoder alone": scored(alone, x, 1),
        "textvae": scored(run, x, given.samples),
        "textvae, ELBO": scored(run, x, 1),
    }
    report(
        "textvae" if given.part == "test" else "textvae-choosing",
        {
            "nats_per_verse": nats,
            "symbols_per_verse": symbols,
            "latents": told(run, x),
            "options": own,
            "verses": {"training": len(short["train"]), given.part: len(x)},
            "free_bits": given.free_bits,
            "walk": run.interpolate([short["test"][0], short["test"][1]], steps=5)[0],
        },
    )


if __name__ == "__main__":
    main()
