"""A DCGAN on an array, judged on images it never saw: what comes in decides what goes out."""

import gzip
from pathlib import Path

import numpy as np

import ganvas
from ganvas.data.samples import FASHION


def main(out: Path = Path("runs/example-dcgan"), **options: object) -> None:
    content = gzip.decompress((FASHION / "train-images-idx3-ubyte.gz").read_bytes())
    images = np.frombuffer(content, np.uint8, offset=16).reshape(-1, 28, 28)
    run = ganvas.train("dcgan", images, out=out, channels=32, **options)
    made = run.sample(n=16, seed=0)
    print(made.shape, made.dtype)
    print(run.evaluate(FASHION / "t10k-images-idx3-ubyte.gz", size=500)["recall"])


if __name__ == "__main__":
    main()
