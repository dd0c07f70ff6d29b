"""What tasks and metrics answer: small named types. A modality turns them into what people open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from .data import Batch
from .images import ImageFile, ImageSet
from .inputs import Input
from .intervals import Interval
from .masks import Masked
from .tabular import Given

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Made:
    """New examples, in parts (b, *space.shape) that may be drawn only when they are asked for, and
    once."""

    parts: Iterable[Tensor]

    @cached_property
    def examples(self) -> Tensor:
        """All of them, (n, *space.shape)."""
        return torch.cat(list(self.parts))


@dataclass(frozen=True)
class Pairs:
    """Examples beside what became of them, both (n, *space.shape).

    between: Between what their values lie, where that was asked.
    """

    before: Tensor
    after: Tensor
    between: Interval | None = None


@dataclass(frozen=True)
class Frames:
    """Examples that belong in order, shape (frames, n, *space.shape): n strips, or one animation of
    n panels.

    names: What each strip shows, n of them, where they have names.
    """

    examples: Tensor
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Filled:
    """Rows whose masked regions were filled, once or several times: of each draw all rows, (n,
    *space.shape).

    between: Instead of draws what these say of every masked region, where intervals were asked.
    """

    given: Given
    draws: tuple[Tensor, ...] = ()
    between: Interval | None = None


@dataclass(frozen=True)
class Completed:
    """Examples whose missing parts were filled, once or several times: of each draw every one, like
    those given."""

    given: Masked
    draws: tuple[list[Tensor], ...]


@dataclass(frozen=True)
class Edited:
    """Examples moved along a direction of meaning in the latents, or along several.

    x: As they were given, (n, *space.shape).
    frames: At each strength, (strengths, n * directions, *space.shape): of each example every
        direction.
    strengths: In standard deviations.
    directions: What each direction is called.
    names: Where the examples came from.
    faithful: How well each is rendered before it is edited: PSNR in dB, (n,).
    same: How much of its identity each keeps: cosine of learned features, shaped like frames' first
        two axes; nan where none were learned.
    """

    x: Tensor
    frames: Tensor
    strengths: tuple[float, ...]
    directions: tuple[str, ...]
    names: list[str]
    faithful: Tensor
    same: Tensor


@dataclass(frozen=True)
class LabelledExamples(Input):
    """Examples x, (n, *space.shape), their classes y, int64 (n,), and what these are called.

    held_out: Which of them the model's training held out, or would have, boolean (n,): never
        learned from.
    """

    refusal: ClassVar[str] = (
        "the training had no labels, so there is no class to add to; put images into one sub-folder"
        " per class"
    )

    x: Tensor
    y: Tensor
    classes: tuple[str, ...]
    held_out: Tensor


@dataclass(frozen=True)
class Augmented:
    """Given examples and new ones of classes that lack them, (n, ...), and how well those do who
    learned from either.

    y: The class of each new one, int64 (n,).
    measure: What the scores are.
    scores: By what was learned from, and how; empty where too few were held out.
    helped: By how much new ones give a higher score than each other way.
    """

    given: Given | LabelledExamples
    added: Tensor
    y: Tensor
    measure: str
    scores: dict[str, Estimate]
    helped: dict[str, Estimate]


ScoreFunction = Callable[[Tensor], tuple[Tensor, Tensor]]
"""`Scores.weigh` of a model."""


@dataclass(frozen=True)
class NamedExamples(Input):
    """Examples x, (n, *space.shape), and where each came from.

    y: What each is labelled, as class numbers (n, 1), where they are labelled.
    classes: What these are called.
    """

    x: Tensor
    names: list[str]
    y: Tensor | None = None
    classes: tuple[str, ...] = ()


TrainingExamples = Callable[[int], NamedExamples]
"""Examples of a run's training, at most so many, evenly spread. Raises InputError where these are
not at hand."""


@dataclass(frozen=True)
class Scored:
    """Examples x, (n, ...), where each came from, its score (n,), and what each of its places adds,
    (n, *places)."""

    x: Tensor
    names: list[str]
    scores: Tensor
    attribution: Tensor


@dataclass(frozen=True)
class ScoredStream:
    """Examples of any number of sources, which are read as they are weighed, in parts: from the
    start at every call.

    apart: How many examples each of several people brought, where these come as one part: what is
        found among one's examples has nothing to do with the others'.
    """

    weighed: Callable[[ScoreFunction], Iterator[Scored]]
    apart: tuple[int, ...] = ()


@dataclass(frozen=True)
class ReferenceScores:
    """What is normal to a model.

    scores: Of examples that it did not learn from, (N,).
    attribution: What each place adds to these on average, (*places).
    learned_from: Some that it did learn from, on the CPU; none where they are not at hand. Asked
        for when the first example is found.
    vectors: Maps examples to vectors (n, D) whose distances mean something.
    """

    scores: Tensor
    attribution: Tensor
    learned_from: Callable[[], NamedExamples]
    vectors: Callable[[Tensor], Tensor]

    @cached_property
    def ranked(self) -> Tensor:
        """The scores, in order."""
        return self.scores.sort().values

    @cached_property
    def _learned(self) -> NamedExamples:
        return self.learned_from()

    @property
    def examples(self) -> Tensor:
        """Some that the model did learn from, (M, *space.shape)."""
        return self._learned.x

    @property
    def names(self) -> list[str]:
        """Where these came from."""
        return self._learned.names

    @cached_property
    def known(self) -> Tensor:
        """Vectors of the examples, (M, D)."""
        return self.vectors(self.examples)


@dataclass(frozen=True)
class Detected:
    """How anomalous examples x, (n, ...), are beside normal ones, and why.

    scores: The model's, (n,); higher is more anomalous.
    p: Share of normal examples that are as anomalous, (n,).
    found: Which are called anomalous, boolean (n,).
    attribution: What each place adds to the score beyond what is normal, (n, *places).
    nearest: Of what was found, the number of the nearest normal example, (n,); -1 for the rest, or
        where none are at hand.
    """

    x: Tensor
    names: list[str]
    scores: Tensor
    p: Tensor
    found: Tensor
    attribution: Tensor
    nearest: Tensor


@dataclass(frozen=True)
class Detections:
    """Examples, judged in parts when they are asked for, and once.

    tally: How many were found, of how many, so far.
    endless: Whether more may come at any time.
    """

    parts: Iterable[Detected]
    normal: ReferenceScores
    tally: Counter[str]
    endless: bool = False

    @cached_property
    def whole(self) -> Detected:
        """All of them as one."""
        parts = list(self.parts)
        names = [name for part in parts for name in part.names]
        of = lambda field: torch.cat([getattr(part, field) for part in parts])  # noqa: E731
        return Detected(
            of("x"), names, *map(of, ("scores", "p", "found", "attribution", "nearest"))
        )


@dataclass(frozen=True)
class Embedded:
    """Latents of examples, (n, D), and a map of some of these.

    rows: Which of the examples are on the map, int64 (m,); none where there is no map.
    map: Where these lie, (m, 2).
    words: How the map was made.
    """

    given: NamedExamples
    latents: Tensor
    rows: Tensor
    map: Tensor
    words: str


@dataclass(frozen=True)
class Clustered:
    """Examples in groups.

    cluster: The group of each, int64 (n,); 0 is the largest.
    probability: That it belongs there rather than to another, (n,).
    distance: From the middle of its group, in standard deviations of the group, (n,).
    """

    given: NamedExamples
    cluster: Tensor
    probability: Tensor
    distance: Tensor


@dataclass(frozen=True)
class Unpacked(Input):
    """Examples to the last bit: the codes of what a model learned, whole numbers (n, places), and
    the rest.

    fingerprint: Of the model and of what its modality learned.
    """

    refusal: ClassVar[str] = "{asker} is for what can be packed without loss, and these are {data}"

    codes: Tensor
    rest: bytes
    fingerprint: str


@dataclass(frozen=True)
class Packed(Input):
    """Examples in few bytes: the symbols of n of them as a model's probabilities pack them, and the
    rest.

    digest: Of the symbols, to know them by when they are unpacked.
    quality: How much was kept, from 0 to 100, or None where nothing was lost.
    """

    refusal: ClassVar[str] = "{asker} is for what can be packed without loss, and these are {data}"

    packed: bytes
    rest: bytes
    n: int
    digest: str
    fingerprint: str
    quality: int | None = None


@dataclass(frozen=True)
class Restored:
    """Images, and what became of each: (file, before, after), the latter two (C, H, W) as the
    model has them; made when they are asked for, and once.

    recoloured: Whether grey ones may be in colour afterwards.
    """

    given: ImageSet
    steps: Iterable[tuple[ImageFile, Tensor, Tensor]]
    recoloured: bool = False

    @property
    def made(self) -> Iterator[tuple[Tensor, Tensor, ImageFile]]:
        """Before, after, and after as a file with all that the given one has."""
        for own, before, after in self.steps:
            yield before, after, own.redone(after, self.recoloured)


@dataclass(frozen=True)
class Enlarged:
    """Images, and each `scale` times as large a side, made when they are asked for, and once."""

    given: ImageSet
    scale: int
    pairs: Iterable[tuple[ImageFile, ImageFile]]


Answer = (
    Made
    | Pairs
    | Frames
    | Filled
    | Completed
    | Edited
    | Augmented
    | Detections
    | Embedded
    | Clustered
    | Packed
    | Unpacked
    | Restored
    | Enlarged
)
"""What a task answers."""


@dataclass(frozen=True)
class Estimate:
    """A number and the interval a bootstrap puts around it (95 %)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """A metric's answer: named numbers, and for each name whether larger is better (None:
    neither)."""

    numbers: dict[str, Estimate]
    larger_is_better: dict[str, bool | None]


@dataclass(frozen=True)
class Evidence:
    """What a metric may look at beside the model.

    train: Examples the model learned from, evenly spread over all of them.
    held_out: Examples it never saw. As many samples are asked for as there are of these.
    asked: What each sample is asked to be, (len(held_out), *condition.shape), for a model that
        takes a condition.
    paired: Whether what an example is to be made of, `held_out.y`, is its counterpart and not any
        other example.
    features: Maps examples (N, *space.shape) to feature vectors (N, D).
    classify: Maps examples to class numbers (N,), where the features come from a classifier of the
        same classes.
    frame: Maps examples to a data frame where they are rows of a table, else to None.
    target: Name of the column that matters most to the person, if they named one.
    """

    train: Batch
    held_out: Batch
    asked: Tensor | None
    features: Callable[[Tensor], Tensor]
    classify: Callable[[Tensor], Tensor] | None
    frame: Callable[[Tensor], pd.DataFrame | None] = lambda _: None
    target: str | None = None
    paired: bool = False
