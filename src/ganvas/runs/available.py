"""What a trained model can be used for: tasks that it is able to do, on what its data can be read
as."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, get_args, get_type_hints

import torch

from ..core import (
    Continuous,
    InputError,
    LabelledExamples,
    Lossless,
    Modality,
    Model,
    Packed,
    Space,
    Tabular,
    Unpacked,
)
from ..runtime import registry


def available_tasks(model: type[Model], modality: Modality) -> list[str]:
    """Names of tasks that models of this class can do on data of this kind."""
    tasks = {name: registry.load("tasks", name) for name in registry.names("tasks")}
    return [
        n
        for n, task in tasks.items()
        if issubclass(model, registry.needs(task)) and _read(_asked(task), modality)
    ]


@cache
def readable_modalities(model: type[Model]) -> list[str]:
    """Names of the kinds of data that models of this class can learn, as far as that can be told
    without any."""
    kinds = {name: registry.load("modalities", name) for name in registry.names("modalities")}
    return [n for n, kind in kinds.items() if any(_takes(model, *one) for one in kind.typical)]


def _takes(model: type[Model], space: Space, condition: Space | None) -> bool:
    """Whether a model of this class can be made for a space; without memory, for it is not used."""
    conditional = registry.takes(model, "condition")
    if not conditional and isinstance(condition, Continuous):
        return False
    try:
        with torch.device("meta"):
            model(space, *([condition] if conditional else []))
    except InputError:
        return False
    except RuntimeError:  # it got beyond what it refuses, to numbers that there are none of
        return True
    return True


def _read(asked: set[Any], modality: Modality) -> bool:
    """Whether data of this kind is ever what a task asks for."""
    if asked & {Unpacked, Packed}:
        return isinstance(modality, Lossless)
    return LabelledExamples not in asked or isinstance(modality, Tabular) or bool(modality.classes)


@cache
def _asked(task: Callable[..., Any]) -> set[Any]:
    """All types that a task's signature names."""
    hints = get_type_hints(task)
    hints.pop("return", None)
    return {
        kind
        for hint in hints.values()
        for kind in (hint, *get_args(hint))
        if isinstance(kind, type)
    }
