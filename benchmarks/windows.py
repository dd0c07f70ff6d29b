"""Faults of a machine in its sensors: how well moments of each kind of fault are told from normal
ones.

A made-up machine (see windows_data.py) runs normally; then every kind of fault is put into it
several times. Models
learn windows of the normal part, and so do the baselines: each moment's largest z-score, what
principal components leave of windows, and IsolationForest on windows (moments get the mean of the
windows around them). Moments within a window of a fault are left out of the area, and what is found
there at --fdr 0.1 is counted apart.

python benchmarks/windows.py --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import Any

import numpy as np
from _common import report
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from windows_data import FAULTS, faulty, machine

import ganvas

COMPONENTS = 16


def ours(
    model: str, learn: Path, judge: Path, given: argparse.Namespace, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of moments, and which are found."""
    with tempfile.TemporaryDirectory() as folder:
        run = ganvas.train(
            model,
            learn,
            as_="series",
            window=given.window,
            latent=COMPONENTS,
            steps=given.steps,
            seed=seed,
            out=Path(folder) / "run",
            quiet=True,
        )
        answer = run.detect(judge, fdr=0.1)
        return answer["score"].to_numpy(), answer["found"].to_numpy()


def baselines(
    learn: np.ndarray, judge: np.ndarray, window: int, seed: int
) -> Iterator[tuple[str, np.ndarray]]:
    centre, spread = learn.mean(0), learn.std(0)
    a, b = (learn - centre) / spread, (judge - centre) / spread
    yield "z-score", np.abs(b).max(1)
    known, seen = _windows(a, window), _windows(b, window)
    linear = PCA(COMPONENTS, random_state=seed).fit(known)
    left = (seen - linear.inverse_transform(linear.transform(seen))) ** 2
    yield "PCA of windows", _moments(left.reshape(len(left), -1, window).sum(1), window)
    trees = IsolationForest(random_state=seed).fit(known[:: max(len(known) // 10_000, 1)])
    scores = np.repeat(-trees.score_samples(seen)[:, None], window, 1)
    yield "IsolationForest of windows", _moments(scores, window)


def _windows(x: np.ndarray, window: int) -> np.ndarray:
    """(T, D) as (T - window + 1, D window)."""
    return np.lib.stride_tricks.sliding_window_view(x, window, 0).reshape(len(x) - window + 1, -1)


def _moments(said: np.ndarray, window: int) -> np.ndarray:
    """What windows say of their moments, (N, window), as means of each moment, (N + window -
    1,)."""
    total, count = np.zeros(len(said) + window - 1), np.zeros(len(said) + window - 1)
    for place in range(window):
        total[place : place + len(said)] += said[:, place]
        count[place : place + len(said)] += 1
    return total / count


def areas(scores: np.ndarray, truth: np.ndarray, apart: np.ndarray) -> dict[str, float]:
    """Of each kind of fault, its moments against the normal ones that are apart from all faults."""
    of = lambda kind: (truth == kind) | apart  # noqa: E731
    return {
        kind: float(roc_auc_score(truth[of(kind)] == kind, scores[of(kind)])) for kind in FAULTS
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["ae", "vae"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--window", type=int, default=64)
    parser.add_argument("--moments", type=int, default=40_000)
    parser.add_argument("--steps", type=int, help="by default as the models like it")
    given = parser.parse_args()
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for seed in given.seeds:
            normal = machine(given.moments, 2 * seed)
            seen, truth = faulty(given.moments // 2, 2 * seed + 1, each=6)
            normal.to_parquet(folder / "normal.parquet")
            seen.to_parquet(folder / "seen.parquet")
            faults = truth != ""
            apart = np.convolve(faults, np.ones(2 * given.window + 1), "same") == 0
            run: dict[str, Any] = {"seed": seed}
            for model in given.models:
                start = perf_counter()
                scores, found = ours(
                    model, folder / "normal.parquet", folder / "seen.parquet", given, seed
                )
                run[model] = areas(scores, truth, apart) | {
                    "seconds": perf_counter() - start,
                    "found": {kind: float(found[truth == kind].mean()) for kind in FAULTS},
                    "found of normal moments apart from faults": float(found[apart].mean()),
                    "found of normal moments within a window of a fault": float(
                        found[~apart & ~faults].mean()
                    ),
                }
            values = normal.drop(columns="time").to_numpy(), seen.drop(columns="time").to_numpy()
            run |= {
                name: areas(s, truth, apart) for name, s in baselines(*values, given.window, seed)
            }
            runs.append(run)
            print(run, flush=True)
    names = [name for name in runs[0] if name != "seed"]
    means = {
        name: {kind: mean(run[name][kind] for run in runs) for kind in FAULTS} for name in names
    }
    report("windows", {"means": means, "runs": runs})


if __name__ == "__main__":
    main()
