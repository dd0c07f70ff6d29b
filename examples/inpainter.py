"""Inpainting: learn what belongs into masked regions, then fill the lower half of unseen images."""

from pathlib import Path

import ganvas
from ganvas.data.samples import FASHION


def main(out: Path = Path("runs/example-inpainter"), **options: object) -> None:
    run = ganvas.train("inpainter", FASHION, out=out, channels=16, **options)
    unseen = run.run.modality.to_python(
        run.run.modality.read(FASHION / "t10k-images-idx3-ubyte.gz").gather(most=8).x
    )
    whole = run.complete(unseen, keep="upper")
    print(len(whole), whole[0].size)


if __name__ == "__main__":
    main()
