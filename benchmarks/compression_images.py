"""Images in few bits: `ganvas compress` with PixelCNN on the 10,000 test images of
Fashion-MNIST, all unseen.

Beside it, in bits of real files a pixel: PNG and WebP without loss, a file an image and all in one
mosaic; zstd -19 and xz -9e of the raw levels. Our images come back equal. The model, which both
sides need, is counted apart.

python benchmarks/compression_images.py [--runs runs]      # trains first where
runs/pixelcnn-fashion is not there
"""

from __future__ import annotations

import argparse
import lzma
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow as pa
from _common import fashion, fashion_run, report
from PIL import Image

OTHERS: dict[str, Callable[[np.ndarray], int]] = {
    "zstd -19": lambda x: len(pa.Codec("zstd", 19).compress(x.tobytes())),
    "xz -9e": lambda x: len(lzma.compress(x.tobytes(), preset=9 | lzma.PRESET_EXTREME)),
    "PNG, a file each": lambda x: sum(_size(one, "PNG", optimize=True) for one in x),
    "PNG, a mosaic": lambda x: _size(_mosaic(x), "PNG", optimize=True),
    "WebP, a file each": lambda x: sum(
        _size(one, "WEBP", lossless=True, quality=100, method=6) for one in x
    ),
    "WebP, a mosaic": lambda x: _size(_mosaic(x), "WEBP", lossless=True, quality=100, method=6),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), help="where the trained run is, or goes"
    )
    parser.add_argument(
        "--images", type=int, default=10_000, help="how many, a multiple of a hundred"
    )
    given = parser.parse_args()
    run, x = fashion_run("pixelcnn", given.runs), fashion("t10k")[0][: given.images]
    run.decompress(run.compress(x[:10]))
    start = perf_counter()
    packed = run.compress(x)
    middle = perf_counter()
    back = run.decompress(packed)
    end = perf_counter()
    assert np.array_equal(back, x)
    sizes = {
        "ganvas compress, PixelCNN": len(packed),
        **{name: size(x) for name, size in OTHERS.items()},
    }
    report(
        "compression-images",
        {
            "images": len(x),
            "bits_per_pixel": {name: 8 * size / x.size for name, size in sizes.items()},
            "images_per_second": {
                "compress": len(x) / (middle - start),
                "decompress": len(x) / (end - middle),
            },
            "trained": {"steps": run.run.state["step"], "seconds": run.run.state["seconds"]},
            "weights_bytes": sum(value.nbytes for value in run.model.state_dict().values()),
        },
    )


def _size(pixels: np.ndarray, form: str, **options: object) -> int:
    sink = BytesIO()
    Image.fromarray(pixels).save(sink, form, **options)
    return len(sink.getvalue())


def _mosaic(x: np.ndarray) -> np.ndarray:
    """Images side by side in rows of a hundred: a multiple of that many."""
    return x.reshape(-1, 100, 28, 28).transpose(0, 2, 1, 3).reshape(-1, 2800)


if __name__ == "__main__":
    main()
