"""Images as examples: in memory, or decoded when they are asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...core import Batch, Data
from .crops import THREADS, resize_to_side
from .sources import Encoded

if TYPE_CHECKING:
    from .modality import Images


class Resident(Data):
    """Images that live as one tensor on the device, uint8 (N, C, S, S)."""

    def __init__(
        self, pixels: Tensor, labels: Tensor | None, keys: Tensor, names: list[str], flip: bool
    ) -> None:
        self.pixels, self.labels, self._keys, self.names, self.flip = (
            pixels,
            labels,
            keys,
            names,
            flip,
        )

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, rows: Tensor, step: int | None = None) -> Batch:
        pixels = self.pixels[rows.to(self.pixels.device)]
        return Batch(
            resize_to_side(pixels, step if self.flip else None),
            None if self.labels is None else self.labels[rows],
        )

    def keys(self) -> Tensor:
        return self._keys

    def subset(self, rows: Tensor) -> Resident:
        labels = None if self.labels is None else self.labels[rows]
        names = [self.names[i] for i in rows.tolist()]
        return Resident(
            self.pixels[rows.to(self.pixels.device)], labels, self._keys[rows], names, self.flip
        )

    def kept(self) -> str:
        return f"in memory ({self.pixels.nbytes / 2**20:,.0f} MB)"


class Streamed(Data):
    """Images that are decoded when they are asked for, by threads: Pillow lets others work while
    it decodes."""

    ahead = 2

    def __init__(
        self, images: Images, found: Encoded, labels: Tensor | None, keys: Tensor, rows: Tensor
    ) -> None:
        self.images, self.found, self.all_labels, self.all_keys, self.rows = (
            images,
            found,
            labels,
            keys,
            rows,
        )
        self.pool = ThreadPoolExecutor(THREADS)

    @property
    # made when asked for: there may be very many
    def names(self) -> list[str]:  # type: ignore[override]
        return [self.found.names[i] for i in self.rows.tolist()]

    @property
    def labels(self) -> Tensor | None:
        return None if self.all_labels is None else self.all_labels[self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: Tensor, step: int | None = None) -> Batch:
        chosen = self.rows[rows]
        decoded = self.pool.map(
            lambda i: self.images.decode_file(self.found.content(i)), chosen.tolist()
        )
        pixels = torch.from_numpy(np.stack(list(decoded)))
        labels = None if self.all_labels is None else self.all_labels[chosen]
        return Batch(resize_to_side(pixels, step if self.images.flip else None), labels)

    def keys(self) -> Tensor:
        return self.all_keys[self.rows]

    def subset(self, rows: Tensor) -> Streamed:
        return Streamed(self.images, self.found, self.all_labels, self.all_keys, self.rows[rows])

    def kept(self) -> str:
        return f"too many for memory: decoded as they are needed, by {THREADS} threads"
