"""Images in fewer bits, at a loss: `ganvas compress --quality` with Codec on unseen images of
Fashion-MNIST.

Beside it JPEG and WebP at all their qualities: a file an image, and all images in one mosaic of
tiles of 32 x 32 pixels, which spares them a header for each and lies well in their blocks. Bits are
those of real files, a pixel of the images. Ours at one quality is one file. Curves of PSNR (of
the mean squared error) and SSIM (the mean) are drawn.

python benchmarks/rate_distortion.py [--runs runs]      # trains first where runs/codec-fashion is
not there
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import pairwise
from math import log10
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from _common import HERE, fashion, fashion_run, report
from PIL import Image, ImageDraw, ImageFont
from torchmetrics.functional.image import structural_similarity_index_measure as ssim

from ganvas.api import Trained

SIDE, TILE = 28, 32
QUALITIES = (1, 3, 5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95)
AT = (0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)  # bits a pixel that the table has
COLOURS = {
    "ganvas compress, Codec": "#c2410c",
    "JPEG, a mosaic": "#1d4ed8",
    "WebP, a mosaic": "#047857",
    "JPEG, a file each": "#93c5fd",
    "WebP, a file each": "#6ee7b7",
}


class Point(NamedTuple):
    """What one quality gives."""

    quality: int
    bits: float
    psnr: float
    ssim: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), help="where the trained run is, or goes"
    )
    parser.add_argument(
        "--images", type=int, default=2_000, help="how many, a multiple of a hundred"
    )
    given = parser.parse_args()
    run, x = fashion_run("codec", given.runs), fashion("t10k")[0][: given.images]
    curves = {"ganvas compress, Codec": list(_ours(run, x))}
    for form in ("JPEG", "WEBP"):
        name = form.replace("WEBP", "WebP")
        curves[f"{name}, a mosaic"] = list(_mosaics(form, x))
        curves[f"{name}, a file each"] = list(_files(form, x))
    for measure in ("psnr", "ssim"):
        _draw(curves, measure, HERE / "results" / f"rate-distortion-{measure}.png")
    report(
        "rate-distortion",
        {
            "images": len(x),
            "trained": {"steps": run.run.state["step"], "seconds": run.run.state["seconds"]},
            "at_equal_bits": {
                str(bits): {name: _at(curve, bits) for name, curve in curves.items()} for bits in AT
            },
            "curves": {
                name: [point._asdict() for point in curve] for name, curve in curves.items()
            },
        },
    )


def _ours(run: Trained, x: np.ndarray) -> Iterator[Point]:
    for quality in range(0, 101, 10):
        packed = run.compress(x, quality=quality)
        yield _point(quality, len(packed), x, run.decompress(packed))


def _mosaics(form: str, x: np.ndarray) -> Iterator[Point]:
    tiles = np.pad(x, ((0, 0), (0, TILE - SIDE), (0, TILE - SIDE)), mode="edge")
    whole = tiles.reshape(-1, 100, TILE, TILE).transpose(0, 2, 1, 3).reshape(-1, 100 * TILE)
    for quality in QUALITIES:
        content, back = _coded(whole, form, quality)
        apart = back.reshape(-1, TILE, 100, TILE).transpose(0, 2, 1, 3).reshape(-1, TILE, TILE)
        yield _point(quality, len(content), x, apart[:, :SIDE, :SIDE])


def _files(form: str, x: np.ndarray) -> Iterator[Point]:
    for quality in QUALITIES:
        coded = [_coded(one, form, quality) for one in x]
        yield _point(
            quality,
            sum(len(content) for content, _ in coded),
            x,
            np.stack([back for _, back in coded]),
        )


def _coded(pixels: np.ndarray, form: str, quality: int) -> tuple[bytes, np.ndarray]:
    """A file, as small as the format can make it at this quality, and what it shows."""
    sink = BytesIO()
    options: dict[str, object] = {"optimize": True} if form == "JPEG" else {"method": 6}
    Image.fromarray(pixels).save(sink, form, quality=quality, **options)
    return sink.getvalue(), np.array(Image.open(sink).convert("L"))


def _point(quality: int, size: int, x: np.ndarray, back: np.ndarray) -> Point:
    error = np.square(back.astype(np.float64) - x).mean()
    a, b = (torch.from_numpy(v.astype(np.float32)).unsqueeze(1) for v in (back, x))
    alike = ssim(a, b, data_range=255.0)
    return Point(quality, 8 * size / x.size, 10 * log10(255**2 / max(error, 1e-9)), float(alike))


def _at(curve: Sequence[Point], bits: float) -> dict[str, float] | None:
    """PSNR and SSIM at so many bits, between the two qualities that lie around it; None beyond all
    of them."""
    for a, b in pairwise(sorted(curve, key=lambda point: point.bits)):
        if a.bits <= bits <= b.bits:
            share = (bits - a.bits) / max(b.bits - a.bits, 1e-9)
            return {
                "psnr": a.psnr + share * (b.psnr - a.psnr),
                "ssim": a.ssim + share * (b.ssim - a.ssim),
            }
    return None


def _draw(curves: dict[str, list[Point]], measure: str, file: Path, most: float = 4.0) -> None:
    """Rate across, up to `most` bits; quality upwards."""
    width, height, edge = 900, 560, 60
    values = [getattr(p, measure) for curve in curves.values() for p in curve if p.bits <= most]
    low, high = min(values), max(values)
    canvas, font = Image.new("RGB", (width, height), "white"), ImageFont.load_default(16)
    draw = ImageDraw.Draw(canvas)

    def place(bits: float, value: float) -> tuple[float, float]:
        across, up = bits / most, (value - low) / (high - low)
        return edge + across * (width - 2 * edge), height - edge - up * (height - 2 * edge)

    for tick in range(int(most) + 1):
        at = place(tick, low)
        draw.line([at, place(tick, high)], fill="#e5e7eb")
        draw.text((at[0], at[1] + 8), str(tick), fill="black", font=font, anchor="ma")
    for tick in np.linspace(low, high, 6):
        at = place(0, float(tick))
        draw.line([at, place(most, float(tick))], fill="#e5e7eb")
        draw.text((at[0] - 6, at[1]), f"{tick:.3g}", fill="black", font=font, anchor="rm")
    draw.text((width / 2, height - 22), "bits a pixel", fill="black", font=font, anchor="mm")
    draw.text(
        (edge, 30),
        {"psnr": "PSNR, dB", "ssim": "SSIM"}[measure],
        fill="black",
        font=font,
        anchor="lm",
    )
    for number, (name, curve) in enumerate(curves.items()):
        shown = [place(p.bits, getattr(p, measure)) for p in curve if p.bits <= most]
        if len(shown) > 1:
            draw.line(shown, fill=COLOURS[name], width=3, joint="curve")
        draw.text(
            (width - edge - 8, height - edge - 24 * (number + 1)),
            name,
            COLOURS[name],
            font=font,
            anchor="rm",
        )
    canvas.save(file, optimize=True)


if __name__ == "__main__":
    main()
