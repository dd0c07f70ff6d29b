"""CycleGAN: boots into sandals and back, from two heaps of images without pairs."""

import gzip
from pathlib import Path

import numpy as np

import ganvas
from ganvas.data.samples import FASHION

SANDAL, BOOT = 5, 9


def main(out: Path = Path("runs/example-cyclegan"), **options: object) -> None:
    images, labels = (
        np.frombuffer(
            gzip.decompress((FASHION / f"train-{kind}-ubyte.gz").read_bytes()),
            np.uint8,
            offset=offset,
        )
        for kind, offset in (("images-idx3", 16), ("labels-idx1", 8))
    )
    images = images.reshape(-1, 28, 28)
    boots, sandals = images[labels == BOOT], images[labels == SANDAL]
    run = ganvas.train(
        "cyclegan", {"boots": boots, "sandals": sandals}, out=out, channels=16, blocks=3, **options
    )
    made = run.translate(boots[:8], to="sandals")
    back = run.translate(made, to="boots")
    print(made.shape, float(np.abs(back.astype(float) - boots[:8]).mean()))


if __name__ == "__main__":
    main()
