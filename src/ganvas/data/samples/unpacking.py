"""The data that ships, as files that people have: images in folders, tables, videos."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from ...runtime.errors import InputError, flag
from . import ADULT, FASHION
from .moving import moving_images

CLIPS = {
    "moving": 200,
    "new-moving": 20,
}  # clips that are made of training, and of held-out images
NOISE = 50  # standard deviation, of 255
FRAMES, SIDE, MILLISECONDS = 12, 32, 100


def unpack(out: Path) -> dict[str, str]:
    """Writes all of it into a folder; what is in it already under these names is written again.

    Returns what each file and folder is, by its name.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is no folder; name another with {flag('out')}")
    out.mkdir(parents=True, exist_ok=True)
    shown = {"clothes": fashion("train"), "new-clothes": fashion("t10k")}
    for name, (images, labels) in shown.items():
        _clothes(images, labels, out / name)
    _clothes(*_noisy(*shown["new-clothes"]), out / "noisy-clothes")
    for (name, n), (images, _) in zip(CLIPS.items(), shown.values(), strict=True):
        _clips(images, n, out / name)
    for name, part in (("people", "train"), ("new-people", "held_out")):
        shutil.copyfile(ADULT / f"{part}.csv", out / f"{name}.csv")
    shutil.copyfile(Path(__file__).parent / "README.md", out / "LICENCES.md")
    return {
        "clothes/": (
            f"{len(shown['clothes'][0]):,} images of clothes, a folder for each of ten kinds, to"
            " learn from"
        ),
        "new-clothes/": f"{len(shown['new-clothes'][0]):,} others, to try with",
        "noisy-clothes/": "a tenth of these, with noise",
        "people.csv": "6,000 rows of a census, to learn from",
        "new-people.csv": "2,000 others, to try with",
        "moving/": f"{CLIPS['moving']} short videos of clothes that move, to learn from",
        "new-moving/": f"{CLIPS['new-moving']} others, to try with",
        "LICENCES.md": "where it came from, and its licences",
    }


def fashion(part: Literal["train", "t10k"]) -> tuple[np.ndarray, np.ndarray]:
    """Images of clothes, uint8 (N, 28, 28), and their kinds, uint8 (N,)."""
    x, y = (
        gzip.decompress((FASHION / f"{part}-{what}-ubyte.gz").read_bytes())
        for what in ("images-idx3", "labels-idx1")
    )
    return np.frombuffer(x, np.uint8, offset=16).reshape(-1, 28, 28), np.frombuffer(
        y, np.uint8, offset=8
    )


def _noisy(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every tenth image of each kind with Gaussian noise."""
    some = np.concatenate([np.flatnonzero(labels == kind)[::10] for kind in np.unique(labels)])
    noise = np.random.default_rng(0).normal(0, NOISE, images[some].shape)
    return (images[some] + noise).clip(0, 255).astype(np.uint8), labels[some]


def _clothes(images: np.ndarray, labels: np.ndarray, out: Path) -> None:
    """A folder for each kind, and names that say what is seen: `Ankle boot/ankle-boot-0001.png`."""
    for number, kind in enumerate((FASHION / "labels.txt").read_text("utf-8").splitlines()):
        (out / kind).mkdir(parents=True, exist_ok=True)
        for i, image in enumerate(images[labels == number], 1):
            Image.fromarray(image).save(
                out / kind / f"{kind.lower().replace(' ', '-')}-{i:04d}.png"
            )


def _clips(images: np.ndarray, n: int, out: Path) -> None:
    """GIF files in each of which one thing moves."""
    out.mkdir(parents=True, exist_ok=True)
    small = images.reshape(-1, 14, 2, 14, 2).mean((2, 4)).astype(np.uint8)
    for i, clip in enumerate(moving_images(small, n, frames=FRAMES, side=SIDE, together=1), 1):
        clip[::2, 0, 0] |= 1  # frames that are alike would be written as one
        first, *rest = map(Image.fromarray, clip)
        first.save(
            out / f"{i:04d}.gif", save_all=True, append_images=rest, duration=MILLISECONDS, loop=0
        )
