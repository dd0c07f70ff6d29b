"""A bar on standard error, for what takes a while."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..runtime.console import is_silent, stderr_console

LONG = 2**14  # examples that are worth a bar

Part = TypeVar("Part")


def with_progress(
    parts: Iterable[Part], n: int, words: str, size: Callable[[Any], int] = len, long: int = LONG
) -> Iterator[Part]:
    """The same parts, with a bar of how many of `n` examples they came to where there are more than
    `long`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=stderr_console(), transient=True, disable=n <= long or is_silent()
    ) as bar:
        task = bar.add_task(words, total=n)
        for part in parts:
            yield part
            bar.advance(task, size(part))


def progress_bar(parts: Iterable[Part], words: str, size: Callable[[Any], int]) -> Iterator[Part]:
    """The same parts, with a count of how many examples they came to where nobody knows how many
    there are."""
    if is_silent():
        yield from parts
        return
    done = 0
    with stderr_console().status(words) as status:
        for part in parts:
            yield part
            done += size(part)
            status.update(f"{words}: {done:,}")


def each_with_progress(parts: Iterable[Part], n: int, words: str) -> Iterator[Part]:
    """Parts of which even one may take its time, as a large image does: with a bar however few
    there are."""
    return with_progress(parts, n, words, lambda part: 1, 0)
