"""Do new images of a conditional DCGAN help a classifier? Beside shifts and mirrors, beside
nothing.

Of Fashion-MNIST 20, 100, 500 images of each class, drawn by the seed, are all that the DCGAN (as
it comes, for so many minutes) and small convolutional networks learn from: the images as they
are, shifted, shifted and mirrored, with new ones up to so many of each class, and with these and
shifted. What counts is accuracy on the 10,000 test images, the mean of three networks in each
way, with the intervals that `ganvas augment` gives.

python benchmarks/augment_images.py --per-class 20 100 500 --seeds 0 1 2 --minutes 3
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from _common import FASHION, report, spread

import ganvas
from ganvas.core import Batch, seeded_generator, seeded_rng
from ganvas.data.images.modality import Images
from ganvas.tasks.augment import networks
from ganvas.tasks.augment.comparison import compare, describe_gain

BOTH = "with new images, shifted"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--per-class", type=int, nargs="+", default=[20, 100, 500])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=3, help="for each DCGAN")
    parser.add_argument(
        "--times", type=int, default=2, help="every class comes to so many times its images"
    )
    parser.add_argument("--steps", type=int, help="steps of each DCGAN, instead of minutes")
    given = parser.parse_args()
    modality = Images.learn(FASHION)
    train, test = (
        modality.read(FASHION / f"{part}-images-idx3-ubyte.gz").gather()
        for part in ("train", "t10k")
    )
    held, found = cases(test), {}
    for count in given.per_class:
        runs = []
        for seed in given.seeds:
            few = chosen(cases(train), count, seed)
            run = trained(
                few, seed, {"steps": given.steps} if given.steps else {"minutes": given.minutes}
            )
            runs.append(judged(run, few, held, given.times, seed))
            print(
                count,
                seed,
                {k: round(v["value"], 4) for k, v in runs[-1]["accuracy"].items()},
                flush=True,
            )
            print(f"  {runs[-1]['verdict']}\n  {runs[-1]['verdict_shifted']}", flush=True)
        accuracies = {
            name: spread([r["accuracy"][name]["value"] for r in runs])
            for name in runs[0]["accuracy"]
        }
        found[str(count)] = {"accuracy": accuracies, "seeds": runs}
    report(
        "augment-images",
        {"minutes": given.minutes, "steps": given.steps, "times": given.times, "per_class": found},
    )


def cases(batch: Batch) -> networks.Cases:
    assert batch.y is not None
    return networks.Cases(batch.x, batch.y.squeeze(1))


def chosen(all_of: networks.Cases, count: int, seed: int) -> networks.Cases:
    """So many of each class."""
    order = torch.randperm(len(all_of.y), generator=seeded_generator(seed))
    rows = torch.cat([order[all_of.y[order] == i][:count] for i in range(10)])
    return networks.Cases(all_of.x[rows], all_of.y[rows])


def trained(few: networks.Cases, seed: int, until: dict[str, Any]) -> ganvas.Trained:
    pixels = few.x.add(1).mul(127.5).round().byte().squeeze(1).numpy()
    out = Path(tempfile.mkdtemp(prefix="augment-images-")) / "run"
    return ganvas.train(
        "dcgan", (pixels, few.y.tolist()), out=out, seed=seed, held_out=0.0, quiet=True, **until
    )


@torch.no_grad()
def judged(
    run: ganvas.Trained, few: networks.Cases, held: networks.Cases, times: int, seed: int
) -> dict[str, Any]:
    """Accuracies by the way of learning, each with its interval; how much more new images gave;
    the steps played."""
    y = torch.arange(10).repeat_interleave(len(few.y) // 10 * (times - 1))
    with seeded_rng(seed):
        new = networks.Cases(
            torch.cat([run.model.sample(len(p), p.unsqueeze(1)).float() for p in y.split(500)]), y
        )
    ways = networks.training_sets(few, new) | {
        BOTH: networks.Way(networks.join_cases(few, new), shifted=True)
    }
    answers, worth = networks.predict(ways, held, 10), networks.scores(held)
    scores, _ = compare(answers, BOTH, worth, networks.DRAWS)
    rivals = {name: answer for name, answer in answers.items() if name != BOTH}
    _, helped = compare(rivals, networks.NEW, worth, networks.DRAWS)
    _, beside = compare(
        {name: answers[name] for name in ("shifted", BOTH)}, BOTH, worth, networks.DRAWS
    )
    return {
        "steps": run.run.state["step"],
        "seconds": run.run.state["seconds"],
        "accuracy": {name: asdict(e) for name, e in scores.items()},
        "gained_by_new": {name: asdict(e) for name, e in helped.items()},
        "gained_by_new_shifted": {name: asdict(e) for name, e in beside.items()},
        "verdict": describe_gain("new images", "accuracy", helped),
        "verdict_shifted": describe_gain("new images, shifted,", "accuracy", beside),
    }


if __name__ == "__main__":
    main()
