"""Encodes: examples become latents."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from ._base import LATENTS, Ability, Signature, random_examples


class Encodes(Ability):
    """Summarises examples as latents."""

    export = Signature(
        "encoder",
        lambda model, x: {"z": model.encode(x)},
        lambda model, n: {"x": random_examples(model.space, n)},
        rank=8,
        meanings=lambda model: {"z": LATENTS},
    )

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Latents of examples, shape (B, ...)."""
