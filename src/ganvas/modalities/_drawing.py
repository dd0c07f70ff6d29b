"""Pictures of what is no picture."""

from __future__ import annotations

from pathlib import Path

from PIL import Image


def save_gif(frames: list[Image.Image], target: Path, seconds: float) -> Path:
    """Writes pictures that follow each other every so many seconds, for ever."""
    target.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(target, save_all=True, append_images=frames[1:], duration=round(seconds * 1000), loop=0)
    return target
