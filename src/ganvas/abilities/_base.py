"""What an ability is: methods that a model must have, and what the rest of the house needs to know
of whoever has them.

The latter are data. General rooms loop over `of(model)` and never ask which ability it is that they
hold, so that a new ability is a new file and no edit.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..core import Batch, Evidence, Space, Tokens

Given = dict[str, Tensor]
"""Tensors by name."""

Baseline = Callable[[Any, Evidence, Space], object | None]
"""Makes, of a model, what metrics may look at, and the space of what is judged, another that has
the same ability and needs no learning; None where it means nothing there."""

Cost = Callable[[Any, Batch, Tensor], float]
"""What held-out examples cost a model, or cost with no network at all; and others that it learned
from, (N, *space.shape)."""


def always(model: Any) -> bool:
    """For what every model with an ability has."""
    return True


def never(model: Any) -> bool:
    """For what no model with an ability has."""
    return False


def accepts_any_size(model: Any) -> bool:
    """For what depends on the model."""
    return bool(model.any_size)


@dataclass(frozen=True)
class Preview:
    """What a model makes of examples, to be looked at: while it learns, and in its report.

    name: What it is called, and its file.
    caption: What is seen, in a sentence.
    rows: Of a model, examples x and what is to be made of them y (None where that is not given),
        all that is shown of each: tensors (n, ...), one below the other.
    rank: Where a model has several, the one with the lowest is shown while it learns.
    examples: How many are shown while it learns, at most.
    applies: Whether there is anything to see.
    """

    name: str
    caption: str
    rows: Callable[[Any, Tensor, Tensor | None], Sequence[Tensor]]
    rank: int
    examples: int = 10
    applies: Callable[[Any], bool] = always


@dataclass(frozen=True)
class ErrorMeasure:
    """What says whether a model learned what its ability needs; lower is better.

    words: What is measured.
    cost: That of a model.
    baseline: The same with no network.
    rank: A model is measured by the one with the lowest. A score says whether a model learned only
        where it is the cost of an example.
    """

    words: str
    cost: Cost
    baseline: Cost
    rank: int


@dataclass(frozen=True)
class Lesson:
    """What models practise on where it is proved that they learn, and are not content with images
    as they are.

    domains: Of images (N, 1, H, W), those of two domains by their names; None for images, rows or
        clips themselves.
    margin: What is left of the untrained copy's and of the baseline's error, at most, when one
        has learned from these.
    lr: The learning rate, where that of the model takes too long.
    options: What makes a model small enough, where it has such an option.
    """

    domains: Callable[[Tensor], Mapping[str, Tensor]] | None = None
    margin: float = 0.0
    lr: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Signature:
    """A file that does one thing a model can do, as a function of tensors.

    name: What the file is called.
    call: What it makes of the model and what goes in, in order; tensors by name.
    inputs: What may go in, by name, for so many examples: valid, and random.
    rank: Where nobody says which, the one with the lowest is exported.
    any_size: Whether images of any height and width may go in.
    applies: Whether a model that has the ability can do this.
    otherwise: Why one cannot to which this does not apply, where there is more to say.
    meanings: What is in a tensor, by its name, where that is not plainly an example.
    reference: The same by another way, by the random numbers that `inputs` were drawn by; None
        where there is none.
    """

    name: str
    call: Callable[..., Given]
    inputs: Callable[[Any, int], Given]
    rank: int
    any_size: Callable[[Any], bool] = never
    applies: Callable[[Any], bool] = always
    otherwise: str = ""
    meanings: Callable[[Any], Mapping[str, str]] = lambda model: {}
    reference: Callable[[Any, int, Given], tuple[Tensor, ...]] | None = None


class Ability(ABC):  # noqa: B024 # what is abstract is said by each ability
    """Something a trained model can do. A model's class line lists its abilities, a task's first
    argument asks for one."""

    preview: ClassVar[Preview | None] = None
    error: ClassVar[ErrorMeasure | None] = None
    lesson: ClassVar[Lesson | None] = None
    export: ClassVar[Signature | None] = None
    baselines: ClassVar[Mapping[str, Baseline]] = {}
    """Models to stand beside, by name."""


def squared_error(made: Tensor, x: Tensor) -> float:
    """Squared error of an example, on average."""
    return (made - x).square().flatten(1).sum(1).mean().item()


def in_full_precision(x: Tensor) -> Tensor:
    """Numbers as float32; tokens as they are."""
    return x.float() if x.is_floating_point() else x


def random_examples(space: Space, n: int) -> Tensor:
    """Random examples of a space, (n, *space.shape)."""
    return space.draw(torch.randn(n, *space.raw))


def random_labels(model: Any, n: int) -> Given:
    """A label for each, where the model is asked for labels."""
    condition = getattr(model, "condition", None)
    if isinstance(condition, Tokens) and condition.length == 1:
        return {"y": random_examples(condition, n)}
    return {}


LABEL = "the number of the class, from 0"
LATENTS = "latents, as the encoder gives them"
NOISE = "noise: independent normal numbers, mean 0, deviation 1"
