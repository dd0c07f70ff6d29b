"""Which tasks a trained model can do, on what its data can be read as."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, get_args, get_type_hints

from ..core import LabelledExamples, Lossless, Modality, Model, Packed, Tabular, Unpacked
from ..runtime import registry


def available_tasks(model: type[Model], modality: Modality) -> list[str]:
    """Names of tasks that models of this class can do on data of this kind."""
    tasks = {name: registry.load("tasks", name) for name in registry.names("tasks")}
    able = [name for name, task in tasks.items() if issubclass(model, registry.needs(task))]
    return [name for name in able if _can_give(modality, _types_asked_for(tasks[name]))]


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
