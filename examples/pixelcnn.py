"""PixelCNN: pictures in few bits, back to the last one; and how strange each pixel is."""

from pathlib import Path

import ganvas
from ganvas.samples import FASHION


def main(out: Path = Path("runs/example-pixelcnn"), **options: object) -> None:
    run = ganvas.train("pixelcnn", FASHION, out=out, **options)
    unseen = FASHION / "t10k-images-idx3-ubyte.gz"
    packed = run.compress(unseen)
    pictures = run.decompress(packed)
    print(f"{8 * len(packed) / pictures.size:.2f} bits a pixel, {len(pictures)} pictures")


if __name__ == "__main__":
    main()
