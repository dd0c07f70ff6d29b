"""Moving Fashion-MNIST and moving digits by the standard recipe (Srivastava et al., 2015): two
objects of 28 pixels that bounce in 64 x 64, twenty frames, the last ten to be predicted from the
first ten. No object is in both parts.

    python benchmarks/moving_data.py --out moving/      # moving/fashion/train.npy and test.npy,
    moving/digits/...

Objects are images of Fashion-MNIST, its training part to learn from and its test part to be tried
on; or digits of scikit-learn, enlarged from 8 to 28 pixels, the first 1,400 and the other 397.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from _common import fashion
from PIL import Image
from sklearn.datasets import load_digits

from ganvas.data.samples.moving import moving_images

FRAMES, GIVEN = 20, 10
LEARN = 1400  # digits to learn from
SEEDS = {"train": 1, "test": 2}


def objects(kind: str, part: str) -> np.ndarray:
    """Images, uint8 (M, 28, 28), of a kind (fashion or digits) and a part (train or test)."""
    if kind == "fashion":
        return fashion("train" if part == "train" else "t10k")[0]
    small = np.round(load_digits().images * (255 / 16)).astype(np.uint8)
    small = small[:LEARN] if part == "train" else small[LEARN:]
    return np.stack(
        [
            np.asarray(Image.fromarray(one).resize((28, 28), Image.Resampling.BICUBIC))
            for one in small
        ]
    )


def clips(kind: str, part: str, n: int) -> np.ndarray:
    """Clips, uint8 (n, 20, 64, 64); the same ones every time."""
    return moving_images(objects(kind, part), n, frames=FRAMES, seed=SEEDS[part])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kinds", nargs="+", default=["fashion", "digits"])
    parser.add_argument("--train", type=int, default=10_000)
    parser.add_argument("--test", type=int, default=1_000)
    given = parser.parse_args()
    for kind in given.kinds:
        (given.out / kind).mkdir(parents=True, exist_ok=True)
        for part, n in (("train", given.train), ("test", given.test)):
            np.save(given.out / kind / f"{part}.npy", clips(kind, part, n))


if __name__ == "__main__":
    main()
