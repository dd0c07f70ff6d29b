"""Compresses: examples become few bytes and come back."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from ..core import InputError, Space
from ..runtime.errors import flag
from ._base import Ability, ErrorMeasure
from .scoring import mean_marginal_score, mean_score


class CodingScheme(NamedTuple):
    """How examples are turned into symbols that a range coder packs, and back.

    places: Symbols of an example.
    quality: How much it keeps, from 0 to 100, or None where it keeps everything.
    fold: Codes of examples (B, ...), as `Lossless.exact` gives them, to symbols (B, places), int64.
    unfold: (place, logits (B, alphabet)) of every place given those before it, for symbols (B,
        places). symbols[:, place] is read when the next is asked for, so that it may be filled in
        until then.
    restore: Symbols to codes.
    """

    places: int
    quality: int | None
    fold: Callable[[Tensor], Tensor]
    unfold: Callable[[Tensor], Iterator[tuple[int, Tensor]]]
    restore: Callable[[Tensor], Tensor]


class Compresses(Ability):
    """Turns examples into symbols that it knows the probabilities of."""

    error = ErrorMeasure("cost of packing", mean_score, mean_marginal_score, rank=4)
    """Its transforms give all back from the first, so that reconstructions say nothing."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where it computes."""

    @abstractmethod
    def coding_scheme(self, quality: int | None) -> CodingScheme:
        """How it packs at a quality, or as it likes best. Raises InputError for one that it has
        not."""


class Factorises(Compresses):
    """Says how likely each symbol of an example is, one place after the other, so that nothing is
    lost."""

    space: Space

    def coding_scheme(self, quality: int | None) -> CodingScheme:
        if quality is not None:
            raise InputError(
                f"{flag('quality')} is for models that lose something, such as codec; this one"
                " keeps every bit"
            )
        return CodingScheme(
            prod(self.space.shape), None, lambda codes: codes, self.unfold, lambda symbols: symbols
        )

    @abstractmethod
    def unfold(self, x: Tensor) -> Iterator[tuple[int, Tensor]]:
        """(place, logits (B, alphabet)) of every place given those before it, for examples x (B,
        places).

        Of images, x has the levels, flattened: whole numbers from 0 to 255.

        x[:, place] is read when the next is asked for, so that it may be filled in until then.
        """
