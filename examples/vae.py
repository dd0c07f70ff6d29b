"""A VAE: a walk between images, and how surprising each image is."""

from pathlib import Path

import ganvas
from ganvas.data.samples import FASHION


def main(out: Path = Path("runs/example-vae"), **options: object) -> None:
    run = ganvas.train("vae", FASHION, out=out, likelihood="bernoulli", **options)
    for number, walk in enumerate(run.interpolate(n=2, steps=5, seed=0)):
        for stop, image in enumerate(walk):
            image.save(out / f"walk-{number}-{stop}.png")
    print(run.evaluate(FASHION / "t10k-images-idx3-ubyte.gz", size=200)["-ELBO (nats)"])


if __name__ == "__main__":
    main()
