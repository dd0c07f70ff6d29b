"""Masked regions in Fashion-MNIST images that were never learned from, filled: PSNR in the masked
region, and SSIM of the whole.

The masked regions are those of `ganvas.core.random_masks`: rectangles, strokes and halves; missing lower
halves are also told apart. Beside a VAE and an inpainter stand diffusion from the border of the
masked region, and the mean of the border.

python benchmarks/completion.py
python benchmarks/completion.py --steps 50 --images 20     # a trial
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from _common import FASHION, fashion, report
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure as ssim

import ganvas
from ganvas.abilities import Completes
from ganvas.abilities.completing import BorderMean, Diffusion
from ganvas.core import seeded_rng
from ganvas.core.random_masks import draw_masks

MODELS: dict[str, dict[str, Any]] = {
    "vae": {"latent": 32, "network": "perceptron", "width": 256, "steps": 2000},
    "inpainter": {"channels": 8, "steps": 1000},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, help="steps of each training")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument(
        "--runs",
        type=Path,
        default=Path("runs"),
        help="where trained runs are kept, and found again",
    )
    given = parser.parse_args()
    x = (
        torch.from_numpy(np.array(fashion("t10k")[0][: given.images]))
        .float()
        .div(127.5)
        .sub(1)
        .unsqueeze(1)
    )
    with seeded_rng(7):
        random = ~draw_masks(x)
    upper = torch.zeros_like(random)
    upper[:, :, :14] = True
    models, about = dict[str, Completes](), {}
    for name, options in MODELS.items():
        out = given.runs / f"completion-{name}"
        settings = options | ({"steps": given.steps} if given.steps else {})
        run = (
            ganvas.load(out)
            if (out / "report.html").exists()
            else ganvas.train(name, FASHION, out=out, **settings)
        )
        models[name], about[name] = run.model, {**settings, "seconds": run.run.state["seconds"]}
    space = run.model.space
    models |= {"diffusion": Diffusion(space), "border mean": BorderMean(space)}
    kinds = {"random masked regions": random, "lower half missing": upper}
    report(
        "completion",
        {
            "images": len(x),
            "training": about,
            "filled": {kind: compared(models, x, known) for kind, known in kinds.items()},
        },
    )


@torch.no_grad()
def compared(models: Mapping[str, Completes], x: Tensor, known: Tensor) -> dict[str, Any]:
    found = {}
    for name, model in models.items():
        with seeded_rng(0):
            start = perf_counter()
            y = torch.cat(
                [
                    model.complete(*part).float()
                    for part in zip(x.split(100), known.split(100), strict=True)
                ]
            )
            seconds = perf_counter() - start
        error = ((y - x).square() * ~known).sum() / (~known).sum()
        found[name] = {
            "PSNR in masked regions (dB)": float(10 * (4 / error).log10()),
            "SSIM": ssim(y, x, data_range=(-1.0, 1.0)).item(),
            "known as they were": bool(torch.equal(y[known], x[known])),
            "seconds an image": seconds / len(x),
        }
    return found


if __name__ == "__main__":
    main()
