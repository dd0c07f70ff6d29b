"""The one thread in which models work.

Random numbers are the process's own and tasks start them from their seeds, so that tasks take
turns; what computes uses all cores of the machine anyway. Errands that can be done together are
gathered while the hand is busy.
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

WORN = 10  # times its patience, an errand is done however many still come
Result = TypeVar("Result")
Work = Callable[[Sequence[Any]], Sequence[Any]]
"""Does things together; of each its result, or what went wrong."""


class Late(Exception):
    """An errand was not done in time."""


@dataclass(frozen=True)
class WorkItem:
    """Something to be done, alone where there is no key, or with others of the same key."""

    work: Work
    thing: Any
    key: Hashable
    arrived: float
    done: asyncio.Future[Any]


class Worker:
    """Does errands in a thread of its own, in order, but that those of one key are done together.

    most: Errands that are done together.
    patience: Seconds in which none of the same key came, after which those that did are done; where
        half as many as may be done together are there, they are done at once.
    told: Called with how many were done together.
    """

    def __init__(
        self, most: int, patience: float, told: Callable[[int], None] = lambda n: None
    ) -> None:
        self.most, self.enough, self.patience, self.told = most, max(most // 2, 1), patience, told
        self._errands = deque[WorkItem]()
        self._change = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._work, name="hand", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Errands that wait."""
        return len(self._errands)

    async def do(self, work: Callable[[], Result], seconds: float | None = None) -> Result:
        """Does something alone. Raises what it raises, and Late where it is not done in so many
        seconds."""
        return await self.together(lambda _: [work()], None, None, seconds)

    async def together(
        self, work: Work, thing: Any, key: Hashable, seconds: float | None = None
    ) -> Any:
        """Does something to a thing, with other things of the same key where they come at the same
        time."""
        done = asyncio.get_running_loop().create_future()
        with self._change:
            self._errands.append(WorkItem(work, thing, key, time.monotonic(), done))
            self._change.notify()
        try:
            return await asyncio.wait_for(done, seconds)
        except TimeoutError:
            raise Late from None

    def close(self, seconds: float = 10.0) -> None:
        """Does what is left, and ends."""
        with self._change:
            self._open = False
            self._change.notify()
        self._thread.join(seconds)

    def _work(self) -> None:
        with silence():
            while errands := self._next():
                wanted = [errand for errand in errands if not errand.done.done()]
                if wanted:
                    _hand_over(wanted, _outcomes(wanted))
                    self.told(len(wanted))

    def _next(self) -> list[WorkItem]:
        """The errands to be done next, together; none where it is time to end."""
        with self._change:
            while not self._errands:
                if not self._open:
                    return []
                self._change.wait()
            first = self._errands.popleft()
            if first.key is None:
                return [first]
            self._wait_for(first)
            together = [first, *(one for one in self._errands if one.key == first.key)][: self.most]
            for errand in together[1:]:
                self._errands.remove(errand)
            return together

    def _wait_for(self, first: WorkItem) -> None:
        """Until enough errands have the same key, or another waits, or patience is at its end."""
        last = first.arrived + WORN * self.patience
        while self._open and len(self._errands) + 1 < self.enough:
            latest = self._errands[-1] if self._errands else first
            left = min(latest.arrived + self.patience, last) - time.monotonic()
            if left <= 0 or latest.key != first.key:
                return
            self._change.wait(left)


def _outcomes(errands: list[WorkItem]) -> Sequence[Any]:
    try:
        return errands[0].work([errand.thing for errand in errands])
    except Exception as error:  # whatever it is, whoever asked must hear of it
        return [error] * len(errands)


def _hand_over(errands: list[WorkItem], outcomes: Sequence[Any]) -> None:
    """Wakes those who asked, all at once."""

    def tell() -> None:
        for errand, outcome in zip(errands, outcomes, strict=True):
            if errand.done.done():
                continue
            if isinstance(outcome, BaseException):
                errand.done.set_exception(outcome)
            else:
                errand.done.set_result(outcome)

    loop = errands[0].done.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(tell)
