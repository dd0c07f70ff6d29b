"""Sheets of examples beside what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..core import Modality
from ..core.images import mirror_pad

SHOWN, ACROSS = 60, 10
"""Examples of a sheet, and of each of its rows, at most."""

MIDDLE = 160
"""Pixels a side of an image that are shown."""


def save_stacked(kinds: Sequence[Tensor], modality: Modality, file: Path) -> Path:
    """A sheet of examples, ten a row, below each what goes with it."""
    return modality.sheet(stack_kinds(kinds), file, min(ACROSS, len(kinds[0])))


def stack_kinds(kinds: Sequence[Tensor]) -> Tensor:
    """The first examples in rows of ten, each row followed by those of what goes with it."""
    split = [kind[:SHOWN].split(ACROSS) for kind in kinds]
    return torch.cat([part for parts in zip(*split, strict=True) for part in parts])


def stack_rows(rows: Sequence[Tensor], across: int) -> Tensor:
    """Examples of each row one after the other, (rows * across, ...); what a row lacks stays
    white."""
    white = [row.new_ones(across - len(row), *row.shape[1:]) for row in rows]
    return torch.cat([part for pair in zip(rows, white, strict=True) for part in pair])


def crop_middle(x: Tensor) -> Tensor:
    """The middle of an image (C, H, W), pixel by pixel; all of a small one."""
    top, left = (max(n - MIDDLE, 0) // 2 for n in x.shape[1:])
    return x[:, top : top + MIDDLE, left : left + MIDDLE].clone()  # the rest may go


def stack_squares(images: Sequence[Tensor]) -> Tensor:
    """Images (C, H, W) as squares of the largest side, in one tensor: what a smaller one lacks is
    mirrored."""
    side = max(max(x.shape[1:]) for x in images)
    return torch.stack([mirror_pad(x, side, side) for x in images])


def there_and_back(frames: Tensor) -> list[Tensor]:
    """Frames, and but for the two ends the same backwards."""
    return [*frames, *frames.flip(0)[1:-1]]
