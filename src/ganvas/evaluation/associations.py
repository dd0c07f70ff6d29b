"""How strongly columns go together, among real rows and among samples, drawn side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from .metrics.c2st import as_numbers

LEVELS = 10  # that a column is cut into: bins of a number, the most frequent levels of a category
MOST = 40  # columns that are drawn
LABELS, GAP = 110, 24  # pixels


def associations(frame: pd.DataFrame) -> np.ndarray:
    """Cramér's V of every pair of columns, (columns, columns) in [0, 1], of ten bins or levels of
    each.

    One measure for numbers, categories and both: 0 where two columns are independent, 1 where one
    gives the other (Cramér, 1946). Missing values count as a level.
    """
    x, categories = as_numbers(frame, most=LEVELS - 1)
    codes = [_cut(column, category) for column, category in zip(x.T, categories, strict=True)]
    hot = [np.eye(code.max() + 1)[code] for code in codes]
    result = np.eye(len(hot))
    for i, a in enumerate(hot):
        for j, b in enumerate(hot[:i]):
            seen = a.T @ b / len(a)
            alone = seen.sum(1, keepdims=True) * seen.sum(0)
            chi = ((seen - alone) ** 2 / np.maximum(alone, 1e-12)).sum()
            most = max(min(np.count_nonzero(seen.sum(1)), np.count_nonzero(seen.sum(0))) - 1, 1)
            result[i, j] = result[j, i] = np.sqrt(chi / most)
    return result


def _cut(column: np.ndarray, category: bool) -> np.ndarray:
    """Codes from 0 to LEVELS, the last for what is missing."""
    absent = np.isnan(column)
    if category or absent.all():
        return np.where(absent, LEVELS, np.nan_to_num(column)).astype(int)
    edges = np.unique(np.nanquantile(column, np.linspace(0, 1, LEVELS + 1)[1:-1]))
    return np.where(absent, LEVELS, np.searchsorted(edges, column, "right"))


def draw_associations(real: pd.DataFrame, made: pd.DataFrame, target: Path) -> Path:
    """Three squares: real rows, samples, and by how much they differ (red: where it is most)."""
    names = list(real.columns[:MOST])
    a, b = associations(real[names]), associations(made[names])
    cell = max(6, min(22, 260 // len(names)))
    side = cell * len(names)
    image = Image.new("RGB", (LABELS + 3 * (side + GAP), side + 2 * GAP), "white")
    pen = ImageDraw.Draw(image)
    for row, name in enumerate(names):
        if cell >= 9:
            pen.text((4, GAP + row * cell + (cell - 11) // 2), name[:17], fill="#1d2433")
    shown = {
        "real": (a, (48, 102, 190)),
        "samples": (b, (48, 102, 190)),
        "difference": (abs(a - b), (209, 73, 91)),
    }
    for n, (title, (matrix, colour)) in enumerate(shown.items()):
        left = LABELS + n * (side + GAP)
        pen.text(
            (left, 6),
            f"{title}{f', at most {matrix.max():.2f}' if title == 'difference' else ''}",
            fill="#5c667a",
        )
        pixels = 255 - (255 - np.array(colour)) * np.clip(matrix, 0, 1)[:, :, None]
        square = Image.fromarray(pixels.astype(np.uint8)).resize(
            (side, side), Image.Resampling.NEAREST
        )
        image.paste(square, (left, GAP))
    target.parent.mkdir(parents=True, exist_ok=True)
    image.save(target)
    return target
