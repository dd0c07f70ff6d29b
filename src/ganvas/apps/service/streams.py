"""Rows that are sent while they are still generated: the worker writes a file, the response reads
behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from tempfile import TemporaryFile
from typing import Any

import pyarrow as pa

from .responses import PIECE, ROWS


class ReaderLeft(Exception):
    """Nobody reads any more."""


class Stream:
    """A file that one thread writes and the event loop reads, and that nothing else knows of.

    started: Done with the first bytes.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.started = self.loop.create_future()
        self._file = TemporaryFile()  # noqa: SIM115 # closed when it has been read
        self._more, self._size, self._ended, self._left = asyncio.Event(), 0, False, False
        self._error: Exception | None = None

    def fill(self, tables: Iterable[pa.Table], kind: str) -> None:
        """Writes tables as a media type, as they are generated. Raises what the first one raises;
        what is wrong later, the reader hears."""
        parts, started = iter(tables), False
        first = next(parts)
        try:
            with ROWS[kind](_Writer(self), first.schema) as write:
                write(first)
                started = True
                self.loop.call_soon_threadsafe(_mark_started, self.started)
                for table in parts:
                    write(table)
        except ReaderLeft:
            return
        except Exception as error:
            if not started:
                raise
            self._error = error  # the answer can only be broken off
        finally:
            self._notify(ended=True)

    def add(self, content: bytes) -> int:
        """Raises ReaderLeft where nobody reads any more."""
        if self._left:
            raise ReaderLeft
        size = self._file.write(content)
        self._file.flush()
        self._size += size
        self._notify(ended=False)
        return size

    async def read(self) -> AsyncIterator[bytes]:
        """What was written, piece by piece. Raises what went wrong."""
        place = 0
        try:
            while True:
                ended = self._ended
                while place < self._size:
                    piece = os.pread(self._file.fileno(), PIECE, place)
                    place += len(piece)
                    yield piece
                if ended:
                    break
                await self._more.wait()
                self._more.clear()
            if self._error:
                raise self._error
        finally:
            self.leave()

    def leave(self) -> None:
        """Nobody reads any more."""
        self._left = True

    def _notify(self, ended: bool) -> None:
        """Wakes the reader, from the thread of the worker."""

        def wake() -> None:
            self._ended |= ended
            self._more.set()

        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(wake)


def _mark_started(started: asyncio.Future[Any]) -> None:
    if not started.done():
        started.set_result(None)


class _Writer:
    """What Arrow takes for a file."""

    def __init__(self, stream: Stream) -> None:
        self.stream, self.closed = stream, False

    def write(self, content: Any) -> int:
        return self.stream.add(bytes(content))

    def flush(self) -> None: ...

    def close(self) -> None:
        self.closed = True
