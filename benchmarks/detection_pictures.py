"""Detection in pictures: areas under the ROC curve where one class of Fashion-MNIST is normal and the others are not.

A model learns the 6,000 training pictures of a class, and judges all 10,000 test pictures.

python benchmarks/detection_pictures.py --classes 0 1 4 8 --models ae vae vae:score=regret fanogan ganomaly
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import mean
from time import perf_counter

import numpy as np
from _common import fashion, named, report
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

import ganvas


def ours(words: str, learn: np.ndarray, judge: np.ndarray, steps: int | None, seed: int) -> np.ndarray:
    model, options = named(words)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        run = ganvas.train(model, learn, out=out, steps=steps, seed=seed, held_out=0.02, quiet=True, **options)
        return run.detect(judge)["score"].to_numpy()


def neighbours(learn: np.ndarray, judge: np.ndarray) -> np.ndarray:
    a, b = (x.reshape(len(x), -1).astype("float32") for x in (learn, judge))
    return NearestNeighbors(n_neighbors=5).fit(a).kneighbors(b)[0].mean(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--models", nargs="+", default=["ae", "vae", "vae:score=regret", "fanogan", "ganomaly"])
    parser.add_argument("--options", default="", help="for all models: network=perceptron,width=256")
    parser.add_argument("--steps", type=int, help="rounds of each training; by default what the model likes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--id", default="detection-pictures", help="name of the file of results")
    given = parser.parse_args()
    (x, y), (judge, truth) = fashion("train"), fashion("t10k")
    runs = []
    for normal in given.classes:
        learn, strange = x[y == normal], truth != normal
        knn = roc_auc_score(strange, neighbours(learn, judge))
        for seed in given.seeds:
            run: dict[str, float] = {"class": normal, "seed": seed, "kNN (5)": knn}
            for model in given.models:
                start, (name, own) = perf_counter(), model.partition(":")[::2]
                words = f"{name}:{','.join(filter(None, (given.options, own)))}"
                run[model] = roc_auc_score(strange, ours(words, learn, judge, given.steps, seed))
                run[f"{model} (s)"] = perf_counter() - start
                print(normal, seed, model, run[model], flush=True)
            runs.append(run)
    report(given.id, {"means": {name: mean(r[name] for r in runs) for name in runs[0]}, "runs": runs})


if __name__ == "__main__":
    main()
