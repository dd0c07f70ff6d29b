"""Examples in batches, and data that gives them by number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Examples x, (B, *space.shape), and what goes with them, y, (B, *condition.shape), if anything
    does."""

    x: Tensor
    y: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device) -> Batch:
        y = None if self.y is None else self.y.to(device, non_blocking=True)
        return Batch(self.x.to(device, non_blocking=True), y)

    def share(self, rank: int, ranks: int) -> Batch:
        """This process's part of the batch, when several train together."""
        pick = slice(len(self) * rank // ranks, len(self) * (rank + 1) // ranks)
        return Batch(self.x[pick], None if self.y is None else self.y[pick])


class Data(ABC):
    """Examples that can be counted and fetched by number; how they are kept is its own affair."""

    names: list[str]
    """Where each example came from: a file, or a place in an array."""

    ahead: int = 0
    """Batches worth preparing in the background while the model learns: none where they are in
    memory already."""

    parts: bool = False
    """Whether examples are parts of larger things, which are held out as a whole: they have the
    keys of these."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def batch(self, rows: Tensor, step: int | None = None) -> Batch:
        """The examples numbered `rows`, int64 (B,), as the model will see them.

        step: The step they are practised in, which alone decides how they are augmented; None
            leaves them as they are.
        """

    @abstractmethod
    def keys(self) -> Tensor:
        """A 64-bit hash of each example's content, or of what it is part of, int64 (N,): equal
        content, equal keys."""

    @abstractmethod
    def subset(self, rows: Tensor) -> Data:
        """The same data, restricted to the examples numbered `rows`."""

    def split(self, share: float, level: int = 0) -> tuple[Data, Data]:
        """Practice and held-out data. The content decides who is held out, so it stays so when
        examples are added.

        level: Splits of different levels, 0 to 3, have nothing to do with each other: to split a
            part again.
        """
        out = held_out_rows(self.keys(), share, level)
        return self.subset((~out).nonzero().squeeze(1)), self.subset(out.nonzero().squeeze(1))

    def in_batches(self, size: int = 256, most: int | None = None) -> Iterator[Batch]:
        """All the examples once, in order, not augmented; at most `most` of them, evenly spread."""
        for part in evenly_spaced(len(self), most).split(size):
            yield self.batch(part)

    def gather(self, most: int | None = None) -> Batch:
        """The examples as one batch."""
        batches = list(self.in_batches(most=most))
        y = [b.y for b in batches if b.y is not None]
        return Batch(torch.cat([b.x for b in batches]), torch.cat(y) if y else None)


def held_out_rows(keys: Tensor, share: float, level: int = 0) -> Tensor:
    """Which examples are held out, by their keys (N,), as `Data.split` has it: boolean (N,)."""
    return ((keys >> 16 * level) & 0xFFFF) < share * 0x10000


def evenly_spaced(n: int, most: int | None = None) -> Tensor:
    """The numbers 0 to n - 1, or at most `most` of them, evenly spread; int64."""
    return (
        torch.arange(n)
        if most is None or most >= n
        else torch.linspace(0, n - 1, most).round().long()
    )
