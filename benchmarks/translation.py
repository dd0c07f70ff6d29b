"""Unpaired translation where the truth is known: grey images of clothes, and others that a hidden
transformation has coloured and striped. The two sets are disjoint halves of Fashion-MNIST's
training images; nobody is told which colours and stripes. Judged by its test images: PSNR to
what the transformation makes of them, and the share whose class a classifier still names, which
learned from transformed training images.

What stands beside it: images left grey, and the best that one colour a level of grey could do
(the stripes' mean).

--validate judges by 2,000 training images that no model learns from, in place of test images:
settings were chosen by these.

python benchmarks/translation.py --models cyclegan:channels=16,blocks=3 cut:channels=16,blocks=3
--seeds 0 1
"""

from __future__ import annotations

import argparse
from functools import partial
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _common import fashion, named, place, report, spread
from torch import Tensor

import ganvas
from ganvas.data.images.modality import Images
from ganvas.evaluation.features.learned import Learned
from ganvas.runtime.device import prepare
from ganvas.tasks._tiles import on_device

CPU = torch.device("cpu")

HELD_OUT = 2000
DARK, MIDDLE, BRIGHT = (24, 32, 88), (216, 96, 48), (250, 240, 190)
STRIPES = 0.3  # of its light that every other pair of rows loses


def hidden(x: np.ndarray) -> np.ndarray:
    """Grey images, uint8 (N, H, W), as the other domain has them, uint8 (N, H, W, 3): levels
    become colours from dark blue by orange to cream, and two of every four rows are darker where
    there is cloth."""
    level = np.arange(256)[:, None] / 255
    low = np.array(DARK) * (1 - 2 * level) + np.array(MIDDLE) * 2 * level
    high = np.array(MIDDLE) * (2 - 2 * level) + np.array(BRIGHT) * (2 * level - 1)
    colours = np.where(level < 0.5, low, high)
    darker = colours * (1 - STRIPES * np.minimum(4 * level, 1))
    table = np.round(np.stack([colours, darker])).clip(0, 255).astype(np.uint8)
    rows = (np.arange(x.shape[1]) % 4 < 2).astype(int)[:, None]
    return table[rows, x]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Of images, uint8, all together, in decibels."""
    return 10 * log10(255**2 / np.square(a.astype(np.float64) - b).mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models", nargs="+", default=["cyclegan:channels=16,blocks=3", "cut:channels=16,blocks=3"]
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument(
        "--classifier-steps", type=int, default=1500, help="of the classifier's training"
    )
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--runs", type=Path, default=Path("runs/translation"))
    parser.add_argument("--id", default="translation", help="name of the file of results")
    given = parser.parse_args()
    x, y = fashion("train")
    learn, held = slice(0, len(x) - HELD_OUT), slice(len(x) - HELD_OUT, None)
    domains = {"grey": x[learn][::2], "coloured": hidden(x[learn][1::2])}
    tried, classes = (x[held], y[held]) if given.validate else fashion("t10k")
    truth = hidden(tried)
    classifier = classify(hidden(x[learn]), y[learn], given)
    real = accuracy(classifier, truth, classes)
    runs = {
        (model, seed): train(model, seed, domains, given)
        for model in given.models
        for seed in given.seeds
    }
    judged = {of: judge(run, tried, truth, classes, classifier) for of, run in runs.items()}
    report(
        given.id,
        {
            "images": len(tried),
            "classifier_on_the_truth": real,
            "steps": given.steps,
            "batch": given.batch,
            "left_grey": {"psnr": psnr(np.repeat(tried[..., None], 3, 3), truth)},
            "best_colour_a_level": {
                "psnr": psnr(by_level(x[learn], hidden(x[learn]))[tried], truth)
            },
            **{
                model: {
                    name: spread([judged[model, seed][name] for seed in given.seeds])
                    for name in judged[model, given.seeds[0]]
                }
                for model in given.models
            },
        },
    )


def by_level(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The mean colour of each level of grey, (256, 3)."""
    flat, count = x.reshape(-1), np.bincount(x.reshape(-1), minlength=256).clip(1)
    return np.stack([np.bincount(flat, y[..., c].reshape(-1), 256) / count for c in range(3)], 1)


def train(
    words: str, seed: int, domains: dict[str, np.ndarray], given: argparse.Namespace
) -> ganvas.Trained:
    model, options = named(words)
    out = given.runs / f"{place(words)}-{given.steps}-{given.batch}-{seed}"
    return ganvas.train(
        model,
        domains,
        out=out,
        seed=seed,
        steps=given.steps,
        batch=given.batch,
        held_out=0.02,
        **options,
    )


def classify(x: np.ndarray, y: np.ndarray, given: argparse.Namespace) -> Learned:
    source = (x, y)
    modality = Images.learn(source)
    return Learned.fit(
        modality.read(source), modality, given.runs / ".features", steps=given.classifier_steps
    )


def accuracy(classifier: Learned, x: np.ndarray, y: np.ndarray) -> float:
    return (called(classifier, x) == torch.from_numpy(y.astype(np.int64))).double().mean().item()


def called(classifier: Learned, x: np.ndarray) -> Tensor:
    """The classes that images, uint8 (N, H, W, 3), are taken for."""
    names = classifier.classify(torch.from_numpy(x.copy()).permute(0, 3, 1, 2).float() / 127.5 - 1)
    assert names is not None
    return names


def judge(
    run: ganvas.Trained,
    tried: np.ndarray,
    truth: np.ndarray,
    classes: np.ndarray,
    classifier: Learned,
) -> dict[str, Any]:
    made = translated(run, tried)
    alike = (called(classifier, made) == called(classifier, truth)).double().mean().item()
    figures = {
        "psnr": psnr(made, truth),
        "class_named": accuracy(classifier, made, classes),
        "class_kept": alike,
        "minutes": run.run.state["seconds"] / 60,
    }
    if run.model.both_ways:
        figures["psnr_there_and_back"] = psnr(translated(run, made, back=True), tried)
    return figures


@torch.no_grad()
def translated(run: ganvas.Trained, x: np.ndarray, back: bool = False) -> np.ndarray:
    """What `run.translate` gives, of many small images at a time."""
    prepare(run.model, CPU)
    photos = (
        torch.from_numpy(x.reshape(*x.shape[:3], -1).copy()).permute(0, 3, 1, 2).float() / 127.5 - 1
    )
    network = on_device(partial(run.model.translate, back=back), CPU)
    made = torch.cat([network(part) for part in photos.split(100)])
    levels = made.add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return levels[..., 0] if levels.shape[3] == 1 else levels


if __name__ == "__main__":
    main()
