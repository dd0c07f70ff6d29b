"""Writing videos: H.264 in MP4 where PyAV is there to do it, else GIF."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...core import InputError
from .._drawing import save_gif
from .sources import pyav

CODECS = {".webm": ("libvpx-vp9", "libvpx"), ".avi": ("mpeg4",)}
"""By ending, what it is encoded with; the first that is there."""
OTHERWISE = ("libx264", "mpeg4")
QUALITY = {
    "libx264": {"crf": "12"},
    "libvpx-vp9": {"crf": "12", "b": "0"},
    "mpeg4": {"qmin": "2", "qmax": "3"},
}


def save_film(frames: np.ndarray, target: Path, rate: float) -> Path:
    """Writes frames, uint8 (T, H, W) or (T, H, W, 3), as a video of so many a second, or all of
    none of it.

    Returns the file: a GIF where that is asked for, or where PyAV is missing.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        av = None if target.suffix.lower() == ".gif" else pyav()
    except InputError:
        av, target = None, target.with_suffix(".gif")
    if av is None:
        return save_gif([Image.fromarray(frame) for frame in frames], target, max(1 / rate, 0.02))
    beside = target.with_name(f".part-{target.name}")
    try:
        _encode(av, frames, beside, Fraction(rate).limit_denominator(1001))
        os.replace(beside, target)
    except av.FFmpegError as error:
        raise InputError(
            f"{target} cannot be written ({error.strerror}); end it in .mp4, .webm or .gif"
        ) from error
    finally:
        beside.unlink(missing_ok=True)
    return target


def _encode(av: Any, frames: np.ndarray, file: Path, rate: Fraction) -> None:
    """Frames whose sides are odd are enlarged twice: colours are kept for every other pixel."""
    ending = file.suffix.lower()
    codec = next(name for name in CODECS.get(ending, OTHERWISE) if name in av.codecs_available)
    if any(side % 2 for side in frames.shape[1:3]):
        frames = frames.repeat(2, 1).repeat(2, 2)
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=QUALITY.get(codec, {}))
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for frame in frames:
            image = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(frame), "gray" if frame.ndim == 2 else "rgb24"
            )
            container.mux(stream.encode(image))
        container.mux(stream.encode())
