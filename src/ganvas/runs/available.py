"""Which tasks a trained model can do, on what its data can be read as."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, get_args, get_type_hints

from ..core import Input, Modality, Model
from ..results.packed import Packed
from ..results.unpacked import Unpacked
from ..runtime import registry

READ_APART = {Packed: Unpacked}
"""What is read without the modality, and what data must be open to for that to be of use."""


def available_tasks(model: type[Model], modality: Modality) -> list[str]:
    """Names of tasks that models of this class can do on data of this kind."""
    tasks = {name: registry.load("tasks", name) for name in registry.names("tasks")}
    able = [name for name, task in tasks.items() if issubclass(model, registry.needs(task))]
    opened = modality.open(None)
    return [name for name in able if all(map(opened.offers, _inputs(tasks[name])))]


@cache
def _inputs(task: Callable[..., Any]) -> list[list[type[Input]]]:
    """Of each source that a task takes by position, as what it can be opened."""
    hints = get_type_hints(task)
    parameters = inspect.signature(task).parameters.values()
    sources = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    kinds = [[kind for kind in (hints[n], *get_args(hints[n])) if _is_input(kind)] for n in sources]
    return [[READ_APART.get(kind, kind) for kind in some] for some in kinds if some]


def _is_input(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Input)
