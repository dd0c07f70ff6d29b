"""Synthetic tables: time to fit, time to draw as many rows, and how good they are, beside peers.

Every model is fitted in a process of its own to the same 80 % of the rows (pandas sample(frac=0.8,
random_state=1)), in turn, one seed after the other; `judge_tables.py` judges all of them by the
other 20 %. `real` stands for the
training rows themselves: what the judge says of a perfect copy.

python benchmarks/tables.py --data adult.parquet --target salary --positive ">50K" --seeds 0
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import pandas as pd
from _common import HERE, peer, report

OURS = """
import json, resource, sys, time, tempfile
import pandas as pd, torch
import ganvas
name, train, out, seed, options = sys.argv[1:]
frame = pd.read_parquet(train)
start = time.perf_counter()
run = ganvas.train(name, frame, out=tempfile.mkdtemp(), seed=int(seed), quiet=True, **json.loads(options))
fitted = time.perf_counter()
made = run.sample(n=len(frame), seed=int(seed))
drawn = time.perf_counter()
made.to_parquet(out)
print(json.dumps({"fit_s": fitted - start, "sample_s": drawn - fitted, "steps": run.run.state["step"],
                  "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""

CTGAN = """
import json, resource, sys, time
import numpy, pandas as pd, torch
from ctgan import CTGAN, TVAE
name, train, out, seed, options = sys.argv[1:]
frame = pd.read_parquet(train)
discrete = [c for c in frame if not pd.api.types.is_numeric_dtype(frame[c])]
frame = frame.astype({c: object for c in discrete})
torch.manual_seed(int(seed)); numpy.random.seed(int(seed))
start = time.perf_counter()
model = {"ctgan": CTGAN, "tvae": TVAE}[name](**json.loads(options))
model.fit(frame, discrete)
fitted = time.perf_counter()
made = model.sample(len(frame))
drawn = time.perf_counter()
made.to_parquet(out)
print(json.dumps({"fit_s": fitted - start, "sample_s": drawn - fitted,
                  "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""

ARGN = """
import json, os, resource, sys, tempfile, time
from pathlib import Path
import pandas as pd, torch
os.environ["HF_HUB_OFFLINE"] = "1"
from mostlyai import engine
name, train, out, seed, options = sys.argv[1:]
frame, place = pd.read_parquet(train), Path(tempfile.mkdtemp())
engine.set_random_state(int(seed))
start = time.perf_counter()
engine.split(tgt_data=frame, workspace_dir=place, model_type="TABULAR")
engine.analyze(workspace_dir=place)
engine.encode(workspace_dir=place)
engine.train(workspace_dir=place, max_training_time=json.loads(options)["minutes"])
fitted = time.perf_counter()
engine.generate(workspace_dir=place, sample_size=len(frame))
made = pd.read_parquet(place / "SyntheticData")
drawn = time.perf_counter()
made.to_parquet(out)
print(json.dumps({"fit_s": fitted - start, "sample_s": drawn - fitted,
                  "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""

PEERS = {"ctgan": CTGAN, "tvae": CTGAN, "argn": ARGN}
"""Peers by name; whatever else is named is a model of ours."""

WITH_ARGN = (
    "accelerate",
    "datasets",
    "huggingface-hub",
    "joblib",
    "json-repair",
    "opacus",
    "pandas",
    "peft",
    "psutil<6",
    "pyarrow",
    "scikit-learn",
    "tokenizers",
    "transformers",
)
"""What TabularARGN needs for tables, of all that it requires: torchvision and torchaudio are not
among it."""

EQUAL = {"ctgan": {}, "vae": {"batch": 500, "latent": 128, "width": 128}}
"""What gives our models, asked for as ctgan-ours and vae-ours, the networks and batches of the
peers."""

OWN: dict[str, dict[str, float]] = {"made": {}, "made-private": {"epsilon": 3.0}}
"""Options of models that train as they like."""


def home(name: str) -> Path | str:
    """The Python that has a model."""
    if name == "argn":
        return peer("argn", *WITH_ARGN, alone="mostlyai-engine==2.7.3")
    return peer("ctgan", "ctgan==0.12.1", "pyarrow") if name in PEERS else sys.executable


def measure(
    name: str, train: Path, folder: Path, seed: int, epochs: int, minutes: float
) -> tuple[dict[str, float], Path]:
    """Fits a model and draws rows; what that took, and where the rows are."""
    out = folder / f"{name}-{seed}.parquet"
    python, script = home(name), PEERS.get(name, OURS)
    model = name.partition("-")[0]
    options = OWN.get(name, {"minutes": minutes} if name == "argn" else {"epochs": epochs})
    options |= EQUAL[model] if name.endswith("-ours") else {}
    command = [python, "-c", script, model, str(train), str(out), str(seed), json.dumps(options)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]), out


def judged(train: Path, test: Path, made: Path, target: str, positive: str) -> dict[str, float]:
    python = peer("sdmetrics", "sdmetrics==0.25.0", "pyarrow")
    command = [python, HERE / "judge_tables.py", train, test, made, target, positive]
    done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a Parquet file")
    parser.add_argument("--target", required=True)
    parser.add_argument(
        "--positive", required=True, help="the value of the target that is to be predicted"
    )
    parser.add_argument(
        "--models",
        nargs="+",
        default=["made", "ctgan-ours", "vae-ours", "ctgan", "tvae"],
        help="made, made-private, ctgan-ours, vae-ours, ctgan, tvae, argn",
    )
    parser.add_argument(
        "--epochs", type=int, default=10, help="of CTGAN and TVAE, ours and the peer's"
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="that argn may train for")
    parser.add_argument("--name", help="of the file in results/, by default that of the data")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    frame = pd.read_parquet(given.data)
    part = frame.sample(frac=0.8, random_state=1)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        train, test = folder / "train.parquet", folder / "test.parquet"
        part.reset_index(drop=True).to_parquet(train)
        frame.drop(part.index).reset_index(drop=True).to_parquet(test)
        asked = (given.target, given.positive)
        runs = [{"model": "real", **judged(train, test, train, *asked)}]
        for seed in given.seeds:
            for name in given.models:
                took, made = measure(name, train, folder, seed, given.epochs, given.minutes)
                runs.append(
                    {"model": name, "seed": seed, **took, **judged(train, test, made, *asked)}
                )
                print(json.dumps(runs[-1]), flush=True)
    medians = {
        name: {
            k: median(r[k] for r in runs if r["model"] == name)
            for k in next(r for r in runs if r["model"] == name)
            if k not in ("model", "seed")
        }
        for name in given.models
    }
    report(
        f"tables-{given.name or given.data.stem}",
        {"rows": len(part), "medians": medians, "runs": runs},
    )


if __name__ == "__main__":
    main()
