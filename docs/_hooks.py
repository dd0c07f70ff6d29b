"""Pages that are made when the documentation is built, of what they speak of, so that they cannot
grow stale: the reference, of signatures and docstrings; the benchmarks, of what these wrote."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from ganvas import api
from ganvas.apps import cli
from ganvas.runtime import registry

HOME = Path(__file__).parent.parent
ROWS = 60
"""Figures of a benchmark that are shown; the file holds them all."""

TITLES = {
    "models": "what `ganvas train` takes, and what a trained run can do then.",
    "tasks": (
        "what a trained run is used for; each is a verb of the command line and a method in Python."
    ),
    "metrics": (
        "what `ganvas evaluate` says of a run; a run is evaluated by those whose ability its model"
        " has."
    ),
    "modalities": (
        "what can be learned from, and how it is read: options of `ganvas train` beside those of"
        " the model."
    ),
    "features": "what examples are compared by: `ganvas evaluate --features`.",
}


def on_files(files: Any, config: Any) -> Any:
    """What mkdocs calls before it builds: adds the pages that are made."""
    from mkdocs.structure.files import File

    for name, text in pages().items():
        files.append(File.generated(config, name, content=text))
    return files


def pages() -> dict[str, str]:
    """Every page that is made, by its path."""
    kinds = {
        f"reference/{kind}.md": "\n".join(_plugins(kind, words)) for kind, words in TITLES.items()
    }
    return kinds | {
        "reference/commands.md": "\n".join(_commands()),
        "benchmarks.md": "\n".join(_benchmarks()),
    }


def _plugins(kind: registry.Kind, words: str) -> Iterator[str]:
    yield f"# {kind.capitalize()}\n\nAll {kind} there are: {words}\n"
    for name in registry.names(kind):
        plugin = registry.load(kind, name)
        yield f"## {name}\n\n{registry.summary(kind, name)}\n"
        yield from _beside(kind, name, plugin)
        yield from _table(registry.options(plugin.learn if kind == "modalities" else plugin))


def _beside(kind: registry.Kind, name: str, plugin: Any) -> Iterator[str]:
    """What of a plug-in is worth saying beside its options."""
    if example := registry.example(plugin):
        yield f"```bash\n{example}\n```\n"
    if kind == "models":
        able = [
            task
            for task in registry.names("tasks")
            if issubclass(plugin, registry.needs(registry.load("tasks", task)))
        ]
        linked = ", ".join(f"[{task}](tasks.md#{task})" for task in able)
        yield (
            f"Can: {linked}." + (f" [More](../models/{name}.md)." if _written(name) else "") + "\n"
        )
    if kind in ("tasks", "metrics"):
        yield f"Needs a model that `{registry.needs(plugin).__name__}`.\n"


def _written(model: str) -> bool:
    return (HOME / "docs" / "models" / f"{model}.md").exists()


def _table(options: list[registry.Option]) -> Iterator[str]:
    """Options as a table, or that there are none."""
    if not options:
        yield "No options.\n"
        return
    yield "| option | takes | by default | | heeded by |\n| --- | --- | --- | --- | --- |"
    for option in options:
        flag = f"--{option.name.rstrip('_').replace('_', '-')}"
        default = (
            "must be said" if option.default is inspect.Parameter.empty else shown(option.default)
        )
        row = f"| `{flag}` | {taken(option.plain)} | {default} | {_cell(option.help)} |"
        yield f"{row} {_cell(option.kind.audience)} |"
    yield ""


def shown(default: Any) -> str:
    """A default as it is said, or nothing where there is none to speak of."""
    if isinstance(default, bool):
        return "yes" if default else "no"
    return "" if default in (None, inspect.Parameter.empty) else f"`{default}`"


def taken(kind: Any) -> str:
    """A type as it is said to people."""
    if get_origin(kind) is Literal:
        return " or ".join(f"`{one}`" for one in get_args(kind))
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(taken(one) for one in get_args(kind) if one is not type(None))
    if get_origin(kind) in (list, tuple):
        return f"{taken(get_args(kind)[0])}, any number of times"
    plain = {
        int: "a whole number",
        float: "a number",
        str: "words",
        bool: "yes or no",
        Path: "a path",
    }
    return plain.get(kind, f"`{_cell(getattr(kind, '__name__', str(kind)))}`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _commands() -> Iterator[str]:
    """Every verb with all that it takes."""
    yield (
        "# Commands\n\n`--json` on any verb prints the answer as JSON on standard output and"
        " nothing else there.\n"
    )
    yield (
        "## train\n\n`ganvas train MODEL SOURCE`, or `ganvas train --resume RUN`. These options are"
        " for all "
    )
    yield (
        "[models](models.md), which have more of their own, as [what is learned"
        " from](modalities.md) has.\n"
    )
    yield from _table(registry.options(api.train))
    for verb in [name for name in cli._app([]) if not name.startswith("-") and name != "train"]:
        yield from _verb(verb)


def _verb(verb: str) -> Iterator[str]:
    command = cli._app([verb])[verb]
    said = inspect.cleandoc(command.help or inspect.getdoc(command.default_command) or "")
    helps = dict(re.findall(r"^(\w+): (.+)$", said, re.M))
    text, _, example = said.partition("Example: ")
    yield f"## {verb}\n\n{text.partition('Parameters')[0].strip()}\n"
    if example:
        yield f"```bash\n{example.splitlines()[0]}\n```\n"
    yield "| argument | by default | |\n| --- | --- | --- |"
    for one in command.assemble_argument_collection():
        name, field = one.names[0], one.field_info
        name = name if field.is_keyword_only else name.lstrip("-").upper()
        default = "must be said" if one.required else shown(field.default)
        yield f"| `{name}` | {default} | {_cell(one.parameter.help or helps.get(field.name, ''))} |"
    yield ""


def _benchmarks() -> Iterator[str]:
    """What every benchmark asks, and what it wrote."""
    yield (
        "# Benchmarks\n\nEach is a script in `benchmarks/`, which says what it asks and writes what"
        " it saw, with the "
    )
    yield (
        "machine, into `benchmarks/results/`, of which this page is made. What it comes to is among"
        " the [claims](claims.md); what fell short, in [the log](log.md).\n"
    )
    found = [
        json.loads(file.read_text("utf-8"))
        for file in sorted((HOME / "benchmarks" / "results").glob("*.json"))
    ]
    by_script: dict[str, list[dict[str, Any]]] = {}
    for result in found:
        by_script.setdefault(re.search(r"benchmarks/(\w+)\.py", result["command"])[1], []).append(
            result
        )
    for script, results in by_script.items():
        file = HOME / "benchmarks" / f"{script}.py"
        asked = (
            (ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "").partition("\n\n")[0]
            if file.exists()
            else ""
        )
        yield f"## {script}\n\n{asked}\n"
        for result in results:
            yield from _result(result)


def _result(result: Mapping[str, Any]) -> Iterator[str]:
    where, rest = (
        result["machine"],
        {k: v for k, v in result.items() if k not in ("benchmark", "command", "machine")},
    )
    device = where["processor"] if where["device"] == "cpu" else where["device"]
    yield f'??? note "{result["benchmark"]}"'
    yield f"    `{result['command']}`\n"
    yield (
        f"    {device}, {where['threads']} of {where['cores']} cores, Python {where['python']}, "
        f"torch {where['versions']['torch']}, {where['date']}.\n"
    )
    yield "    | figure | |\n    | --- | --- |"
    figures = [*leaves(rest)]
    for name, value in figures[:ROWS]:
        yield f"    | {_cell(name)} | {_cell(value)} |"
    if len(figures) > ROWS:
        yield (
            f"    | and {len(figures) - ROWS} more | in"
            f" `benchmarks/results/{result['benchmark']}.json` |"
        )
    yield ""


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """All figures of a result with their names; one that was measured repeatedly is a median, and
    its extremes."""
    match value:
        case {"median": middle, "min": least, "max": most}:
            yield name, f"{number(middle)} ({number(least)} to {number(most)})"
        case Mapping():
            for key, inner in value.items():
                yield from leaves(inner, f"{name}, {key}" if name else str(key))
        case list() if len(value) <= 12 and all(not isinstance(one, dict | list) for one in value):
            yield name, ", ".join(map(number, value))
        case list() if all(isinstance(one, dict) for one in value):
            for i, one in enumerate(value, 1):
                yield from leaves(one, f"{name}, {i}")
        case list():
            yield name, f"{len(value)} values"
        case _:
            yield name, number(value)


def number(value: Any) -> str:
    return (
        f"{value:.4g}"
        if isinstance(value, float)
        else f"{value:,}"
        if type(value) is int
        else str(value)
    )
