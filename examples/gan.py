"""The first GAN: new images of clothes from noise, as a sheet."""

from pathlib import Path

import ganvas
from ganvas.data.samples import FASHION


def main(out: Path = Path("runs/example-gan"), **options: object) -> None:
    run = ganvas.train("gan", FASHION, out=out, **options)
    for number, image in enumerate(run.sample(n=10, seed=0)):
        image.save(out / f"made-{number}.png")


if __name__ == "__main__":
    main()
