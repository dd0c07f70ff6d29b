"""PixelCNN: pictures in few bits, back to the last one; and how strange each pixel is."""

from pathlib import Path

import ganvas
from ganvas.data.samples import FASHION
from ganvas.data.samples.unpacking import fashion


def main(out: Path = Path("runs/example-pixelcnn"), **options: object) -> None:
    run = ganvas.train("pixelcnn", FASHION, out=out, **options)
    unseen = fashion("t10k")[0][:50]
    packed = run.compress(unseen)
    pictures = run.decompress(packed)
    print(f"{8 * len(packed) / pictures.size:.2f} bits a pixel, {len(pictures)} pictures")


if __name__ == "__main__":
    main()
