"""Windows of series, and what they say together of every moment that they cover."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from ...core import Batch, Data
from ...core.detection import Scored, ScoreFunction

if TYPE_CHECKING:
    from .modality import Series

AT_ONCE = 512  # windows that are weighed at a time
NEAR = 16  # moments that attribution is averaged over: a window's length over this, on either side
GOLDEN = (5**0.5 - 1) / 2


class Windowed(Data):
    """Windows that are cut out of series x, (moments, columns), when they are asked for.

    starts: Where each begins, int64 (N,).
    times: What each moment is called.
    known: How many of the moments, from the first, were the last ones of the part before.
    keys: Of the block that each window is in; where there are none, of each window.
    """

    def __init__(
        self,
        windows: Series,
        x: Tensor,
        starts: Tensor,
        times: list[str],
        known: int = 0,
        keys: Tensor | None = None,
    ) -> None:
        self.windows, self.x, self.starts, self.times, self.known = windows, x, starts, times, known
        self.blocks = keys

    @property
    # made when asked for: there may be very many
    def names(self) -> list[str]:  # type: ignore[override]
        return [self.times[i] for i in self.starts.tolist()]

    def __len__(self) -> int:
        return len(self.starts)

    def batch(self, rows: Tensor, step: int | None = None) -> Batch:
        return Batch(self.x.unfold(0, self.windows.window, 1)[self.starts[rows].to(self.x.device)])

    def keys(self) -> Tensor:
        if self.blocks is not None:
            return self.blocks
        return torch.tensor(
            [hash_block(self.x[i : i + self.windows.window], i) for i in self.starts.tolist()]
        )

    def subset(self, rows: Tensor) -> Windowed:
        keys = None if self.blocks is None else self.blocks[rows]
        return Windowed(self.windows, self.x, self.starts[rows], self.times, self.known, keys)

    def cover(self, hidden: Tensor, weigh: ScoreFunction) -> Covered:
        """Every moment, with the sums of what these windows say of it."""
        moments, columns = self.x.shape
        hidden = hidden if hidden.dim() else torch.zeros(moments, columns)
        attribution, count, near = (
            torch.zeros(moments, columns),
            torch.zeros(moments),
            self.windows.window // NEAR,
        )
        for rows in torch.arange(len(self)).split(AT_ONCE):
            costs = weigh(self.batch(rows).x)[1].float().cpu()
            costs = F.avg_pool1d(costs, 2 * near + 1, 1, near, count_include_pad=False)
            places = (self.starts[rows].unsqueeze(1) + torch.arange(self.windows.window)).flatten()
            attribution.index_add_(0, places, costs.transpose(1, 2).reshape(-1, columns))
            count.index_add_(0, places, torch.ones(len(places)))
        return Covered(self.times, self.x.cpu(), hidden, attribution, count)


@dataclass(frozen=True)
class Covered:
    """Moments, and sums over the windows that cover them.

    x, hidden, attribution: (moments, columns).
    count: Of windows, (moments,).
    """

    times: list[str]
    x: Tensor
    hidden: Tensor
    attribution: Tensor
    count: Tensor

    def split(self, at: int) -> tuple[Covered, Covered]:
        """The moments before, and the rest."""
        at = min(max(at, 0), len(self.times))
        fields = (self.x, self.hidden, self.attribution, self.count)
        return (
            Covered(self.times[:at], *(value[:at] for value in fields)),
            Covered(self.times[at:], *(value[at:] for value in fields)),
        )

    def join(self, other: Covered, known: int) -> tuple[Covered, Covered]:
        """What no later window covers, and the rest with the sums of `other`, whose first moments,
        so many, were seen
        before: these are the last ones here, or were settled already."""
        other = other.split(known - len(self.times))[1]
        shared = min(known, len(self.times))
        settled, rest = self.split(len(self.times) - shared)
        for mine, others in ((rest.attribution, other.attribution), (rest.count, other.count)):
            others[:shared] += mine
        return settled, other

    def average(self) -> Iterator[Scored]:
        """Of the moments that any window covers, means of the sums, and what was hidden."""
        there = self.count > 0
        if not there.any():
            return
        names = [time for time, covered in zip(self.times, there.tolist(), strict=True) if covered]
        attribution = self.attribution[there] / self.count[there].unsqueeze(1) + self.hidden[there]
        yield Scored(self.x[there], names, attribution.sum(1), attribution)


def hash_block(x: Tensor, number: int) -> int:
    """A hash of a block, but for its lowest bits: those spread evenly over the blocks in their
    order (by the golden ratio), so that of few blocks, too, the right share is held out, and of all
    times."""
    digest = int.from_bytes(
        blake2b(x.cpu().numpy().tobytes(), digest_size=8).digest(), "little", signed=True
    )
    return digest >> 16 << 16 | int((number + 1) * GOLDEN % 1 * 2**16)
