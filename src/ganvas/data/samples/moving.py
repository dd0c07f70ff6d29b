"""Objects that move and bounce: video made of images, by the recipe of Moving MNIST (Srivastava
et al., 2015)."""

from __future__ import annotations

import gzip

import numpy as np

from . import FASHION

STEP = 0.1  # of the way that an object has between two walls, in each frame
AT_ONCE = 512  # clips


def moving_images(
    objects: np.ndarray,
    n: int,
    *,
    frames: int = 20,
    side: int = 64,
    together: int = 2,
    seed: int = 0,
) -> np.ndarray:
    """Clips, uint8 (n, frames, side, side), in each of which `together` objects (M, h, h), uint8,
    move on black.

    Every object starts anywhere, goes straight on in some direction, and is thrown back by the
    walls; where two lie one on the other, the brighter value counts. The same seed gives the same
    clips.
    """
    random = np.random.default_rng(seed)
    chosen = random.integers(len(objects), size=(n, together))
    corners = (_paths(random, n * together, frames) * (side - objects.shape[1])).astype(int)
    corners = corners.reshape(n, together, frames, 2)
    clips = np.zeros((n, frames, side, side), np.uint8)
    for start in range(0, n, AT_ONCE):
        part = slice(start, start + AT_ONCE)
        for i in range(together):
            _paste(clips[part], objects[chosen[part, i]], corners[part, i])
    return clips


def moving_clothes(n: int = 600) -> np.ndarray:
    """Small clips made of the images that ship with the package, uint8 (n, 6, 28, 28)."""
    content = gzip.decompress((FASHION / "train-images-idx3-ubyte.gz").read_bytes())[16:]
    images = np.frombuffer(content, np.uint8).reshape(-1, 14, 2, 14, 2)
    return moving_images(images.mean((2, 4)).astype(np.uint8), n, frames=6, side=28)


def _paths(random: np.random.Generator, n: int, frames: int) -> np.ndarray:
    """Places in [0, 1] x [0, 1], (n, frames, 2), of points that bounce."""
    angle = random.uniform(0, 2 * np.pi, n)
    place, speed = random.uniform(size=(n, 2)), STEP * np.stack([np.sin(angle), np.cos(angle)], 1)
    places = np.empty((n, frames, 2))
    for t in range(frames):
        place = place + speed
        speed = np.where((place <= 0) | (place >= 1), -speed, speed)
        places[:, t] = place = place.clip(0, 1)
    return places


def _paste(clips: np.ndarray, objects: np.ndarray, corners: np.ndarray) -> None:
    """Draws into each clip (n, T, S, S) its object (n, h, h), in each frame at a corner (n, T,
    2)."""
    h = objects.shape[1]
    windows = np.lib.stride_tricks.sliding_window_view(clips, (h, h), (2, 3), writeable=True)
    at = np.arange(len(clips))[:, None], np.arange(clips.shape[1]), corners[..., 0], corners[..., 1]
    windows[at] = np.maximum(windows[at], objects[:, None])
