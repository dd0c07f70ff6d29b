"""The main job, on images that ship with Ganvas: train a conditional DCGAN and a VAE, judge both,
use both.

python examples/demo.py          (about four minutes on two processor cores)
"""

from __future__ import annotations

from pathlib import Path

import ganvas
from ganvas.data.samples import FASHION

UNSEEN = FASHION / "t10k-images-idx3-ubyte.gz"


def main(out: Path = Path("runs/demo"), **options: object) -> None:
    """Trains both models into `out`; `options` override how long."""
    gan = ganvas.train(
        "dcgan",
        FASHION,
        out=out / "dcgan",
        channels=32,
        batch=32,
        lr={"discriminator": 4e-4, "generator": 4e-4},
        **({"minutes": 1.6} | options),
    )
    vae = ganvas.train(
        "vae",
        FASHION,
        out=out / "vae",
        network="perceptron",
        likelihood="bernoulli",
        **({"minutes": 0.7} | options),
    )
    for run in (gan, vae):
        judged = run.evaluate(UNSEEN)
        print(f"\n{run.run.config['model']}")
        for figure in judged.figures:
            print(f"  {figure.name}: {figure.value.value:.4g}")
    for label in ("Trouser", "Sandal", "Bag"):
        for number, image in enumerate(gan.sample(n=3, label=label, seed=0)):
            image.save(out / f"{label.lower()}-{number}.png")
    print("\nThe reports, to open in a browser:")
    for run in (gan, vae):
        print(f"  {(run.run.path / 'report.html').resolve()}")


if __name__ == "__main__":
    main()
