"""A form from a signature: what to ask for each option of a plug-in, and what was meant by what was
filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from ...runtime.errors import InputError
from ...runtime.options import alternatives
from ...runtime.registry import Option

Kind = Literal["switch", "choice", "whole", "number", "words", "lines", "file"]


@dataclass(frozen=True)
class Field:
    """One question of a form.

    choices: (What is shown, what is meant) where one is to be chosen; "" means as it is by default.
    usual: What is meant where nothing is said.
    value: What stands there at first.
    empty: Whether nothing may be said.
    """

    name: str
    kind: Kind
    label: str
    help: str
    usual: Any
    value: Any
    choices: tuple[tuple[str, Any], ...] = ()
    empty: bool = False

    def meant(self, filled: Any) -> Any:
        """The option's value. Raises InputError for what cannot be meant."""
        if filled is None or filled in ("", []):
            if self.empty or self.kind in ("file", "lines"):
                return None
            return self.value
        match self.kind:
            case "whole" | "number":
                return self._number(filled)
            case "lines":
                return [line.strip() for line in str(filled).splitlines() if line.strip()] or None
            case "words":
                return str(filled).strip() or None
            case "choice" if filled not in [value for _, value in self.choices]:
                raise InputError(
                    f"{self.label} is none of {', '.join(words for words, _ in self.choices)}"
                )
        return filled

    def _number(self, filled: Any) -> int | float:
        try:
            number = float(filled)
        except (TypeError, ValueError):
            raise InputError(f"{self.label} is {filled!r}; it must be a number") from None
        if not isfinite(number) or (self.kind == "whole" and number != int(number)):
            raise InputError(
                f"{self.label} is {filled}; it must be a {'whole ' * (self.kind == 'whole')}number"
            )
        return int(number) if self.kind == "whole" else number


def field(option: Option, choices: Sequence[str] = (), file: bool = False) -> Field:
    """What to ask for an option.

    choices: What may be said, where that is known better than from its type.
    file: Whether it names a file, whatever its type says.
    """
    kinds = alternatives(option.plain)
    empty = option.default is None
    label, help = _named(option)
    base = {
        "name": option.name,
        "label": label,
        "help": help,
        "usual": option.default,
        "value": option.default,
    }
    if file or Path in kinds:
        return Field(kind="file", empty=True, **base)
    listed = [(word, word) for word in choices] or [
        (format_name(str(v)), v) for kind in kinds for v in _literal(kind)
    ]
    if listed:
        usual = [("default", "")] if empty else []
        return Field(kind="choice", choices=(*usual, *listed), empty=empty, **base)
    kind: Kind = "words"
    match kinds:
        case [one] if one is bool:
            kind = "switch"
        case [one] if one is int:
            kind = "whole"
        case [one] if one is float:
            kind = "number"
        case [one] if get_origin(one) is list:
            kind = "lines"
    return Field(kind=kind, empty=empty, **base)


def filled_in(fields: Sequence[Field], values: Sequence[Any]) -> dict[str, Any]:
    """Options by name of a form that was filled in: those that are not as usual. Raises
    InputError."""
    meant = {field.name: field.meant(value) for field, value in zip(fields, values, strict=True)}
    return {field.name: meant[field.name] for field in fields if meant[field.name] != field.usual}


def format_name(name: str) -> str:
    """A name as a person would write it."""
    return name.strip("_").replace("_", " ")


def _named(option: Option) -> tuple[str, str]:
    """What an option is called, and its help; where the name is a letter or two, the help is the
    better name."""
    if len(option.name) > 2 or not option.help:
        return format_name(option.name), option.help
    label, _, rest = option.help.partition("; ")
    return label.rstrip("."), rest


def _literal(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()
