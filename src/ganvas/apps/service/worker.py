"""The one thread in which models work.

Random numbers are the process's own and tasks start them from their seeds, so that tasks take
turns; what computes uses all cores of the machine anyway. Work items that can be done together are
gathered while the worker is busy.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ...runtime.console import silence

LONGEST_WAIT = 10  # times the patience: after that an item is done however many still come
Result = TypeVar("Result")
BatchFunction = Callable[[Sequence[Any]], Sequence[Any]]
"""Does things together; of each its result, or the exception."""


class WorkTimeout(Exception):
    """A work item was not done in time."""


@dataclass(frozen=True)
class WorkItem:
    """Something to be done, alone where there is no key, or with others of the same key."""

    function: BatchFunction
    argument: Any
    key: Hashable
    arrived: float
    done: asyncio.Future[Any]


class Worker:
    """Does work items in a thread of its own, in order, but those of one key together.

    largest: Items that are done together, at most.
    patience: Seconds in which none of the same key came, after which those that did are done; where
        half as many as may be done together are there, they are done at once.
    on_batch: Called with how many were done together.
    """

    def __init__(
        self, largest: int, patience: float, on_batch: Callable[[int], None] = lambda size: None
    ) -> None:
        self.largest, self.enough = largest, max(largest // 2, 1)
        self.patience, self.on_batch = patience, on_batch
        self._queue = deque[WorkItem]()
        self._change = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._work, name="ganvas-worker", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Items that wait."""
        return len(self._queue)

    async def run(self, function: Callable[[], Result], seconds: float | None = None) -> Result:
        """Calls a function alone. Raises what it raises, and WorkTimeout where it is not done in so
        many seconds."""
        result: Result = await self.submit(lambda _: [function()], None, None, seconds)
        return result

    async def submit(
        self, function: BatchFunction, argument: Any, key: Hashable, seconds: float | None = None
    ) -> Any:
        """Does something to an argument, with other arguments of the same key where they come at
        the same time."""
        done = asyncio.get_running_loop().create_future()
        with self._change:
            self._queue.append(WorkItem(function, argument, key, time.monotonic(), done))
            self._change.notify()
        try:
            return await asyncio.wait_for(done, seconds)
        except TimeoutError:
            raise WorkTimeout from None

    def close(self, seconds: float = 10.0) -> None:
        """Does what is left, and ends."""
        with self._change:
            self._open = False
            self._change.notify()
        self._thread.join(seconds)

    def _work(self) -> None:
        with silence():
            while items := self._take_batch():
                wanted = [item for item in items if not item.done.done()]
                if wanted:
                    _deliver(wanted, _compute_outcomes(wanted))
                    self.on_batch(len(wanted))

    def _take_batch(self) -> list[WorkItem]:
        """The items to be done next, together; none where it is time to end."""
        with self._change:
            while not self._queue:
                if not self._open:
                    return []
                self._change.wait()
            first = self._queue.popleft()
            if first.key is None:
                return [first]
            self._wait_for_company(first)
            same = [item for item in self._queue if item.key == first.key]
            batch = [first, *same][: self.largest]
            for item in batch[1:]:
                self._queue.remove(item)
            return batch

    def _wait_for_company(self, first: WorkItem) -> None:
        """Until enough items have the same key, or another waits, or patience is at its end."""
        last = first.arrived + LONGEST_WAIT * self.patience
        while self._open and len(self._queue) + 1 < self.enough:
            latest = self._queue[-1] if self._queue else first
            left = min(latest.arrived + self.patience, last) - time.monotonic()
            if left <= 0 or latest.key != first.key:
                return
            self._change.wait(left)


def _compute_outcomes(items: list[WorkItem]) -> Sequence[Any]:
    try:
        return items[0].function([item.argument for item in items])
    except Exception as error:  # whatever it is, whoever asked must hear of it
        return [error] * len(items)


def _deliver(items: list[WorkItem], outcomes: Sequence[Any]) -> None:
    """Wakes those who asked, all at once."""

    def settle() -> None:
        for item, outcome in zip(items, outcomes, strict=True):
            if item.done.done():
                continue
            if isinstance(outcome, BaseException):
                item.done.set_exception(outcome)
            else:
                item.done.set_result(outcome)

    loop = items[0].done.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(settle)
