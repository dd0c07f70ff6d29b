"""Options of plug-ins: what a command line, a form or an HTTP schema needs to ask for one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin

from .errors import flag


class OptionType:
    """What there is to say of an option beyond the type of its value: how it is said, what is made
    of that, and who heeds it.

    It stands in an annotation beside the type of the value: `Label = Annotated[int, ...]`.
    """

    plain: ClassVar[Any] = None
    """The type in which it is said where there are words and numbers alone; None: its own."""

    names_file: ClassVar[bool] = False
    """Whether what is said is a path: where people are asked for files, a file is asked for."""

    endless: ClassVar[bool] = False
    """Whether it makes a task go on for as long as a file grows."""

    group: str = ""
    """Under what it stands in help, if not under what its plug-in's options do."""

    audience: str = ""
    """Who heeds it, in words; empty where everybody does."""

    def parse(self, said: Any, context: Any) -> Any:
        """The value that a task takes, of what was said. Raises InputError.

        context: Where it is said, `core.options.Context`.
        """
        return said

    def heeded(self, model: Any, modality: Any) -> bool:
        """Whether it says something to a model, or to models of a class, and to the data learned
        from."""
        return True

    def refusal(self, option: str, run: str) -> str:
        """What is to be said where it is said and not heeded.

        run: What was asked, in words.
        """
        return f"{flag(option)} is for {self.audience}; this is {run}: leave it out"

    def choices(self, modality: Any) -> tuple[str, ...]:
        """What may be said of such data, where that is known; else empty."""
        return ()


@dataclass(frozen=True)
class InGroup(OptionType):
    """An option that stands in help under a title of its own."""

    group: str


AS_IT_IS = OptionType()
"""Of an option that is annotated with the type of its value alone."""


@dataclass(frozen=True)
class Option:
    """One keyword of a plug-in.

    type: That of its value, as the signature has it.
    kind: What else there is to say of it.
    """

    name: str
    type: Any
    default: Any
    help: str
    kind: OptionType = AS_IT_IS

    @property
    def plain(self) -> Any:
        """The type in which it is said where there are words and numbers alone."""
        said = self.kind.plain
        if said is None:
            return self.type
        return said | None if NoneType in get_args(self.type) else said

    def takes(self, kind: type) -> bool:
        """Whether something of this type may be said."""
        return takes(self.plain, kind)


def alternatives(annotation: Any) -> list[Any]:
    """The types of which one is annotated: those of a union, or the one."""
    if get_origin(annotation) in (Union, UnionType):
        return [one for one in get_args(annotation) if one is not NoneType]
    return [annotation]


def takes(annotation: Any, kind: type) -> bool:
    """Whether something of a type, such as `list`, fits an annotation, whatever it is a list of."""
    return kind in map(_origin, alternatives(annotation))


def option_type(annotation: Any) -> OptionType:
    """What an annotation says of an option beside its type."""
    for found in _beside(annotation):
        if isinstance(found, OptionType):
            return found
    return AS_IT_IS


def _beside(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield from get_args(annotation)[1:]
        return
    for part in alternatives(annotation):
        if get_origin(part) is Annotated:
            yield from get_args(part)[1:]


def _origin(annotation: Any) -> Any:
    """The type of an annotation, without what it holds and what is said beside it."""
    if get_origin(annotation) is Annotated:
        return _origin(get_args(annotation)[0])
    return get_origin(annotation) or annotation
