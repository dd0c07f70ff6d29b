"""Examples by themselves: ranks and categories of a table's columns, pixels of an image. Nothing
is learned."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from torch import Tensor

from ...core import Data, Modality
from ._base import Features


class Plain(Features):
    """The modality's own vectors."""

    description = "plain values: columns in ranks, pixels, coarse frames, how frequent symbols are"

    def __init__(self, modality: Modality) -> None:
        self.modality = modality

    @classmethod
    def fit(cls, train: Data, modality: Modality, cache: Path) -> Self:
        return cls(modality)

    def embed(self, x: Tensor) -> Tensor:
        return self.modality.vectors(x)
