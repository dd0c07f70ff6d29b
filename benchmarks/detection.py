"""Detection in rows: areas under the ROC curve on ADBench's sets, and whether false discoveries
keep to --fdr.

Half of the normal rows, shuffled by the seed, are learned from; the other half and all anomalies
are judged (Livernoche et al., 2024, semi-supervised setting). Beside it scikit-learn's simple
baselines and PyOD's networks, on standardised columns.

python benchmarks/detection.py --anomaly FOLDER --seeds 0 1 2 --models detector --peers AutoEncoder
VAE DeepSVDD ALAD
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from statistics import mean
from time import perf_counter

import numpy as np
import pandas as pd
from _common import HERE, named, peer, report
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler

import ganvas


def split(file: Path, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows to learn from, rows to judge, and which of these are anomalies."""
    with np.load(file) as found:
        x, y = found["X"].astype("float64"), found["y"]
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(y == 0))
    learn, rest = normal[: len(normal) // 2], normal[len(normal) // 2 :]
    judge = np.concatenate([rest, np.flatnonzero(y == 1)])
    return x[learn], x[judge], y[judge] == 1


def ours(
    words: str, learn: np.ndarray, judge: np.ndarray, seed: int, held_out: float
) -> pd.DataFrame:
    model, options = named(words)
    learn, judge = (pd.DataFrame(x).rename(columns="x{}".format) for x in (learn, judge))
    with tempfile.TemporaryDirectory() as folder:
        run = ganvas.train(
            model,
            learn,
            out=Path(folder) / "run",
            seed=seed,
            held_out=held_out,
            quiet=True,
            **options,
        )
        return run.detect(judge, fdr=0.1)


def baselines(learn: np.ndarray, judge: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    a, b = standardised(learn, judge)
    return {
        "kNN (5)": NearestNeighbors(n_neighbors=5).fit(a).kneighbors(b)[0].mean(1),
        "LOF": -LocalOutlierFactor(novelty=True).fit(a).score_samples(b),
        "IsolationForest": -IsolationForest(random_state=seed).fit(a).score_samples(b),
    }


def peers(
    names: list[str], learn: np.ndarray, judge: np.ndarray, seed: int
) -> dict[str, tuple[np.ndarray, dict[str, float]]]:
    """Scores by PyOD's detectors, and the seconds that each took: {"fit": ..., "score": ...}."""
    if not names:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "split.npz"
        np.savez(file, learn=learn, judge=judge)
        command = [
            peer("pyod", "pyod==3.6.7", "torch", "tqdm", "pandas"),
            HERE / "detection_peers.py",
            file,
            str(seed),
            *names,
        ]
        said = subprocess.run(
            command, check=True, capture_output=True, text=True
        ).stdout.splitlines()
        times = json.loads(
            next(line for line in said if line.startswith("TIMES")).removeprefix("TIMES")
        )
        with np.load(file) as scores:
            return {name: (scores[name], times[name]) for name in names}


def standardised(learn: np.ndarray, judge: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scale = StandardScaler().fit(learn)
    return scale.transform(learn), scale.transform(judge)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--anomaly", type=Path, required=True, help="folder of ADBench's classical sets, .npz"
    )
    parser.add_argument(
        "--models",
        nargs="+",
        default=["made"],
        help="names, perhaps with options: vae:score=regret",
    )
    parser.add_argument(
        "--held-out", type=float, default=0.1, help="of what is learned from, for p-values"
    )
    parser.add_argument(
        "--peers", nargs="*", default=[], help="of PyOD: AutoEncoder, VAE, DeepSVDD, ALAD"
    )
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--id", default="detection", help="name of the file of results")
    given = parser.parse_args()
    runs = []
    for file in sorted(given.anomaly.glob("*.npz")):
        if given.sets and file.stem not in given.sets:
            continue
        for seed in given.seeds:
            learn, judge, anomalous = split(file, seed)
            run: dict[str, object] = {
                "set": file.stem,
                "seed": seed,
                "learn": len(learn),
                "judge": len(judge),
            }
            for model in given.models:
                start = perf_counter()
                answer = ours(model, learn, judge, seed, given.held_out)
                found = answer["found"].to_numpy()
                run[f"{model} (s)"] = perf_counter() - start
                run[model] = roc_auc_score(anomalous, answer["score"])
                run[f"{model}: false share of findings"] = float(
                    (found & ~anomalous).sum() / max(found.sum(), 1)
                )
                run[f"{model}: share found"] = float((found & anomalous).sum() / anomalous.sum())
            run |= {
                name: roc_auc_score(anomalous, s)
                for name, s in baselines(learn, judge, seed).items()
            }
            for name, (scores, seconds) in peers(
                given.peers, *standardised(learn, judge), seed
            ).items():
                run |= {
                    name: roc_auc_score(anomalous, scores),
                    f"{name} (s)": sum(seconds.values()),
                }
            runs.append(run)
            print(run, flush=True)
    names = [name for name in runs[0] if name not in ("set", "seed", "learn", "judge")]
    sets = {
        s: {n: mean(r[n] for r in runs if r["set"] == s) for n in names}
        for s in dict.fromkeys(r["set"] for r in runs)
    }
    means = {name: mean(figures[name] for figures in sets.values()) for name in names}
    report(given.id, {"means": means, "sets": sets, "runs": runs})


if __name__ == "__main__":
    main()
