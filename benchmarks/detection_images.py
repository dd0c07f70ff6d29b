"""Detection in images: areas under the ROC curve where one class of Fashion-MNIST is normal and
the others are not.

A model learns the 6,000 training images of a class, and judges all 10,000 test images. "fit"
and "score" are the
seconds of a person in Python: `ganvas.train` with its report, `detect` with p-values, places and
neighbours. "bare" is `score` of the model alone, on tensors. PyOD's detectors get the pixels in [0,
1] as vectors.

python benchmarks/detection_images.py --classes 0 1 4 8 --models ae vae vae:score=regret fanogan
ganomaly python benchmarks/detection_images.py --classes 0 4 --models detector --peers AutoEncoder
--id detection-images-peer
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import mean
from time import perf_counter

import numpy as np
import torch
from _common import fashion, named, report
from detection import peers
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

import ganvas


def ours(
    words: str, learn: np.ndarray, judge: np.ndarray, steps: int | None, seed: int
) -> tuple[np.ndarray, dict[str, float]]:
    """Scores, and seconds."""
    model, options = named(words)
    with tempfile.TemporaryDirectory() as folder:
        start = perf_counter()
        out = Path(folder) / "run"
        run = ganvas.train(
            model, learn, out=out, steps=steps, seed=seed, held_out=0.02, quiet=True, **options
        )
        fitted = perf_counter()
        scores = run.detect(judge)["score"].to_numpy()
        scored = perf_counter()
        bare(run.model, judge)
    return scores, {
        "fit": fitted - start,
        "score": scored - fitted,
        "bare": perf_counter() - scored,
    }


@torch.inference_mode()
def bare(model: torch.nn.Module, judge: np.ndarray) -> None:
    for part in (torch.from_numpy(judge.copy()).float().unsqueeze(1) / 127.5 - 1).split(1000):
        model.score(part)


def neighbours(learn: np.ndarray, judge: np.ndarray) -> np.ndarray:
    a, b = (x.reshape(len(x), -1).astype("float32") for x in (learn, judge))
    return NearestNeighbors(n_neighbors=5).fit(a).kneighbors(b)[0].mean(1)


def figures(
    name: str, anomalous: np.ndarray, scores: np.ndarray, seconds: dict[str, float]
) -> dict[str, float]:
    """Of one detector: the area under its curve, and its seconds by what they were for."""
    return {name: roc_auc_score(anomalous, scores)} | {
        f"{name}: {what} (s)": s for what, s in seconds.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--classes", type=int, nargs="+", default=list(range(10)))
    parser.add_argument(
        "--models", nargs="+", default=["ae", "vae", "vae:score=regret", "fanogan", "ganomaly"]
    )
    parser.add_argument(
        "--options", default="", help="for all models: network=perceptron,width=256"
    )
    parser.add_argument(
        "--steps", type=int, help="steps of each training; by default what the model likes"
    )
    parser.add_argument(
        "--peers", nargs="*", default=[], help="of PyOD: AutoEncoder, VAE, DeepSVDD"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--id", default="detection-images", help="name of the file of results")
    given = parser.parse_args()
    (x, y), (judge, truth) = fashion("train"), fashion("t10k")
    runs = []
    for normal in given.classes:
        learn, anomalous = x[y == normal], truth != normal
        knn = roc_auc_score(anomalous, neighbours(learn, judge))
        for seed in given.seeds:
            run: dict[str, float] = {"class": normal, "seed": seed, "kNN (5)": knn}
            for model in given.models:
                name, own = model.partition(":")[::2]
                words = f"{name}:{','.join(filter(None, (given.options, own)))}"
                run |= figures(model, anomalous, *ours(words, learn, judge, given.steps, seed))
            vectors = (x.reshape(len(x), -1).astype("float32") / 255 for x in (learn, judge))
            for name, answer in peers(given.peers, *vectors, seed).items():
                run |= figures(name, anomalous, *answer)
            print(run, flush=True)
            runs.append(run)
    report(
        given.id, {"means": {name: mean(r[name] for r in runs) for name in runs[0]}, "runs": runs}
    )


if __name__ == "__main__":
    main()
