"""Decodes: latents become examples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..core import InputError
from ._base import LABEL, LATENTS, NOISE, Ability, Given, Signature, random_examples, random_labels


def _inputs(model: Any, n: int) -> Given:
    return {"z": _random_latents(model, n), **random_labels(model, n)}


def _random_latents(model: Any, n: int) -> Tensor:
    """Latents that may be decoded: as new examples are made from, or as examples are encoded."""
    from .encoding import Encodes
    from .generating import Generates  # builds on what stands here

    if isinstance(model, Generates):
        return model.prior(n)
    if isinstance(model, Encodes):
        # whoever encodes has a space
        return model.encode(random_examples(model.space, n))  # type: ignore[attr-defined]
    raise InputError("nobody knows what its latents are like; export another part")


def _meanings(model: Any) -> Mapping[str, str]:
    from .generating import Generates  # builds on what stands here

    return {"z": NOISE if isinstance(model, Generates) else LATENTS, "y": LABEL}


class Decodes(Ability):
    """Turns latents into examples."""

    export = Signature(
        "decoder",
        lambda model, z, y=None: {"x": model.decode(z, y)},
        _inputs,
        rank=9,
        meanings=_meanings,
    )

    @abstractmethod
    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Examples of latents, shape (B, *space.shape); y as in `Samples.sample`."""
