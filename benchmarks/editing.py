"""Editing of Fashion-MNIST images whose attributes are known: how often the attribute that is
edited flips, and how often the other one stays, by classifiers of real images that never saw an
edit.

shoes   sneaker or ankle boot; dark or bright: the mean of what is not background, in the lowest or
highest third tops    T-shirt or pullover, which is short or long sleeves; dark or bright

Images that are neither dark nor bright are left out. Each attribute of test images is edited
towards what it is not, while the other is held (`--hold`). The strength is the lowest of a grid at
which, of images that were kept from the training and are not those that are reported, the
attribute flips in 85 % and the other stays in 88 %; or where none does, that which comes nearest. A
image's attributes before are what the classifiers say of it as it was given; at strength 0 stands
what rendering alone does. Also told: how faithfully images are rendered, and how much of their
identity is kept.

python benchmarks/editing.py vae shoes
python benchmarks/editing.py dcgan shoes --images 60       # a generator without an encoder,
inverted
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from _common import fashion, report
from torch import Tensor

import ganvas
from ganvas.core import Batch, Continuous, Data, seeded_rng
from ganvas.results.edited import Edited
from ganvas.training.classifier import Network, training_batches

SETS = {"shoes": ("boot", 7, 9), "tops": ("long sleeves", 0, 2)}
MODELS: dict[str, dict[str, Any]] = {
    "vae": {"latent": 16, "network": "perceptron", "width": 256, "steps": 1500},
    "dcgan": {"latent": 16, "channels": 8, "conditional": False, "steps": 1500},
}
GRID = (0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0)
FLIPS, STAYS = 0.85, 0.88  # of images kept from the training, at the strength that is taken


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", choices=MODELS, nargs="?", default="vae")
    parser.add_argument("which", choices=SETS, nargs="?", default="shoes")
    parser.add_argument("--images", type=int, default=300, help="of the test, that are edited")
    parser.add_argument("--steps", type=int, help="steps of the training")
    parser.add_argument(
        "--runs",
        type=Path,
        default=Path("runs"),
        help="where trained runs are kept, and found again",
    )
    given = parser.parse_args()
    name, low, high = SETS[given.which]
    thirds = np.quantile(brightness(chosen("train", low, high)[0]), [1 / 3, 2 / 3])
    (x, y), (test, test_y) = (
        definite(*chosen(part, low, high), thirds) for part in ("train", "t10k")
    )
    known, judged = (
        {name: labels == high, "bright": brightness(p) > thirds[1]}
        for p, labels in ((x, y), (test, test_y))
    )
    parts = np.random.default_rng(0).permutation(len(x))
    learn, keep, teach = parts[:5000], parts[5000 : 5000 + given.images], parts[-2000:]
    judge = {attribute: classifier(x[teach], values[teach]) for attribute, values in known.items()}
    accuracy = {
        a: float((network.named(as_tensor(test)).numpy() == judged[a]).mean())
        for a, network in judge.items()
    }
    settings = MODELS[given.model] | ({"steps": given.steps} if given.steps else {})
    out = given.runs / f"editing-{given.model}-{given.which}"
    run = (
        ganvas.load(out)
        if (out / "report.html").exists()
        else ganvas.train(given.model, x[learn], out=out, **settings)
    )
    some = np.random.default_rng(1).permutation(len(test))[: given.images]
    table = pd.DataFrame(
        {
            "file": [f"image {i}" for i in range(len(learn))],
            **{a: v[learn] for a, v in known.items()},
        }
    )
    both = np.concatenate([x[keep], test[some]])
    found = {
        attribute: edited(
            run, attribute, known.keys() - {attribute}, (x[learn], table), both, judge
        )
        for attribute in known
    }
    report(
        f"editing-{given.model}-{given.which}",
        {
            "training": settings,
            "classifiers right on real test images": accuracy,
            "edited": found,
        },
    )


def chosen(part: str, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of two classes, and their classes."""
    x, y = fashion(part)
    own = (y == low) | (y == high)
    return x[own], y[own]


