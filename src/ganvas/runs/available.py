"""What a trained model can be used for: tasks that it is able to do, on what its data can be read
as."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, get_args, get_type_hints

from ..core import LabelledExamples, Lossless, Modality, Model, Packed, Tabular, Unpacked
from ..runtime import registry


def available_tasks(model: type[Model], modality: Modality) -> list[str]:
    """Names of tasks that models of this class can do on data of this kind."""
    tasks = {name: registry.load("tasks", name) for name in registry.names("tasks")}
    return [n for n, task in tasks.items() if issubclass(model, registry.needs(task)) and _read(_asked(task), modality)]


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
    return {kind for hint in hints.values() for kind in (hint, *get_args(hint)) if isinstance(kind, type)}
