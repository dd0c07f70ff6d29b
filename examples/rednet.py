"""Restoring images: teach a RED-Net to undo noise, lost pixels and JPEG, then show it damaged
ones."""

from pathlib import Path

import ganvas
from ganvas.data.samples import FASHION


def main(out: Path = Path("runs/example-rednet"), **options: object) -> None:
    run = ganvas.train("rednet", FASHION, out=out, channels=16, **options)
    damaged = run.model.degrade(
        run.run.modality.read(FASHION / "t10k-images-idx3-ubyte.gz").gather(most=5).x
    )
    for number, image in enumerate(run.denoise(damaged)):
        run.run.modality.save(image[None], out, [f"{number}-after"])


if __name__ == "__main__":
    main()
