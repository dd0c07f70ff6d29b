"""The one error that is the person's to mend, and how the options that it names are spelled."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

Spelling = Callable[..., str]
"""How an option is said at a door: of its name, and perhaps a value, in words."""

BEGIN, END = "\ue000", "\ue001"
"""Around an option in a message; characters that no text uses, for they are nobody's."""


def flag(name: str, *value: Any) -> str:
    """An option in the message of an `InputError`, which each door spells as it is said there.

    name: As the signature has it, such as "held_out".
    value: What it is said to be: one thing, or none.
    """
    return f"{BEGIN}{json.dumps([name, *value], default=str)}{END}"


def spell_keyword(name: str, *value: Any) -> str:
    """An option as Python has it: `held_out=0.2`."""
    return f"{name}={''.join(map(_literal, value))}"


class InputError(ValueError):
    """What came from outside is wrong. The message says what, where, and what to do, in one
    sentence; options in it are written by `flag`."""

    @property
    def words(self) -> str:
        """The message as it was written, to be a part of another."""
        return super().__str__()

    @property
    def options(self) -> list[str]:
        """Names of the options that the message is about, the first of them first."""
        return [json.loads(said)[0] for said in MARKED.findall(self.words)]

    def spelled(self, spell: Spelling) -> str:
        """The message with its options as a door says them."""
        return MARKED.sub(lambda found: spell(*json.loads(found[1])), self.words)

    def __str__(self) -> str:
        return self.spelled(spell_keyword)


MARKED = re.compile(f"{BEGIN}(.*?){END}")


def _literal(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)
