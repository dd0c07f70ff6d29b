"""What tasks take of what a person gives: examples with their names, or with their classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from .inputs import Input


@dataclass(frozen=True)
class LabelledExamples(Input):
    """Examples x, (n, *space.shape), their classes y, int64 (n,), and what these are called.

    held_out: Which of them the model's training held out, or would have, boolean (n,): never
        learned from.
    """

    refusal: ClassVar[str] = (
        "the training had no labels, so there is no class to add to; put images into one sub-folder"
        " per class"
    )

    x: Tensor
    y: Tensor
    classes: tuple[str, ...]
    held_out: Tensor


@dataclass(frozen=True)
class NamedExamples(Input):
    """Examples x, (n, *space.shape), and where each came from.

    y: What each is labelled, as class numbers (n, 1), where they are labelled.
    classes: What these are called.
    """

    x: Tensor
    names: list[str]
    y: Tensor | None = None
    classes: tuple[str, ...] = ()


TrainingExamples = Callable[[int], NamedExamples]
"""Examples of a run's training, at most so many, evenly spread. Raises InputError where these are
not at hand."""
