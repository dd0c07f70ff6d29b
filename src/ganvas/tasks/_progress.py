"""A bar on standard error, for what takes a while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

LONG = 2**14  # examples that are worth a bar


def counted(parts: Iterable[Tensor], n: int, words: str) -> Iterator[Tensor]:
    """The same parts, with a bar of how many of `n` examples they came to where there are many."""
    columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=n <= LONG) as bar:
        task = bar.add_task(words, total=n)
        for part in parts:
            yield part
            bar.advance(task, len(part))
