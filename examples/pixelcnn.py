"""PixelCNN: images in few bits, back to the last one; and how anomalous each pixel is."""

from pathlib import Path

import ganvas
from ganvas.data.samples import FASHION
from ganvas.data.samples.unpacking import fashion


def main(out: Path = Path("runs/example-pixelcnn"), **options: object) -> None:
    run = ganvas.train("pixelcnn", FASHION, out=out, **options)
    unseen = fashion("t10k")[0][:50]
    packed = run.compress(unseen)
    images = run.decompress(packed)
    print(f"{8 * len(packed) / images.size:.2f} bits a pixel, {len(images)} images")


if __name__ == "__main__":
    main()