def definite(x: np.ndarray, y: np.ndarray, thirds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The images, and their classes, that are dark or bright."""
    own = (brightness(x) < thirds[0]) | (brightness(x) > thirds[1])
    return x[own], y[own]


def brightness(x: np.ndarray) -> np.ndarray:
    """Mean level of what is not background, of images (N, H, W)."""
    own = x > 20
    return (x * own).sum((1, 2)) / np.maximum(own.sum((1, 2)), 1)


def as_tensor(x: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(x)).float().div(127.5).sub(1).unsqueeze(1)


class Taught(Data):
    """Images and what is to be said of them."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y, self.names = x, y, [""] * len(x)

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, rows: Tensor, step: int | None = None) -> Batch:
        return Batch(self.x[rows], self.y[rows])

    def keys(self) -> Tensor:
        return torch.arange(len(self))

    def subset(self, rows: Tensor) -> Taught:
        return Taught(self.x[rows], self.y[rows])


def classifier(x: np.ndarray, values: np.ndarray, n_steps: int = 500) -> Network:
    """Learns an attribute of real images."""
    with seeded_rng(1):
        network = Network(Continuous((1, 28, 28)), 2)
        data = Taught(as_tensor(x), torch.from_numpy(values).long().unsqueeze(1))
        for _ in training_batches(network, data, n_steps, 64, 1, torch.device("cpu")):
            pass
    return network


def edited(
    run: Any,
    attribute: str,
    held: set[str],
    examples: tuple[np.ndarray, pd.DataFrame],
    x: np.ndarray,
    judge: dict[str, Network],
) -> dict[str, Any]:
    """The strength that the first half of images x asks for, and what it does to the other
    half."""
    images, table = examples
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "attributes.csv"
        table.astype(dict.fromkeys(judge, int)).to_csv(file, index=False)
        answer = run.do(
            "edit",
            x,
            attribute=attribute,
            attributes=file,
            examples=images,
            hold=",".join(sorted(held)),
            strength=f"{-GRID[-1]:g}..{GRID[-1]:g}",
            steps=round(4 * GRID[-1] + 1),
            inversion_steps=300,
        )
    tuning, trial = (told(answer, rows, attribute, judge) for rows in torch.arange(len(x)).chunk(2))
    (other,) = held
    reached = {
        s: min(tuning[s]["flips"] / FLIPS, tuning[s][f"{other} stays"] / STAYS) for s in GRID
    }
    strength = next((s for s in GRID if reached[s] >= 1), max(GRID, key=lambda s: reached[s]))
    return {
        "strength": strength,
        **trial[strength],
        "at every strength": {str(s): trial[s] for s in GRID},
        "on images kept from the training": {str(s): tuning[s] for s in GRID},
    }


def told(
    answer: Edited, rows: Tensor, attribute: str, judge: dict[str, Network]
) -> dict[float, Any]:
    """By strength, shares of images whose attribute flips and whose others stay, all edited to
    what they are not."""
    number = {round(s, 3): i for i, s in enumerate(answer.strengths)}
    before, found = (
        {a: network.named(answer.x[rows]) for a, network in judge.items()},
        dict[float, Any](),
    )
    for strength in GRID:
        frame = torch.where(before[attribute] == 0, number[strength], number[-strength])
        after = {a: network.named(answer.frames[frame, rows]) for a, network in judge.items()}
        found[strength] = {
            "flips": float((after[attribute] != before[attribute]).float().mean()),
            **{
                f"{a} stays": float((after[a] == before[a]).float().mean())
                for a in judge
                if a != attribute
            },
            "identity kept, cosine": float(answer.same[frame, rows].mean()),
            "rendered, PSNR (dB)": float(answer.faithful[rows].mean()),
        }
    return found


if __name__ == "__main__":
    main()
