"""A denoising autoencoder: teach it to undo noise, then show it images."""

from pathlib import Path

import ganvas
from ganvas.data.samples import FASHION


def main(out: Path = Path("runs/example-ae"), **options: object) -> None:
    run = ganvas.train(
        "ae", FASHION, out=out, corrupt="gaussian", strength=0.5, latent=64, **options
    )
    for number, (before, after) in enumerate(
        run.reconstruct(FASHION / "t10k-images-idx3-ubyte.gz")[:5]
    ):
        before.save(out / f"{number}-before.png")
        after.save(out / f"{number}-after.png")


if __name__ == "__main__":
    main()
