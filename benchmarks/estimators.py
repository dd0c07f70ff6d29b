"""Our scikit-learn estimators beside its own, on sets that ship with it: noise taken away, rows
through few numbers, masked regions filled. Root mean square errors on held-out rows, in standard
deviations of each column.

python benchmarks/estimators.py --seeds 0 1 2
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from _common import report, spread
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 # makes the next import possible
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from ganvas.sklearn import Denoiser, Embedder, Imputer

NOISE, LOST, LATENT, DRAWS = 0.5, 0.2, 8, 5
SETS: dict[str, Callable[[], Any]] = {
    "breast cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "digits": datasets.load_digits,
}


def rows(name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and rows to judge by, both standardised by the first; constant columns
    left out."""
    x = SETS[name]().data
    learn, judge = train_test_split(x, random_state=seed)
    varies = learn.std(0) > 0
    scale = StandardScaler().fit(learn[:, varies])
    return scale.transform(learn[:, varies]), scale.transform(judge[:, varies])


def error(x: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean((x - truth) ** 2)))


def through(pca: PCA, x: np.ndarray) -> np.ndarray:
    return pca.inverse_transform(pca.transform(x))


def denoising(
    learn: np.ndarray, judge: np.ndarray, seed: int, common: dict[str, Any]
) -> dict[str, float]:
    noisy = judge + NOISE * np.random.default_rng(seed).normal(size=judge.shape)
    peers = [error(through(PCA(k).fit(learn), noisy), judge) for k in range(1, min(learn.shape))]
    ours = Denoiser(**common).fit(learn).transform(noisy)
    return {
        "Denoiser": error(ours, judge),
        "noisy": error(noisy, judge),
        "PCA, best of all sizes": min(peers),
    }


def embedding(
    learn: np.ndarray, judge: np.ndarray, seed: int, common: dict[str, Any]
) -> dict[str, float]:
    ours = Embedder(**common, latent=LATENT).fit(learn)
    back = ours.inverse_transform(ours.transform(judge))
    return {
        "Embedder": error(back, judge),
        "PCA": error(through(PCA(LATENT).fit(learn), judge), judge),
    }


def imputing(
    learn: np.ndarray, judge: np.ndarray, seed: int, common: dict[str, Any]
) -> dict[str, float]:
    random = np.random.default_rng(seed)
    lost, incomplete = (random.random(x.shape) < LOST for x in (judge, learn))
    broken, practice = np.where(lost, np.nan, judge), np.where(incomplete, np.nan, learn)
    ours = Imputer(**{**common, "options": {}}).fit(practice)
    frame = pd.DataFrame(broken).rename(columns="x{}".format)
    several = [filled.to_numpy() for filled in ours.run_.complete(frame, draws=DRAWS, seed=seed)]
    peers = {"kNN": KNNImputer(), "iterative": IterativeImputer(random_state=seed)}
    found = {name: peer.fit(practice).transform(broken) for name, peer in peers.items()}
    found |= {
        "Imputer": ours.transform(broken),
        f"Imputer, mean of {DRAWS} draws": np.mean(several, 0),
    }
    return {name: error(x[lost], judge[lost]) for name, x in found.items()}


JOBS = {"denoising": denoising, "embedding": embedding, "imputing": imputing}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--jobs", nargs="+", default=list(JOBS), choices=list(JOBS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--steps", type=int, help="steps of every training; as many as models like without"
    )
    parser.add_argument(
        "--numbers", help="how autoencoders read numbers; as the estimators have it without"
    )
    said = parser.parse_args()
    reading = {"numbers": said.numbers} if said.numbers else {}
    results: dict[str, Any] = {}
    for name in said.sets:
        for job in said.jobs:
            figures: dict[str, list[float]] = {}
            for seed in said.seeds:
                common = {"steps": said.steps, "random_state": seed, "options": reading}
                for who, value in JOBS[job](*rows(name, seed), seed, common).items():
                    figures.setdefault(who, []).append(value)
            results[f"{name}, {job}"] = {who: spread(values) for who, values in figures.items()}
            print(
                name,
                job,
                {
                    who: round(values["median"], 3)
                    for who, values in results[f"{name}, {job}"].items()
                },
            )
    report("estimators", {"figures": results})


if __name__ == "__main__":
    main()
