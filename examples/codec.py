"""A codec: images in fewer bits, as many as one likes to spend."""

from pathlib import Path

import numpy as np

import ganvas
from ganvas.data.samples import FASHION
from ganvas.data.samples.unpacking import fashion


def main(out: Path = Path("runs/example-codec"), **options: object) -> None:
    run = ganvas.train("codec", FASHION, out=out, **options)
    unseen = fashion("t10k")[0][:100]
    for quality in (0, 50, 100):
        packed = run.compress(unseen, quality=quality)
        images = run.decompress(packed)
        print(f"quality {quality}: {8 * len(packed) / np.size(images):.2f} bits a pixel")


if __name__ == "__main__":
    main()
