"""Which tasks a trained model can do, on what its data can be read as."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, get_args, get_type_hints

import torch

from ..core import Continuous, Input, InputError, Modality, Model, Space
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
