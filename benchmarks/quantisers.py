"""What survives in codes: quantised autoencoders on all of Fashion-MNIST, equally many steps each,
by one thread.

Judged by the 10,000 test images and what comes back of them: PSNR; mean absolute error of values
from -1 to 1; the Fréchet distance between the two, by features of a classifier of the training
images; how many of the codes are used, and their perplexity, over all test images. Processor
seconds stand beside, since steps cost differently much.

python benchmarks/quantisers.py --models vqvae vqvae:quantizer=finite vqgan --steps 2500 --seeds 0 1
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import process_time

import torch
from _common import FASHION, named, place, report, spread

import ganvas
from ganvas.core.statistics import frechet_distance
from ganvas.evaluation.features.learned import Learned

MODELS = (
    "vqvae",
    "vqvae:start=false",
    "vqvae:revival=false",
    "vqvae:start=false,revival=false",
    "vqvae:quantizer=finite",
    "vqgan:warmup=400,joins=1000",
)
FIGURES = ("psnr", "absolute_error", "frechet", "used", "perplexity", "processor_seconds")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument(
        "--classifier-steps", type=int, default=2000, help="of the classifier's training"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/quantisers"))
    parser.add_argument("--id", default="quantisers", help="name of the file of results")
    given = parser.parse_args()
    torch.set_num_threads(1)
    runs = {
        (model, seed): train(model, seed, given) for seed in given.seeds for model in given.models
    }
    modality = next(iter(runs.values())).run.modality
    train_set = modality.read(FASHION)
    classifier = Learned.fit(
        train_set, modality, given.runs / ".features", steps=given.classifier_steps
    )
    test = modality.read(FASHION / "t10k-images-idx3-ubyte.gz").gather().x
    judged = {of: judge(run, test, classifier) for of, run in runs.items()}
    real = classifier(train_set.gather(most=len(test)).x).double()
    report(
        given.id,
        {
            "steps": given.steps,
            "classifier_accuracy": classifier.accuracy,
            "frechet_of_training_images": frechet_distance(classifier(test).double(), real),
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
    """A run of so many steps; how many seconds of the processor these took is kept beside it."""
    model, options = named(words)
    out = given.runs / f"{place(words)}-{seed}"
    start = process_time()
    trained = ganvas.train(
        model, FASHION, out=out, seed=seed, steps=given.steps, held_out=0.0, **options
    )
    if not (kept := out / "processor-seconds.txt").exists():
        kept.write_text(str(process_time() - start))
    return trained


@torch.no_grad()
def judge(trained: ganvas.Trained, x: torch.Tensor, classifier: Learned) -> dict[str, float]:
    """Test images (N, 1, 28, 28), and what comes back of them."""
    model = trained.model
    codes = torch.cat([model.encode(part) for part in x.split(500)])
    back = torch.cat([model.decode(part) for part in codes.split(500)])
    shown = torch.cat(
        [part for pair in zip(x[:60].split(10), back[:60].split(10), strict=True) for part in pair]
    )
    trained.run.modality.sheet(shown, trained.run.path / "test-images.png", 10)
    counts = codes.flatten().bincount(minlength=model.latents.vocabulary)
    p = counts / counts.sum()
    return {
        "psnr": -10 * ((back - x) / 2).square().mean().log10().item(),
        "absolute_error": (back - x).abs().mean().item(),
        "frechet": frechet_distance(classifier(x).double(), classifier(back).double()),
        "used": (counts > 0).float().mean().item(),
        "perplexity": torch.special.entr(p).sum().exp().item(),
        "codes": model.latents.vocabulary,
        "places": model.latents.length,
        "processor_seconds": float((trained.run.path / "processor-seconds.txt").read_text()),
    }


if __name__ == "__main__":
    main()
