"""Twenty trainings that differ by their seed alone: does any end in numbers that are none, or in
samples all alike?

GANs learn the 5,000 images of Fashion-MNIST that ship with the package, with `--recover` as it
comes. Of each training
is kept: whether it was finished, what health said at its end, how often it was treated, and how
many held-out images have a sample near them (coverage of Naeem et al., 2020, in features of a
small classifier, `ganvas evaluate`), beside real images' own. A training has collapsed where that
is less than a tenth of what real images have.

python benchmarks/steadiness.py --models dcgan:channels=32 r3gan --seeds 20 --steps 1000
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from _common import named, place, report, spread

import ganvas
from ganvas.data.samples import FASHION
from ganvas.runtime.errors import InputError

COLLAPSED = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["dcgan:channels=32", "r3gan"])
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--id", default="steadiness", help="name of the file of results")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder
    ):  # one for all: they are judged by the same features, learned once
        found = {
            w: [one(w, seed, given.steps, Path(folder)) for seed in range(given.seeds)]
            for w in given.models
        }
    report(
        given.id,
        {
            "steps": given.steps,
            "models": {words: summary(runs) for words, runs in found.items()},
            "runs": found,
        },
    )


def one(words: str, seed: int, steps: int, runs: Path) -> dict[str, Any]:
    model, options = named(words)
    out = runs / f"{place(words)}-{seed}"
    try:
        run = ganvas.train(model, FASHION, out=out, seed=seed, steps=steps, quiet=True, **options)
    except InputError as error:
        return {"seed": seed, "finished": False, "why": str(error)}
    coverage = next(f for f in run.evaluate().figures if f.name == "coverage")
    said = {
        "seed": seed,
        "finished": True,
        "coverage": coverage.value.value,
        "coverage of real images": coverage.beside["real data"].value,
        "health": [str(diagnosis) for diagnosis in run.diagnoses if diagnosis.grave],
        "treatments": [str(treatment) for treatment in run.run.interventions],
    }
    print(words, said, flush=True)
    return said


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    finished = [run for run in runs if run["finished"]]
    return {
        "trainings": len(runs),
        "ended in no numbers": len(runs) - len(finished),
        "collapsed": sum(
            run["coverage"] < COLLAPSED * run["coverage of real images"] for run in finished
        ),
        "gravely ill at the end": sum(bool(run["health"]) for run in finished),
        "treated": sum(bool(run["treatments"]) for run in finished),
        "coverage": spread([run["coverage"] for run in finished]) if finished else None,
    }


if __name__ == "__main__":
    main()
