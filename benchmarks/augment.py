"""Do new rows of a rare class help a classifier? MADE's beside SMOTE's, beside class weights,
beside nothing.

Of each table four fifths of the rows, drawn by the seed; of these three tenths are held out of
everything. Boosted
trees learn from the others: as they are, with classes weighted, with new rows of the rare class up
to half of all, by MADE and by SMOTE (imbalanced-learn). What counts is average precision on the
held-out rows.

python benchmarks/augment.py --anomaly FOLDER --tables mammography thyroid annthyroid --seeds 0 1 2
3 4

FOLDER holds ADBench's classical sets as .npz files.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from _common import PEERS, report, spread

CHILD = """
import json, sys, tempfile
import pandas as pd
import ganvas
file, seed = sys.argv[1:]
frame = pd.read_parquet(file)
run = ganvas.train("made", frame, out=tempfile.mkdtemp(), seed=int(seed), held_out=0.3, quiet=True)
answer = run.do("augment", frame, target="rare", to_share=0.5, seed=int(seed))
print(json.dumps({name: estimate.value for name, estimate in answer.scores.items()}))
"""


def smote() -> Path:
    """A folder with imbalanced-learn alone: what it needs is there already."""
    folder = PEERS / "smote"
    if not folder.exists():
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(folder),
        ]
        subprocess.run([*command, "imbalanced-learn==0.14.2", "sklearn-compat"], check=True)
    return folder


def rows(file: Path, seed: int) -> pd.DataFrame:
    with np.load(file) as found:
        frame = pd.DataFrame(found["X"].astype("float64")).rename(columns="x{}".format)
        frame["rare"] = np.where(found["y"] == 1, "yes", "no")
    return frame.sample(frac=0.8, random_state=seed).reset_index(drop=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--anomaly", type=Path, required=True)
    parser.add_argument("--tables", nargs="+", default=["mammography", "thyroid", "annthyroid"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    given = parser.parse_args()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(smote())])
    }
    found = {}
    for table in given.tables:
        runs = []
        for seed in given.seeds:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "rows.parquet"
                frame = rows(given.anomaly / f"{table}.npz", seed)
                frame.to_parquet(file)
                command = [sys.executable, "-c", CHILD, str(file), str(seed)]
                done = subprocess.run(
                    command, check=True, capture_output=True, text=True, env=environment
                )
            runs.append(json.loads(done.stdout.splitlines()[-1]))
            print(table, seed, runs[-1], flush=True)
        found[table] = {
            "rows": len(frame),
            "rare": float((frame["rare"] == "yes").mean()),
            "average_precision": {name: spread([r[name] for r in runs]) for name in runs[0]},
        }
    report("augment", {"tables": found})


if __name__ == "__main__":
    main()
