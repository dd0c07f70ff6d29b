"""Drawings of series: lines over time, and what was found on them."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

COLOURS = ("#3366cc", "#dc3912", "#109618", "#ff9900", "#990099", "#0099c6", "#dd4477", "#66aa00")
FOUND, INK, FRAME = "#fbd0d0", "#333333", "#cccccc"
PANEL = (160, 96)  # pixels of one window
WIDE, LANE, MARGIN = 1600, 90, 8  # pixels of a drawing of series, and of one column in it
LANES = 24  # columns that are drawn


def stretches(found: np.ndarray, gap: int) -> list[tuple[int, int]]:
    """Where findings (n,) begin and end, those joined that are no further apart than `gap`."""
    places = np.flatnonzero(found)
    if not len(places):
        return []
    breaks = np.flatnonzero(np.diff(places) > gap + 1)
    first, last = (
        places[np.concatenate([[0], breaks + 1])],
        places[np.concatenate([breaks, [len(places) - 1]])],
    )
    return [(int(a), int(b) + 1) for a, b in zip(first, last, strict=True)]


def draw_windows(x: Tensor, across: int | None, names: Sequence[str]) -> Image.Image:
    """Windows (n, columns, moments) in [-1, 1] in a grid, each column a line of its colour."""
    values = x.detach().float().cpu().numpy()
    across = min(across or 8, len(values))
    image = Image.new(
        "RGB", (across * PANEL[0], ceil(len(values) / across) * PANEL[1] + 18), "white"
    )
    pen = ImageDraw.Draw(image)
    for i, window in enumerate(values):
        left, top = i % across * PANEL[0], i // across * PANEL[1]
        pen.rectangle((left + 2, top + 2, left + PANEL[0] - 3, top + PANEL[1] - 3), outline=FRAME)
        for j, line in enumerate(window[:LANES]):
            _line(
                pen,
                line,
                (left + 4, top + 4, left + PANEL[0] - 5, top + PANEL[1] - 5),
                COLOURS[j % len(COLOURS)],
            )
    at = 4
    for j, name in enumerate(names[: len(COLOURS)]):
        pen.text((at, image.height - 16), name[:20], fill=COLOURS[j])
        at += 8 + int(pen.textlength(name[:20]))
    return image


def draw_series(
    values: np.ndarray,
    names: Sequence[str],
    times: Sequence[str],
    found: Sequence[tuple[int, int]],
    scores: np.ndarray,
) -> Image.Image:
    """Series (moments, columns), one lane a column and one for the scores (moments,), shaded where
    something was found.

    Of many moments a pixel shows the least and the greatest value.
    """
    lanes = [*zip(names[:LANES], values.T, strict=False), ("score", scores)]
    image = Image.new("RGB", (WIDE, len(lanes) * LANE + 24), "white")
    pen = ImageDraw.Draw(image)
    across = (WIDE - 2 * MARGIN) / max(len(values), 1)
    for first, end in found:
        right = max(MARGIN + end * across, MARGIN + first * across + 2)
        pen.rectangle((MARGIN + first * across, 0, right, len(lanes) * LANE), fill=FOUND)
    for i, (name, lane) in enumerate(lanes):
        box = (MARGIN, i * LANE + 14, WIDE - MARGIN, (i + 1) * LANE - 4)
        low, high = float(lane.min()), float(lane.max())
        pen.line((0, (i + 1) * LANE, WIDE, (i + 1) * LANE), fill=FRAME)
        scaled = (lane - (low + high) / 2) / max((high - low) / 2, 1e-12)
        _envelope(pen, scaled, box, INK if name == "score" else COLOURS[0])
        pen.text((MARGIN, i * LANE + 1), f"{name}  {low:.4g} to {high:.4g}", fill=INK)
    pen.text((MARGIN, image.height - 18), str(times[0]), fill=INK)
    pen.text(
        (WIDE - MARGIN - pen.textlength(str(times[-1])), image.height - 18),
        str(times[-1]),
        fill=INK,
    )
    return image


def _envelope(
    pen: ImageDraw.ImageDraw, values: np.ndarray, box: tuple[int, int, int, int], colour: str
) -> None:
    """Values in [-1, 1] as a line, or where there are many for a pixel, as the range they are
    in."""
    left, top, right, bottom = box
    if len(values) <= 2 * (right - left):
        _line(pen, values, box, colour)
        return
    edges = np.linspace(0, len(values), right - left + 1).astype(int)[:-1]
    low, high = np.minimum.reduceat(values, edges), np.maximum.reduceat(values, edges)
    middle, half = (top + bottom) / 2, (bottom - top) / 2
    for i, (a, b) in enumerate(zip(low, high, strict=True)):
        pen.line((left + i, middle - b * half, left + i, middle - a * half + 1), fill=colour)


def _line(
    pen: ImageDraw.ImageDraw, values: np.ndarray, box: tuple[int, int, int, int], colour: str
) -> None:
    left, top, right, bottom = box
    x = np.linspace(left, right, len(values))
    y = (top + bottom) / 2 - values.clip(-1, 1) * (bottom - top) / 2
    pen.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=colour)
