"""The directory is the registry: a file in `models/` is a model, a file or a folder in `tasks/` a
task, and so on.

A plug-in that needs several files is a folder, and the one that it is named after is `task.py`,
`modality.py` and so on in it. What begins with an underscore is a part of plug-ins and none by
itself.

Other packages add theirs through entry points of the groups `ganvas.models`, `ganvas.tasks`,
`ganvas.metrics`, `ganvas.modalities` and `ganvas.features`. Nothing here imports a plug-in before
it is asked for.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, get_type_hints

from .errors import InputError
from .options import Option as Option
from .options import option_type

Kind = Literal["models", "tasks", "metrics", "modalities", "features"]

HOUSE = Path(__file__).parent.parent
HOMES: Mapping[Kind, str] = {
    "models": "models",
    "tasks": "tasks",
    "metrics": "evaluation/metrics",
    "modalities": "data",
    "features": "evaluation/features",
}
"""Where the plug-ins of a kind are."""
MAIN: Mapping[Kind, str] = {
    "models": "model",
    "tasks": "task",
    "metrics": "metric",
    "modalities": "modality",
    "features": "features",
}
"""The file of a plug-in that is a folder."""


ITEM = r"^([ \t]*)(\w+): (.+(?:\n\1[ \t]+\S.*)*)$"
"""A name, and what is said of it, in a docstring."""


@cache
def _files(kind: Kind) -> dict[str, Path]:
    home = HOUSE / HOMES[kind]
    files = {file.stem: file for file in home.glob("*.py")}
    folders = {file.parent.name: file for file in home.glob(f"*/{MAIN[kind]}.py")}
    found = files | folders
    return {name: found[name] for name in sorted(found) if not name.startswith("_")}


@cache
def _installed() -> Any:  # a type of its own until Python 3.12
    return entry_points()  # looks through every package there is: once


@cache
def _entries(kind: Kind) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in _installed().select(group=f"ganvas.{kind}")}


def names(kind: Kind) -> list[str]:
    """Everything of a kind: ours, and what other packages offer."""
    return sorted(_files(kind) | _entries(kind))


def own_names(kind: Kind) -> list[str]:
    """Everything of a kind that ships with Ganvas."""
    return [*_files(kind)]


def load(kind: Kind, name: str) -> Any:
    """The class or function that a plug-in's file is named after. Raises InputError where none has
    that name."""
    if name in _entries(kind):
        return _entries(kind)[name].load()
    if name not in _files(kind):
        raise InputError(
            f"no {kind.removesuffix('s')} is called {name!r}; there are {', '.join(names(kind))}"
        )
    inside = [name, MAIN[kind]] if _files(kind)[name].stem == MAIN[kind] else [name]
    module = import_module(".".join([HOUSE.name, *HOMES[kind].split("/"), *inside]))
    (plugin,) = [v for k, v in vars(module).items() if k.lower() == name.lower() and callable(v)]
    return plugin


def name_of(plugin: Any) -> str:
    """The name by which `load` finds a plug-in."""
    *_, folder, file = plugin.__module__.split(".")
    result: str = folder if file in MAIN.values() else file
    return result


def summary(kind: Kind, name: str) -> str:
    """What a plug-in's file begins with, read without running it."""
    if name in _entries(kind):
        return first_paragraph(inspect.getdoc(load(kind, name)))
    return first_paragraph(ast.get_docstring(ast.parse(_files(kind)[name].read_text("utf-8"))))


def first_paragraph(text: str | None) -> str:
    """What a docstring begins with, as one line."""
    return " ".join((text or "").partition("\n\n")[0].split())


@cache
def options(plugin: Callable[..., Any]) -> list[Option]:
    """Reads a plug-in's keyword-only arguments from its signature, and their meaning from its
    docstring.

    Where a class passes on `**keywords`, those that its base class has besides are its options too.
    """
    signed = plugin.__init__ if inspect.isclass(plugin) else plugin
    types, hints = get_type_hints(signed), get_type_hints(signed, include_extras=True)
    parameters = inspect.signature(plugin).parameters.values()
    passes_on = any(p.kind is p.VAR_KEYWORD for p in parameters)
    inherited = options(plugin.__mro__[1]) if inspect.isclass(plugin) and passes_on else []
    helps = {option.name: option.help for option in inherited} | documented(plugin)
    keywords = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    own = [
        Option(p.name, types[p.name], p.default, helps.get(p.name, ""), option_type(hints[p.name]))
        for p in keywords
    ]
    return own + [option for option in inherited if option.name not in {p.name for p in keywords}]


def heeded_options(plugin: Callable[..., Any], model: Any, modality: Any) -> list[Option]:
    """The options of a plug-in that say something to a model, or to models of a class, and to the
    data learned from."""
    return [option for option in options(plugin) if option.kind.heeded(model, modality)]


@cache
def takes(plugin: Callable[..., Any], argument: str) -> bool:
    """Whether a plug-in has an argument of this name."""
    return argument in inspect.signature(plugin).parameters


def documented(plugin: Callable[..., Any]) -> dict[str, str]:
    """What a docstring says of each name: `name: words`, going on in lines indented further."""
    items = re.findall(ITEM, inspect.getdoc(plugin) or "", re.MULTILINE)
    return {name: " ".join(words.split()) for _, name, words in items}


def example(plugin: Callable[..., Any]) -> str:
    """The command that a docstring gives as an example; empty where it gives none."""
    return documented(plugin).get("Example", "")


def together(*plugs: Callable[..., Any]) -> list[Option]:
    """Options of several plug-ins, each name once: where several have it, as the last of them has
    it."""
    return list({option.name: option for plug in plugs for option in options(plug)}.values())


@cache
def needs(plugin: Callable[..., Any]) -> type:
    """The ability that a task or a metric asks of a model: the annotation of its first argument."""
    first = next(iter(inspect.signature(plugin).parameters))
    result: type = get_type_hints(plugin)[first]
    return result


def fitting(model: object) -> list[str]:
    """Names of the metrics that can judge a model."""
    return [name for name in names("metrics") if isinstance(model, needs(load("metrics", name)))]
