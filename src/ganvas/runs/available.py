"""Which tasks a trained model can do, on what its data can be read as."""

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
    able = [name for name, task in tasks.items() if issubclass(model, registry.needs(task))]
    return [name for name in able if _can_give(modality, _types_asked_for(tasks[name]))]


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


def _can_give(modality: Modality, types: set[Any]) -> bool:
    """Whether data of this kind is ever what a task asks for."""
    if types & {Unpacked, Packed}:
        return isinstance(modality, Lossless)
    return LabelledExamples not in types or isinstance(modality, Tabular) or bool(modality.classes)


@cache
def _types_asked_for(task: Callable[..., Any]) -> set[Any]:
    """All types that a task's signature names."""
    hints = get_type_hints(task)
    hints.pop("return", None)
    named = [kind for hint in hints.values() for kind in (hint, *get_args(hint))]
    return {kind for kind in named if isinstance(kind, type)}
