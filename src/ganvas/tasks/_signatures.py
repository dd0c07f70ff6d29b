"""Writes `_methods.py`: a typed method for every task, so that an editor knows them and `mypy`
checks what is asked. Made anew by `python -m ganvas.tasks._signatures`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..results.edited import Edited
from ..results.packed import Packed
from ..runtime import registry
from ..runtime.options import Option, alternatives
from ._inputs import sources, takes_several

FILE = Path(__file__).with_name("_methods.py")

HEAD = '''"""A method for every task that ships with Ganvas, typed. Written by `python -m
ganvas.tasks._signatures`; do not edit.
"""
# ruff: noqa: E501 # docstrings are those of the tasks, indented further

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal


class TaskMethods(ABC):
    """What a trained run can be asked. Examples come back in the form that the training's came in:
    a data frame, an array, a tensor, a list of images or texts."""

    @abstractmethod
    def _use(self, task: str, *sources: Any, **options: Any) -> Any:
        """Does a task; its answer as a person in Python wants it."""
'''

RETURNS = {Packed: "bytes", Edited: "list[dict[str, Any]]"}
"""What is given back whatever was learned; all else depends on the data."""


def render() -> str:
    """The whole file."""
    tasks = {name: registry.load("tasks", name) for name in registry.own_names("tasks")}
    methods = [_method(name, task) for name, task in tasks.items()]
    return "\n".join([HEAD.rstrip(), *methods]) + "\n"


def _method(name: str, task: Callable[..., Any]) -> str:
    """A task as a method."""
    lines = ["", f"    def {name}(", *_parameters(task), f"    ) -> {_returned(task)}:"]
    lines += [f'        """{_indented(_documentation(task))}"""']
    lines += [
        f"        answer: {_returned(task)} = self._use(",
        f'            "{name}",',
        *(f"            {one}," for one in _arguments(task)),
        "        )",
        "        return answer",
    ]
    return "\n".join(lines)


def _parameters(task: Callable[..., Any]) -> Iterator[str]:
    given = sources(task)
    yield "        self,"
    for one in given:
        optional = one.default is not one.empty
        stars = "*" if takes_several(task) else ""
        yield f"        {stars}{one.name}: Any{' = None' if optional else ''},"
    if given and registry.options(task) and not takes_several(task):
        yield "        *,"
    for option in registry.options(task):
        yield f"        {option.name}: {_annotation(option)} = {_literal(option.default)},"


def _arguments(task: Callable[..., Any]) -> Iterator[str]:
    stars = "*" if takes_several(task) else ""
    for one in sources(task):
        yield f"{stars}{one.name}"
    for option in registry.options(task):
        yield f"{option.name}={option.name}"


def _annotation(option: Option) -> str:
    """What may be said in Python: of a file also what is in memory, of many also one."""
    if option.kind.names_file:
        return "Any"
    found = _spelled(option.plain)
    return found.replace("list[str]", "str | Sequence[str]")


def _spelled(kind: Any) -> str:
    """A type as it is written."""
    if kind is NoneType:
        return "None"
    if get_origin(kind) in (Union, UnionType):
        return " | ".join(map(_spelled, get_args(kind)))
    if get_origin(kind) is Literal:
        return f"Literal[{', '.join(map(_literal, get_args(kind)))}]"
    if get_origin(kind) is list:
        return f"list[{_spelled(get_args(kind)[0])}]"
    return str(kind.__name__)


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _returned(task: Callable[..., Any]) -> str:
    answers = alternatives(get_type_hints(task)["return"])
    return RETURNS.get(answers[0], "Any") if len(answers) == 1 else "Any"


def _documentation(task: Callable[..., Any]) -> str:
    """What a task says of itself, but for the example of its command."""
    paragraphs = (inspect.getdoc(task) or "").split("\n\n")
    return "\n\n".join(one for one in paragraphs if not one.startswith("Example: "))


def _indented(text: str) -> str:
    """Text as a docstring of a method."""
    first, *others = text.splitlines()
    lines = [first, *(f"        {line}" if line else "" for line in others)]
    return "\n".join(lines) + ("\n        " if others else "")


if __name__ == "__main__":
    FILE.write_text(render(), "utf-8")
