"""Rows of a table as codes, in memory or mapped from a file."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from torch import Tensor

from ...core import Batch, Data
from .columns import Column

if TYPE_CHECKING:
    from .modality import Tables


class Called(NamedTuple):
    """What rows are called: the number of the first, and what comes before it."""

    first: int = 0
    where: str = ""


class Rows(Data):
    """A table as codes: 2 bytes for every value, 4 more for the place of a number within its
    mode."""

    def __init__(
        self,
        tables: Tables,
        codes: Tensor,
        offsets: Tensor,
        keys: Tensor,
        device: torch.device,
        rows: Tensor | None = None,
        called: Called | None = None,
    ) -> None:
        self.tables, self.codes, self.offsets, self.all_keys, self.device = (
            tables,
            codes,
            offsets,
            keys,
            device,
        )
        self.called = called or Called()
        self.rows = torch.arange(len(codes)) if rows is None else rows

    @property
    # made when asked for: there may be very many
    def names(self) -> list[str]:  # type: ignore[override]
        return [f"{self.called.where}row {self.called.first + i}" for i in self.rows.tolist()]

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: Tensor, step: int | None = None) -> Batch:
        chosen = self.rows[rows]
        codes, offsets = self.codes[chosen].to(self.device), self.offsets[chosen].to(self.device)
        return Batch(self.tables.assemble(codes.long(), offsets))

    def keys(self) -> Tensor:
        return self.all_keys[self.rows]

    def subset(self, rows: Tensor) -> Rows:
        return Rows(
            self.tables,
            self.codes,
            self.offsets,
            self.all_keys,
            self.device,
            self.rows[rows],
            self.called,
        )

    def kept(self) -> str:
        return f"{(self.codes.nbytes + self.offsets.nbytes) / 2**20:,.0f} MB"


class Growing:
    """Rows that arrive in parts: in memory while they are few, in a file that is mapped when they
    are many."""

    def __init__(self, type: Any) -> None:
        self.type, self.shape, self.size = type, (0, 0), 0
        self.parts: list[np.ndarray] = []
        self.room = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") // 8
        self.file: Any = None

    def add(self, rows: np.ndarray) -> None:
        rows = np.ascontiguousarray(rows, self.type)
        self.shape, self.size = (self.shape[0] + len(rows), rows.shape[1]), self.size + rows.nbytes
        self.parts.append(rows)
        if self.size > self.room:
            # gone with the last who maps it
            self.file = self.file or tempfile.TemporaryFile()  # noqa: SIM115
            for part in self.parts:
                part.tofile(self.file)
            self.parts = []

    def tensor(self) -> Tensor:
        if self.file is None or not self.size:
            whole, at = np.empty(self.shape, self.type), 0
            while self.parts:  # each goes as it is copied, so that they are never there twice
                part = self.parts.pop(0)
                whole[at : at + len(part)] = part
                at += len(part)
            return torch.from_numpy(whole)
        for part in self.parts:
            part.tofile(self.file)
        self.file.flush()
        return torch.from_numpy(np.memmap(self.file, self.type, "r+", shape=self.shape))


def hash_rows(arrays: list[tuple[Column, pa.Array]]) -> np.ndarray:
    """A hash of each row's content, int64."""
    frame = pd.DataFrame({str(i): array.to_pandas() for i, (_, array) in enumerate(arrays)})
    return pd.util.hash_pandas_object(frame, index=False).to_numpy().view(np.int64)
