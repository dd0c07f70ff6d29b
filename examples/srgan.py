"""Making images larger: teach an SRGAN small images and what they were, then show it small
ones."""

from pathlib import Path

import ganvas
from ganvas.core.images import downscale
from ganvas.data.samples import FASHION


def main(out: Path = Path("runs/example-srgan"), **options: object) -> None:
    run = ganvas.train(
        "srgan", FASHION, out=out, scale=2, size=28, channels=16, depth=4, warmup=1500, **options
    )
    small = downscale(
        run.run.modality.read(FASHION / "t10k-images-idx3-ubyte.gz").gather(most=5).x, 2
    )
    for fidelity in (0.0, 1.0):
        for number, image in enumerate(run.upscale(small, fidelity=fidelity)):
            run.run.modality.save(image[None], out, [f"{number}-fidelity-{fidelity:g}"])


if __name__ == "__main__":
    main()
