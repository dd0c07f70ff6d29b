"""How often values lie inside the intervals that are given for them, on data that no model learned
from.

Of VAEs on Fashion-MNIST: `reconstruct --interval`, value by value, beside the quantiles of as many
draws as they are, not scaled by held-out images. "open" are those values whose interval is more
than a single level. An image of which all values lie inside is promised by nobody. Of MADE on a
table: `complete --interval`, a fifth of all cells hidden at random; of categories, how far the
    probability of what was filled is from how often it was right (expected calibration
error in ten equal groups).

python benchmarks/coverage.py --table adult.parquet --seeds 0 1 2
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from _common import FASHION, report, spread

import ganvas
from ganvas.core import seeded_rng
from ganvas.core.intervals import interval_ends

LEVELS, HIDDEN, RAW = (0.5, 0.8, 0.9, 0.95), 0.2, 100
Figures = Iterator[tuple[str, float]]


def levels_of(x: np.ndarray) -> np.ndarray:
    """Values in [-1, 1] as levels from 0 to 255."""
    return np.round((x.clip(-1, 1) + 1) * 127.5)


def inside(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[float, float, float]:
    """Share of values inside, of those whose interval is open; and the mean width as a share of the
    range."""
    x, low, high = map(levels_of, (x, low, high))
    right, wide = (low <= x) & (x <= high), high > low
    return float(right.mean()), float(right[wide].mean()), float((high - low).mean() / 255)


def photos(seed: int, given: argparse.Namespace) -> Figures:
    """Coverage of a VAE's intervals on test images."""
    out = given.runs / f"vae-{given.likelihood}-{seed}"
    steps = {"steps": given.steps} if given.steps else {}
    run = ganvas.train(
        "vae",
        FASHION,
        out=out,
        seed=seed,
        network="perceptron",
        likelihood=given.likelihood,
        **steps,
    )
    images = run.run.modality.read(FASHION / "t10k-images-idx3-ubyte.gz")
    x = images.gather(given.images).x
    truth, pixels = x.flatten(1).numpy(), ((x[:, 0] + 1) * 127.5).round().byte().numpy()
    for level in LEVELS:
        between = run.do("reconstruct", pixels, interval=level, seed=seed).between
        found = inside(truth, between.low, between.high)
        whole = (levels_of(truth) >= levels_of(between.low)) & (
            levels_of(truth) <= levels_of(between.high)
        )
        yield from zip((f"{level}", f"{level} open", f"{level} width"), found, strict=True)
        yield f"{level} whole images", float(whole.all(1).mean())
    with torch.no_grad(), seeded_rng(seed):
        draws = torch.cat(
            [run.model.resample_posterior(part, RAW).flatten(2) for part in x[:200].split(50)], 1
        ).numpy()
    for level in LEVELS:
        found = inside(truth[:200], *interval_ends(draws, level))
        yield from zip(
            (f"{level} as drawn", f"{level} as drawn open", f"{level} as drawn width"),
            found,
            strict=True,
        )


def rows(seed: int, given: argparse.Namespace) -> Figures:
    """Coverage and calibration of what MADE fills, on rows it did not learn from."""
    frame = pd.read_parquet(given.table).sample(frac=1, random_state=seed).reset_index(drop=True)
    judge, learn = frame[: given.rows], frame[len(frame) // 10 :]
    steps = {"steps": given.steps} if given.steps else {}
    run = ganvas.train("made", learn, out=given.runs / f"made-{seed}", seed=seed, **steps)
    hidden = np.random.default_rng(seed).random(judge.shape) < HIDDEN
    incomplete = judge.mask(hidden)
    for level in LEVELS:
        filled = run.complete(incomplete, interval=level, seed=seed)
        of = [
            [*_numbers(filled, judge[c], hidden[:, i])]
            for i, c in enumerate(judge)
            if f"{c} low" in filled
        ]
        yield f"{level}", float(np.concatenate([right for right, _ in of]).mean())
        yield f"{level} least of columns", min(float(right.mean()) for right, _ in of)
        yield f"{level} width", float(np.mean([width.mean() for _, width in of]))
    said = [
        _categories(filled, judge[c], hidden[:, i])
        for i, c in enumerate(judge)
        if f"{c} probability" in filled
    ]
    probability, right = (np.concatenate(part) for part in zip(*said, strict=True))
    yield "categories: right", float(right.mean())
    yield "categories: mean probability", float(probability.mean())
    yield "categories: calibration error", calibration_error(probability, right)


def _numbers(
    filled: pd.DataFrame, truth: pd.Series, hidden: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which hidden values lie inside; and how wide intervals are as shares of the column's standard
    deviation."""
    low, high, x = (
        filled[f"{truth.name} low"][hidden],
        filled[f"{truth.name} high"][hidden],
        truth[hidden],
    )
    return ((low <= x) & (x <= high)).to_numpy(), ((high - low) / truth.std()).to_numpy()


def _categories(
    filled: pd.DataFrame, truth: pd.Series, hidden: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of hidden values, how probable what was filled is said to be, and whether it was right."""
    right = filled[truth.name][hidden] == truth[hidden]
    return filled[f"{truth.name} probability"][hidden].to_numpy(), right.to_numpy()


def calibration_error(probability: np.ndarray, right: np.ndarray, groups: int = 10) -> float:
    """Mean gap between probability and frequency, over groups of equal width (Guo et al., 2017,
    equation 3)."""
    group = np.minimum((probability * groups).astype(int), groups - 1)
    sums = [np.bincount(group, weights, groups) for weights in (probability, right.astype(float))]
    return float(np.abs(sums[0] - sums[1]).sum() / len(probability))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--table", type=Path, help="the Adult table, or another; images alone without"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--likelihood", default="gaussian")
    parser.add_argument("--images", type=int, default=2000, help="test images to judge by")
    parser.add_argument(
        "--rows", type=int, default=2000, help="rows to judge by, a tenth of the table at most"
    )
    parser.add_argument(
        "--steps", type=int, help="steps of every training; as many as models like without"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/coverage"))
    given = parser.parse_args()
    jobs = {f"vae, {given.likelihood}": photos} | ({"made": rows} if given.table else {})
    results: dict[str, Any] = {}
    for name, job in jobs.items():
        found = [dict(job(seed, given)) for seed in given.seeds]
        results[name] = {figure: spread([one[figure] for one in found]) for figure in found[0]}
    report("coverage", {"figures": results})


if __name__ == "__main__":
    main()
