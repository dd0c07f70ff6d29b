"""A conditional GAN: more training data for a class that is rare. Labels come from the data: IDX
files, sub-folders."""

from pathlib import Path

import ganvas
from ganvas.data.samples import FASHION


def main(out: Path = Path("runs/example-cgan"), **options: object) -> None:
    run = ganvas.train("cgan", FASHION, out=out, **options)
    (out / "Bag").mkdir(exist_ok=True)
    for number, image in enumerate(run.sample(n=20, label="Bag", seed=0)):
        image.save(out / "Bag" / f"{number}.png")


if __name__ == "__main__":
    main()
