"""Images as codes, and a transformer that learns the codes: shirts, bags and boots drawn code by
code."""

from pathlib import Path

import ganvas
from ganvas.data.samples import FASHION


def main(out: Path = Path("runs/example-vqvae"), **options: object) -> None:
    codes = ganvas.train("vqvae", FASHION, out=out / "codes", channels=16, codes=128, **options)
    drawn = ganvas.train(
        "transformer",
        FASHION,
        through=codes.run.path,
        out=out / "drawn",
        width=64,
        depth=2,
        **options,
    )
    print(len(drawn.sample(n=4, label="Bag", temperature=0.9, seed=0)), "bags")


if __name__ == "__main__":
    main()
