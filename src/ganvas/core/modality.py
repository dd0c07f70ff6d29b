"""A modality stands between what people have and tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor

from ..runtime.errors import flag

if TYPE_CHECKING:
    import pandas as pd

from ..runtime.errors import InputError
from .abilities import Completes
from .captions import encode_prompt
from .space import Space, Tokens


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


class Modality(ABC):
    """What people have <-> tensors. A frozen dataclass of plain values: what it learned from the
    data."""

    endings: ClassVar[frozenset[str]]
    """File endings, lower case, that mark a source as this modality's."""

    features: ClassVar[str]
    """Name of the features that examples are best compared by."""

    typical: ClassVar[tuple[tuple[Space, Space | None], ...]] = ()
    """What one example is, and what goes with it, of such data as people have most: a model that
    takes one of these takes such data. Empty where that cannot be told beforehand."""

    @property
    @abstractmethod
    def space(self) -> Space:
        """What one example is."""

    @property
    @abstractmethod
    def condition(self) -> Space | None:
        """What goes with an example: what can be asked for (a label is one token, a text many), or
        what it is to be made of; None where nothing was learned that could be."""

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Names of the labels, in the order of their numbers; empty without labels."""

    def label(self, name: str | int) -> int:
        """The number of a label, by its name or number. Raises InputError where there is none."""
        if str(name) in self.classes:
            return self.classes.index(str(name))
        if str(name).isdecimal() and int(name) < len(self.classes):
            return int(name)
        known = ", ".join(self.classes) or "none: the data had no labels"
        raise InputError(f"no label is called {name!r}; there are {known}")

    words: tuple[str, ...] = ()
    """Words that texts had which examples can be asked for by; empty where none were learned."""

    def prompt(self, text: str) -> Tensor:
        """What a text asks for, int64 (*condition.shape). Raises InputError where there are no such
        words."""
        if not self.words or not isinstance(self.condition, Tokens):
            raise InputError(
                "no text can be asked for: the data had no captions; learn from images with"
                f" {flag('captions')}"
            )
        return encode_prompt(text, self.words, self.condition.length)

    @classmethod
    @abstractmethod
    def recognises(cls, source: Any) -> bool:
        """Whether this source looks like something the modality reads."""

    @classmethod
    @abstractmethod
    def learn(cls, source: Any) -> Modality:
        """Looks at the data once and remembers what reading and writing need. Raises InputError on
        bad input."""

    @abstractmethod
    def read(self, source: Any, device: str | torch.device = "cpu") -> Data:
        """Opens data that must look like what was learned from. Raises InputError on bad input."""

    @abstractmethod
    def read_any(
        self, source: Any, device: str | torch.device = "cpu"
    ) -> Iterator[tuple[Data, Tensor]]:
        """Reads data, part after part, that may hold what was never learned: it reads as what comes
        nearest.

        Beside each part what that hides, in nats for each place of each example, or (): to be added
        to `Space.costs`.
        """

    @abstractmethod
    def describe(self, data: Data) -> str:
        """What was read, in one or two plain sentences."""

    @abstractmethod
    def present(self, x: Tensor) -> Any:
        """Examples as a person in Python wants them: what came in decides what goes out."""

    @abstractmethod
    def vectors(self, x: Tensor) -> Tensor:
        """Examples as vectors (N, D), float32, whose distances mean what they can mean without
        learning features."""

    @abstractmethod
    def reasons(self, attribution: Tensor) -> dict[str, Tensor]:
        """What is to attribution in examples, (n, *places), by the names that a person has for it,
        each (n,).

        Empty where places have no names.
        """

    @abstractmethod
    def point_out(
        self, x: Tensor, attribution: Tensor, nearest: Tensor, names: list[str], folder: Path
    ) -> list[Path]:
        """Draws where in examples the attribution lies, beside the nearest normal examples (none,
        or as many), where that can be seen. Returns the files written."""

    @abstractmethod
    def thumbnails(self, x: Tensor, most: int) -> Tensor | None:
        """Examples as small images, uint8 (n, side, side, 3) with a side of at most so many
        pixels, where they can be seen; else None."""

    @abstractmethod
    def frame(self, x: Tensor) -> pd.DataFrame | None:
        """Examples as a data frame, where they are rows of a table; else None."""

    @abstractmethod
    def write(self, x: Tensor, target: Path, names: list[str] | None = None) -> list[Path]:
        """Writes examples where people can open them; returns the files written."""

    @abstractmethod
    def sheet(self, x: Tensor, target: Path, columns: int | None = None) -> Path:
        """Writes many examples as one thing to look at: a contact sheet. Returns the file
        written."""

    @abstractmethod
    def animate(self, frames: list[Tensor], target: Path, seconds: float = 0.1) -> Path:
        """Writes sets of examples, each (n, *space.shape), as one thing that moves. Returns the
        file written."""

    @abstractmethod
    def film(self, sheets: list[Path], target: Path) -> Path:
        """Joins sheets written before into one thing that moves. Returns the file written."""


class EncodedModality(Modality):
    """A modality whose examples are what the model of another run makes of data, of that run's
    modality."""

    through: str
    """Folder of that run."""

    @property
    @abstractmethod
    def inner(self) -> Modality:
        """What stands between people and what is encoded. Raises InputError where the run is gone,
        or has changed."""

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Examples of this modality, on the CPU, of examples of the inner one, (n,
        *inner.space.shape)."""

    @abstractmethod
    def decode(self, x: Tensor) -> Tensor:
        """Examples of the inner modality, (n, *inner.space.shape), on the CPU, of examples of this
        one."""

    @abstractmethod
    def completing(self, model: Completes) -> Completes | None:
        """A model that completes examples of this modality, as one that completes those of the
        inner modality; None where a part of an example here is of the whole of one there."""

    @abstractmethod
    def beside(self, run: Path) -> Self:
        """The same for the run in this folder, from which it finds the other where both were moved
        together."""


def data_of(modality: Modality) -> Modality:
    """The modality of data itself: of latents, that of what they are latents of."""
    return modality.inner if isinstance(modality, EncodedModality) else modality
