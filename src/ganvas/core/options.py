"""Options that mean more than they say: a label by its name, a column, a condition in SQL, a
file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from torch import Tensor

from ..runtime import registry
from ..runtime.errors import InputError, flag
from ..runtime.options import OptionType
from .constraints import Balance, Constraint, Marginals, Queryable
from .modality import Modality


@dataclass(frozen=True)
class Context:
    """Where an option is said.

    option: Its name.
    modality: Of the run that is asked.
    learned_from: The data of its training, or None where that is not at hand.
    read: Reads a file as what the option is annotated with.
    """

    option: str
    modality: Modality
    learned_from: Any
    read: Callable[[Any], Any]


@dataclass(frozen=True)
class HeededBy(OptionType):
    """An option that belongs to those who have an ability, or to a kind of data.

    heeds: Class of the models, or of the data, that heed it.
    audience: These in words.
    """

    heeds: type
    audience: str

    def heeded(self, model: Any, modality: Modality) -> bool:
        own = model if isinstance(model, type) else type(model)
        return issubclass(own, self.heeds) or isinstance(modality.inner, self.heeds)


class Endless(OptionType):
    """Makes a task go on for as long as a file grows."""

    endless: ClassVar[bool] = True


class File(OptionType):
    """A file that is read as what the option is annotated with."""

    plain: ClassVar[Any] = str
    names_file: ClassVar[bool] = True

    def parse(self, said: Any, context: Context) -> Any:
        return context.read(said)


@dataclass(frozen=True)
class FileHeededBy(HeededBy, File):
    """A file that some models, or some kind of data, have a use for."""


class _Label(OptionType):
    """The number of a label, by its name."""

    plain: ClassVar[Any] = int | str
    audience = "models and data with labels"

    def parse(self, said: str | int, context: Context) -> int:
        return context.modality.label(said)

    def heeded(self, model: Any, modality: Modality) -> bool:
        return bool(modality.classes) and _takes_condition(model)

    def refusal(self, option: str, run: str) -> str:
        return f"this model learned no labels, so none can be asked for; leave out {flag(option)}"

    def choices(self, modality: Modality) -> tuple[str, ...]:
        return modality.classes


class _Prompt(OptionType):
    """What a text asks for, int64 (*condition.shape)."""

    plain: ClassVar[Any] = str
    audience = "models and data with captions"

    def parse(self, said: str, context: Context) -> Tensor:
        return context.modality.prompt(said)

    def heeded(self, model: Any, modality: Modality) -> bool:
        return bool(modality.words) and _takes_condition(model)

    def refusal(self, option: str, run: str) -> str:
        return f"this model learned no captions, so none can be asked for; leave out {flag(option)}"


class _Domain(OptionType):
    """The number of one of the two kinds of images that a model translates between."""

    plain: ClassVar[Any] = str | int

    def parse(self, said: str | int, context: Context) -> int:
        return context.modality.domain(said)


class _OfRows(OptionType):
    """What is asked of rows of tables."""

    audience = "rows of tables"

    def heeded(self, model: Any, modality: Modality) -> bool:
        return isinstance(modality, Queryable)

    def queryable(self, context: Context) -> Queryable:
        """The data that is asked. Raises InputError where it is no table."""
        if not isinstance(context.modality, Queryable):
            name = registry.name_of(type(context.modality))
            raise InputError(f"{flag(context.option)} is for {self.audience}, and these are {name}")
        return context.modality


@dataclass(frozen=True)
class _Constrains(_OfRows):
    """What every row shall be, said once or several times."""

    kind: str
    plain: ClassVar[Any] = list[str]

    def parse(self, said: Any, context: Context) -> Constraint:
        words = [said] if isinstance(said, str) else said
        modality = self.queryable(context)
        return modality.constraint(self.kind, words, context.learned_from)


class _Balances(_OfRows):
    """The levels of a column."""

    plain: ClassVar[Any] = str

    def parse(self, said: str, context: Context) -> Balance:
        return self.queryable(context).balance(context.option, said)


class _Resembles(_OfRows):
    """How the columns of a table are distributed."""

    plain: ClassVar[Any] = str
    names_file: ClassVar[bool] = True

    def parse(self, said: Any, context: Context) -> Marginals:
        return self.queryable(context).marginals(said)


class _Rates(OptionType):
    """A number for each player."""

    plain: ClassVar[Any] = list[str]


Label = Annotated[int, _Label()]
Prompt = Annotated[Tensor, _Prompt()]
Domain = Annotated[int, _Domain()]
Where = Annotated[Constraint, _Constrains("where")]
Check = Annotated[Constraint, _Constrains("constraint")]
Unique = Annotated[Constraint, _Constrains("unique")]
Together = Annotated[Constraint, _Constrains("together")]
Balanced = Annotated[Balance, _Balances()]
Like = Annotated[Marginals, _Resembles()]
Rates = Annotated[Mapping[str, float], _Rates()]


def parse_rates(said: Mapping[str, float] | list[str] | None) -> dict[str, float]:
    """Learning rates by player, of a mapping or of words such as "discriminator=1e-4". Raises
    InputError."""
    if isinstance(said, Mapping):
        return dict(said)
    return dict(map(_rate, said or []))


def _rate(words: str) -> tuple[str, float]:
    player, _, number = words.partition("=")
    try:
        return player, float(number)
    except ValueError:
        raise InputError(
            f"{flag('lr')} takes PLAYER=NUMBER, such as discriminator=1e-4, not {words!r}"
        ) from None


def _takes_condition(model: Any) -> bool:
    """Whether something can be asked for: of a model, or of any of a class."""
    if isinstance(model, type):
        return registry.takes(model, "condition")
    return getattr(model, "condition", None) is not None
