"""What one request, and all of them together, may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of a service, of each of its processes.

    body: Bytes of a request.
    unpacked: Bytes that files of a request may come to when they are unpacked.
    pixels: Of one image that is sent, and of all that are generated for a request.
    rows: That are sent with a request, or generated for it.
    seconds: That a request is waited for, and that it waits for its answer.
    waiting: Requests at once.
    gather: Examples of several requests that are scored in one batch; 1 scores each request alone.
    patience: Seconds in which nobody came, after which those who did are answered.
    trainings: That may run at once.
    loaded: Runs that are kept in memory.
    """

    body: int = 32 * 2**20
    unpacked: int = 2**30
    pixels: int = 2**26
    rows: int = 100_000
    seconds: float = 60.0
    waiting: int = 128
    gather: int = 32
    patience: float = 0.002
    trainings: int = 1
    loaded: int = 4
