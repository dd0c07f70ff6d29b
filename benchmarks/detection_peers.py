"""PyOD's detectors on one split, in an environment of their own: detection_peers.py SPLIT.npz SEED
AutoEncoder VAE ...

Prints a line of JSON: of each detector its seconds to fit, its seconds to score, and the file has
its scores by name.
"""

from __future__ import annotations

import argparse
import json
from importlib import import_module
from time import perf_counter

import numpy as np

MODULES = {"AutoEncoder": "auto_encoder", "VAE": "vae", "DeepSVDD": "deep_svdd", "ALAD": "alad"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("seed", type=int)
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    file = given.file
    with np.load(file) as split:
        learn, judge = split["learn"], split["judge"]
    scores, times = {}, {}
    for name in given.names:
        own = {"n_features": learn.shape[1]} if name == "DeepSVDD" else {}
        settings = (
            {"random_state": given.seed} if name in ("AutoEncoder", "VAE", "DeepSVDD") else {}
        )
        make = getattr(import_module(f"pyod.models.{MODULES[name]}"), name)
        start = perf_counter()
        detector = make(**own, **settings).fit(learn)
        fitted = perf_counter()
        scores[name] = detector.decision_function(judge)
        times[name] = {"fit": fitted - start, "score": perf_counter() - fitted}
    np.savez(file, **scores)
    print("TIMES", json.dumps(times), flush=True)


if __name__ == "__main__":
    main()
