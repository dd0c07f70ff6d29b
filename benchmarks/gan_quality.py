"""Images by class on all of Fashion-MNIST for equally many minutes of a processor, or steps, one
after the other.

A classifier of the training images, which must name at least 91 % of the test images rightly,
is the judge: it names 10,000 samples, made with the test images' labels, and its features tell
how far these are from the test images (Fréchet distance; beside it that of 10,000 training
images), and recall and precision (Kynkäänniemi et al., 2019, with their three neighbours).

A model that learns through another's run is written behind it:
"vqgan:steps=1500/transformer:steps=1500".

python benchmarks/gan_quality.py --models dcgan:channels=32 r3gan --seeds 0 --minutes 20 --size 32
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from _common import FASHION, named, place, report, spread

import ganvas
from ganvas.core import seeded_rng
from ganvas.core.statistics import frechet_distance, neighbour_radius
from ganvas.evaluation.features.learned import Learned

FIGURES = ("frechet", "precision", "recall", "class_accuracy", "worst_class")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["dcgan:channels=32", "r3gan"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=6000, help="of the classifier's training")
    parser.add_argument("--runs", type=Path, default=Path("runs/quality"))
    parser.add_argument("--id", default="gan-quality", help="name of the file of results")
    given = parser.parse_args()
    runs = {
        (model, seed): train(model, seed, given) for seed in given.seeds for model in given.models
    }
    modality = next(iter(runs.values())).run.modality.inner
    train_set = modality.read(FASHION)
    classifier = Learned.fit(train_set, modality, given.runs / ".features", steps=given.steps)
    test = modality.read(FASHION / "t10k-images-idx3-ubyte.gz").gather()
    assert test.y is not None
    right = (classifier.classify(test.x) == test.y.squeeze(1)).float().mean().item()
    print(f"classifier on real test images: {right:.2%}")
    judged = {of: judge(run, test.x, test.y, classifier) for of, run in runs.items()}
    real = classifier(train_set.gather(most=len(test)).x).double()
    report(
        given.id,
        {
            "minutes": given.minutes,
            "classifier_on_test_images": right,
            "frechet_of_training_images": frechet_distance(classifier(test.x).double(), real),
            **{
                model: {
                    name: spread([judged[model, seed][name] for seed in given.seeds])
                    for name in FIGURES
                }
                for model in given.models
            },
            "runs": [
                {"model": model, "seed": seed} | figures
                for (model, seed), figures in judged.items()
            ],
        },
    )


def train(words: str, seed: int, given: argparse.Namespace) -> ganvas.Trained:
    """A run; of models that learn through one another, the last's."""
    run, settings = None, {"size": given.size}
    for i, name in enumerate(words.split("/"), 1):
        model, options = named(name)
        out = given.runs / f"{place('/'.join(words.split('/')[:i]))}-{seed}"
        run = ganvas.train(
            model,
            FASHION,
            out=out,
            seed=seed,
            held_out=0.0,
            **({"minutes": given.minutes} | settings | options),
        )
        settings = {"through": out}
    assert run is not None, "words name at least one model"
    return run


def drawn(run: ganvas.Trained, y: torch.Tensor) -> torch.Tensor:
    """One image of each label."""
    x, modality = run.model.sample(len(y), y), run.run.modality
    return modality.decode(x).float()


@torch.no_grad()
def judge(
    run: ganvas.Trained, x: torch.Tensor, y: torch.Tensor, classifier: Learned
) -> dict[str, float]:
    """Samples with the test images' labels, beside the test images."""
    with seeded_rng(0):
        made = torch.cat([drawn(run, part) for part in y.split(500)])
    right = (classifier.classify(made) == y.squeeze(1)).float()
    some = made[y.squeeze(1).argsort(stable=True)][:: len(y) // 100]
    run.run.modality.inner.sheet(some, run.run.path / "by-class.png", 10)
    real, fake = classifier(x), classifier(made)
    real_reach, fake_reach = neighbour_radius(real, 3), neighbour_radius(fake, 3)
    inside_real = torch.cat(
        [(torch.cdist(part, real) <= real_reach).any(1) for part in fake.split(1000)]
    )
    inside_fake = torch.cat(
        [(torch.cdist(part, fake) <= fake_reach).any(1) for part in real.split(1000)]
    )
    return {
        "frechet": frechet_distance(real.double(), fake.double()),
        "class_accuracy": right.mean().item(),
        "worst_class": min(right[y.squeeze(1) == label].mean().item() for label in range(10)),
        "precision": inside_real.float().mean().item(),
        "recall": inside_fake.float().mean().item(),
        "steps": run.run.state["step"],
        "seconds": run.run.state["seconds"],
    }


if __name__ == "__main__":
    main()
