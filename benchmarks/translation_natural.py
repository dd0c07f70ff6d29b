"""Ankle boots and sandals of Fashion-MNIST, turned into each other: nobody knows what is right, so
that images are to be looked at, in the run's report. Beside them, by test images: the distances
to the other domain before and after, and what survives the way there and back.

python benchmarks/translation_natural.py --model cyclegan:channels=16,blocks=3
"""

from __future__ import annotations

import argparse
from pathlib import Path

from _common import fashion, named, report

import ganvas

BOOT, SANDAL = 9, 5


def domains(part: str) -> dict[str, object]:
    x, y = fashion(part)
    return {"boots": x[y == BOOT], "sandals": x[y == SANDAL]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="cyclegan:channels=16,blocks=3")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=Path, default=Path("runs/translation"))
    given = parser.parse_args()
    model, options = named(given.model)
    out = given.runs / f"boots-{model}-{given.steps}-{given.seed}"
    run = ganvas.train(
        model,
        domains("train"),
        out=out,
        seed=given.seed,
        steps=given.steps,
        batch=given.batch,
        **options,
    )
    evaluation = run.evaluate(domains("t10k"))
    report(
        "translation-natural",
        {
            "model": given.model,
            "steps": given.steps,
            "batch": given.batch,
            "seed": given.seed,
            "minutes": run.run.state["seconds"] / 60,
            **evaluation.to_json(),
        },
    )


if __name__ == "__main__":
    main()
