"""Conditional DCGAN on all of Fashion-MNIST for twenty minutes of a processor: is each sample what was asked for?

A classifier of the training pictures, which must name at least 91 % of the test pictures rightly, names 10,000
samples; recall and precision are those of Kynkäänniemi et al. (2019) with their three neighbours, in the
classifier's features, against the test pictures.

python benchmarks/dcgan_quality.py --seeds 0 --minutes 20
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from _common import FASHION, report, spread

import ganvas
from ganvas.core import chance
from ganvas.features.learned import Learned
from ganvas.metrics.precision_recall import reach

SETTINGS = {"channels": 32, "batch": 64}
"""Chosen on the 5,000 pictures that ship with the package, never on the test pictures."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=6000, help="of the classifier's training")
    parser.add_argument("--runs", type=Path, default=Path("runs/quality"))
    given = parser.parse_args()
    runs = [
        ganvas.train("dcgan", FASHION, out=given.runs / f"dcgan-{seed}", seed=seed, minutes=given.minutes, held_out=0.0,
                     **SETTINGS) for seed in given.seeds
    ]  # fmt: skip
    modality = runs[0].run.modality
    classifier = Learned.fit(modality.read(FASHION), modality, given.runs / ".features", rounds=given.rounds)
    test = modality.read(FASHION / "t10k-images-idx3-ubyte.gz").gather()
    assert test.y is not None
    labels = test.y.squeeze(1)
    accuracy = (classifier.classify(test.x) == labels).float().mean().item()
    print(f"classifier on real test pictures: {accuracy:.2%}")
    judged = [judge(run, test.x, test.y, classifier) for run in runs]
    names = ("class_accuracy", "worst_class", "precision", "recall")
    report("dcgan-quality", {
        "minutes": given.minutes, "settings": SETTINGS, "classifier_on_test_pictures": accuracy,
        **{name: spread([j[name] for j in judged]) for name in names}, "seeds": judged,
    })  # fmt: skip


@torch.no_grad()
def judge(run: ganvas.Trained, x: torch.Tensor, y: torch.Tensor, classifier: Learned) -> dict[str, float]:
    """Samples with the test pictures' labels, beside the test pictures."""
    with chance(0):
        made = torch.cat([run.model.sample(len(part), part).float() for part in y.split(500)])
    right = (classifier.classify(made) == y.squeeze(1)).float()
    run.run.modality.sheet(made[y.squeeze(1).argsort(stable=True)][:: len(y) // 100], run.run.path / "by-class.png", 10)
    real, fake = classifier(x), classifier(made)
    real_reach, fake_reach = reach(real, 3), reach(fake, 3)
    inside_real = torch.cat([(torch.cdist(part, real) <= real_reach).any(1) for part in fake.split(1000)])
    inside_fake = torch.cat([(torch.cdist(part, fake) <= fake_reach).any(1) for part in real.split(1000)])
    return {
        "class_accuracy": right.mean().item(),
        "worst_class": min(right[y.squeeze(1) == label].mean().item() for label in range(10)),
        "precision": inside_real.float().mean().item(), "recall": inside_fake.float().mean().item(),
        "rounds": run.run.state["step"], "seconds": run.run.state["seconds"],
    }  # fmt: skip


if __name__ == "__main__":
    main()
