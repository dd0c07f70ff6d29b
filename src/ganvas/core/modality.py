"""A modality stands between what people have and tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, final

import torch
from torch import Tensor

from ..runtime.errors import flag

if TYPE_CHECKING:
    import pandas as pd

    from .source import Source

from ..runtime.errors import InputError
from .captions import encode_prompt
from .data import Data
from .detection import Detected, Scored, ScoreFunction
from .intervals import Values, plain_values
from .scoring import Part, score_examples
from .space import Space, Tokens


class Recommendation(NamedTuple):
    """A model to begin with.

    minutes: That do for some thousand examples.
    why: In a sentence or two.
    """

    model: str
    minutes: float
    why: str


Items = Tensor | Iterable[Any]
"""What leaves a modality: examples as one tensor, (n, *space.shape), or one by one, of images
each of its own size; where they are images, as `ImageFile`; where they are rows, tables."""


def stack_items(items: Items) -> Tensor:
    """Examples of one size as one tensor, (n, *space.shape)."""
    return items if isinstance(items, Tensor) else torch.stack([*items])


def folder_and_names(target: Path, names: list[str] | None) -> tuple[Path, list[str] | None]:
    """The folder that examples are written into, and what they are called: as `target`, where it
    has an ending."""
    return (target.parent, [target.name]) if target.suffix else (target, names)


class Modality(ABC):
    """What people have <-> tensors. A frozen dataclass of plain values: what it learned from the
    data."""

    endings: ClassVar[frozenset[str]]
    """File endings, lower case, that mark a source as this modality's."""

    lists: ClassVar[frozenset[str]] = frozenset()
    """Those of files that may list others by their paths, which a service never opens."""

    plain: ClassVar[frozenset[str]] = frozenset()
    """Those of files that hold no more than their own bytes say, so that a service may open them
    unseen, beside the kinds that it looks into."""

    features: ClassVar[str]
    """Name of the features that examples are best compared by."""

    recommended: ClassVar[tuple[Recommendation, ...]] = ()
    """What to begin with: the first that fits."""

    opens: ClassVar[type[Source]]
    """What data is opened as."""

    overlapping: ClassVar[bool] = False
    """Whether examples are windows of a series, which overlap: what is scored are the time steps
    that they share, of which x is (n, columns) and so is the attribution."""

    @property
    def encoder(self) -> Path | None:
        """Folder of the run whose model encodes the data, where examples are what it makes of
        them."""
        return None

    @property
    def inner(self) -> Modality:
        """The modality of the data itself. Raises InputError where it is encoded, and the run that
        did is gone, or has changed."""
        return self

    def encode(self, x: Tensor) -> Tensor:
        """Examples of this modality, on the CPU where they are encoded, of examples of the inner
        one, (n, *inner.space.shape)."""
        return x

    def decode(self, x: Tensor) -> Tensor:
        """Examples of the inner modality, (n, *inner.space.shape), on the CPU where they were
        encoded, of examples of this one."""
        return x

    def completing(self, model: Any) -> Any:
        """A model that completes examples of this modality, as one that completes those of the
        inner modality; None where a part of an example here is of the whole of one there."""
        return model

    def beside(self, run: Path) -> Self:
        """The same for the run in this folder, from which it finds the run that encodes the data
        where both were moved together."""
        return self

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

    domains: tuple[str, ...] = ()
    """Names of the two that examples are translated between, the first one first; empty where
    there is one kind."""

    pairs: bool = False
    """Whether every example of the first domain has a counterpart in the second."""

    def domain(self, name: str | int) -> int:
        """The number of a domain, by its name. Raises InputError where there is none."""
        if name in self.domains:
            return self.domains.index(str(name))
        known = " and ".join(self.domains) or "none: the model learned from one kind of image"
        raise InputError(f"no domain is called {name!r}; there are {known}")

    @property
    def kinds(self) -> dict[str, str]:
        """What each column is, in words, where examples are rows of a table; else empty."""
        return {}

    @classmethod
    @abstractmethod
    def recognises(cls, source: Any) -> bool:
        """Whether this source looks like something the modality reads."""

    @classmethod
    @abstractmethod
    def learn(cls, source: Any) -> Modality:
        """Looks at the data once and remembers what reading and writing need. Raises InputError on
        bad input."""

    @final
    def open(
        self,
        source: Any,
        device: str | torch.device = "cpu",
        held_out: float = 0.0,
        fingerprint: Callable[[], str] = str,
    ) -> Source:
        """What a person gave, from which each view reads what a task asks for; nothing is read yet.

        device: Where what is read lives.
        held_out: Share that the model's training held out.
        fingerprint: Tells the model's weights and what its modality learned from all others.
        """
        return self.opens(self, source, torch.device(device), held_out, fingerprint)

    @final
    def read(self, source: Any, device: str | torch.device = "cpu") -> Data:
        """The examples of a source, which must look like what was learned from. Raises InputError
        on bad input."""
        return self.open(source, device).examples()

    def score(self, parts: Iterable[Part], weigh: ScoreFunction) -> Iterator[Scored]:
        """Parts of examples, as `Source.parts` gives them, with their scores; of `overlapping` ones
        every time step that they cover."""
        return score_examples(parts, weigh)

    @abstractmethod
    def describe(self, data: Data) -> str:
        """What was read, in one or two plain sentences."""

    @abstractmethod
    def to_python(self, items: Items, form: str | None = None) -> Any:
        """Examples as a person in Python wants them.

        form: What they came as, as the modality calls it; by default what the training's did.
        """

    @abstractmethod
    def vectors(self, x: Tensor) -> Tensor:
        """Examples as vectors (N, D), float32, whose distances mean what they can mean without
        learning features."""

    def measure(self, x: Tensor) -> Values:
        """Examples as values: of rows in the units of the table, of all else as they are."""
        return plain_values(x)

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

    def trace(self, parts: Iterable[Detected], folder: Path) -> list[Path]:
        """Draws series with what was found on them, and lists it as stretches of time, where
        examples overlap. Returns the files written."""
        return []

    @abstractmethod
    def thumbnails(self, x: Tensor, most: int) -> Tensor | None:
        """Examples as small images, uint8 (n, side, side, 3) with a side of at most so many
        pixels, where they can be seen; else None."""

    @abstractmethod
    def frame(self, x: Tensor) -> pd.DataFrame | None:
        """Examples as a data frame, where they are rows of a table; else None."""

    @abstractmethod
    def save(self, items: Items, target: Path, names: list[str] | None = None) -> list[Path]:
        """Writes examples where people can open them: into a folder, or one into a file where
        `target` has an ending; returns the files written."""

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
