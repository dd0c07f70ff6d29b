"""What all features share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from ...core import Data, Modality


class Features(ABC):
    """Maps examples to vectors (B, D) in which distance means something."""

    @classmethod
    @abstractmethod
    def fit(cls, train: Data, modality: Modality, cache: Path) -> Self:
        """Makes the features ready: trains them on training data, or loads what others trained.

        modality: What the data was read by.
        cache: Folder where what was trained is kept for next time.
        """

    @property
    @abstractmethod
    def description(self) -> str:
        """What a report says they are."""

    @abstractmethod
    def embed(self, x: Tensor) -> Tensor:
        """Feature vectors of one batch, (B, D)."""

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Feature vectors of any number of examples, (N, D), float32."""
        return torch.cat([self.embed(part).float() for part in x.split(256)])

    def classify(self, x: Tensor) -> Tensor | None:
        """Class numbers, (N,), where the features come from a classifier of the data's own
        labels."""
        return None
