"""Where words on the way go: to standard error, or nowhere, where many are answered at once and
nobody reads along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from rich.console import Console

_silent = ContextVar("silent", default=False)


@contextmanager
def silence() -> Iterator[None]:
    """Inside, in this thread, nothing is said on the way."""
    token = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(token)


def is_silent() -> bool:
    """Whether nothing is to be said."""
    return _silent.get()


def stderr_console(**options: Any) -> Console:
    """Where a task says what it does, and shows bars; options are those of rich."""
    return Console(stderr=True, quiet=is_silent(), **options)
