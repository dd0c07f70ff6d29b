"""What goes wrong is said in one sentence, where the person is looking."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr

from ...runtime.errors import InputError
from ..jobs import Busy
from ..spelling import spell_label

HIDDEN: dict[str, Any] = {"api_visibility": "private"}
"""Of listeners: nobody calls them but the page."""


def show_errors(function: Callable[..., Any]) -> Callable[..., Any]:
    """A listener whose InputError and Busy become a message on the page."""

    @wraps(function)
    def listener(*values: Any) -> Any:
        try:
            return function(*values)
        except (InputError, Busy) as error:
            raise gr.Error(
                words(error), title="That does not work", print_exception=False
            ) from error

    return listener


def words(error: InputError | Busy) -> str:
    """What an error says, with options called as the page calls them."""
    return error.spelled(spell_label) if isinstance(error, InputError) else str(error)
