"""Abilities: what a trained model can do. A model's class line lists them, a task's first argument
asks for one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from ..runtime.errors import InputError, flag
from ..runtime.random import seeded_rng
from .decoding import DecodingOptions
from .images import crop_to_multiple, upscale_bicubic
from .space import Space, Tokens


class Samples(ABC):
    """Makes new examples."""

    space: Space

    condition: Tokens | None = None
    """What can be asked for, or None."""

    @abstractmethod
    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        """Draws `n` new examples, shape (n, *space.shape).

        y: What each shall be, shape (n, *condition.shape), for a model that takes a condition;
            drawn evenly without.
        truncation: Latents further out than this many standard deviations are drawn again
            (Brock et al., 2019): fewer surprises, less variety.
        """


class SamplesTokens(Samples):
    """Makes new examples symbol by symbol, and can be told how boldly."""

    @abstractmethod
    def sample_tokens(self, n: int, y: Tensor | None, how: DecodingOptions) -> Tensor:
        """`sample`, steered. Raises InputError for what the model, as it was trained, cannot
        heed."""


class ScoresPrompts(Samples):
    """Knows how well examples fit what was asked of them."""

    @abstractmethod
    def prompt_score(self, x: Tensor, y: Tensor) -> Tensor:
        """How much a condition (B, *condition.shape) tells about each example, log p(x | y) / p(x)
        in nats, (B,)."""


class Encodes(ABC):
    """Summarises examples as latents."""

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Latents of examples, shape (B, ...)."""


class Decodes(ABC):
    """Turns latents into examples."""

    @abstractmethod
    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Examples of latents, shape (B, *space.shape); y as in `Samples.sample`."""


class Generates(Samples, Decodes):
    """Makes new examples by decoding latents drawn from a prior."""

    @abstractmethod
    def prior(self, n: int, truncation: float | None = None) -> Tensor:
        """Latents as new examples are made from, shape (n, ...); truncation as in
        `Samples.sample`."""


class EstimatesDensityRatio(Generates):
    """Makes new examples, and knows which of them the data has more or fewer of."""

    @abstractmethod
    def log_density_ratio(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x) - log q(x) but for a constant, (B,): p is how the data is distributed, q how
        samples are.

        y: Of what each is, as in `Samples.sample`. Raises InputError where it has not learned such
            odds.
        """


class Autoencodes(Encodes, Decodes):
    """Goes to latents and back."""


class Tokenizes(Autoencodes):
    """Goes to latents and back, and says what kind of thing the latents are: another model may
    learn them."""

    latents: Space
    """What `encode` gives and `decode` takes: symbols, such as a quantiser's codes, or vectors,
    wherever they lie."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where it computes."""


class ResamplesPosterior(Autoencodes):
    """Goes to latents and back, and knows what else an example might have been."""

    @abstractmethod
    def resample_posterior(self, x: Tensor, n: int) -> Tensor:
        """Each example n times anew, (n, B, *space.shape): x' ~ p(x' | z), z ~ q(z | x).

        Numbers have the noise that the likelihood learned, which may go beyond what the space
        holds.
        """


class Scores(ABC):
    """Says how anomalous each example is."""

    @abstractmethod
    def score_with_attribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Anomaly score, shape (B,), higher is more anomalous; and what each place adds, (B,
        *places) as in `Space.costs`."""

    def score(self, x: Tensor) -> Tensor:
        """Anomaly score alone, shape (B,)."""
        return self.score_with_attribution(x)[0]


class Bounds(ABC):
    """Bounds the likelihood of each example."""

    space: Space

    @abstractmethod
    def bound(self, x: Tensor, samples: int = 1) -> Tensor:
        """Upper bounds on -log p(x) in nats, shape (B,), tighter with more samples."""


class CodingScheme(NamedTuple):
    """How examples are turned into symbols that a range coder packs, and back.

    places: Symbols of an example.
    quality: How much it keeps, from 0 to 100, or None where it keeps everything.
    fold: Codes of examples (B, ...), as `Lossless.exact` gives them, to symbols (B, places), int64.
    unfold: (place, logits (B, alphabet)) of every place given those before it, for symbols (B,
        places). symbols[:, place] is read when the next is asked for, so that it may be filled in
        until then.
    restore: Symbols to codes.
    """

    places: int
    quality: int | None
    fold: Callable[[Tensor], Tensor]
    unfold: Callable[[Tensor], Iterator[tuple[int, Tensor]]]
    restore: Callable[[Tensor], Tensor]


class Compresses(ABC):
    """Turns examples into symbols that it knows the probabilities of."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where it computes."""

    @abstractmethod
    def coding_scheme(self, quality: int | None) -> CodingScheme:
        """How it packs at a quality, or as it likes best. Raises InputError for one that it has
        not."""


class Factorises(Compresses):
    """Says how likely each symbol of an example is, one place after the other, so that nothing is
    lost."""

    space: Space

    def coding_scheme(self, quality: int | None) -> CodingScheme:
        if quality is not None:
            raise InputError(
                f"{flag('quality')} is for models that lose something, such as codec; this one"
                " keeps every bit"
            )
        return CodingScheme(
            prod(self.space.shape), None, lambda codes: codes, self.unfold, lambda symbols: symbols
        )

    @abstractmethod
    def unfold(self, x: Tensor) -> Iterator[tuple[int, Tensor]]:
        """(place, logits (B, alphabet)) of every place given those before it, for examples x (B,
        places).

        Of images, x has the levels, flattened: whole numbers from 0 to 255.

        x[:, place] is read when the next is asked for, so that it may be filled in until then.
        """


class Translates(ABC):
    """Maps examples of one domain, the condition of the data, to counterparts in another, its
    space; some also back."""

    space: Space

    condition: Space
    """What an example of the first domain is."""

    both_ways: ClassVar[bool] = False
    """Whether it also goes back."""

    any_size: ClassVar[bool] = False
    """Whether grids of any height and width can be translated, not only those of its spaces."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where it computes."""

    @abstractmethod
    def translate(self, x: Tensor, back: bool = False) -> Tensor:
        """Counterparts of examples (B, ...) of the first domain, or with `back` of the second: (B,
        ...) in [-1, 1]."""

    def shown(self, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        """Examples y of the first domain and what becomes of them; then, of a model that goes back,
        x likewise."""
        back = (x, self.translate(x, back=True).float()) if self.both_ways else ()
        return y, self.translate(y).float(), *back


class Stylises(ABC):
    """Gives images of one domain, the condition of the data, the style of one image of another,
    its space."""

    space: Space

    condition: Space
    """What an example of the first domain is."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where it computes."""

    @abstractmethod
    def stylise(self, x: Tensor, style: Tensor, strength: float = 1.0) -> Tensor:
        """Images (B, C, H, W) of any size in the style of others, as many or one, of any size:
        like x, in [-1, 1].

        strength: How much of the style, from 0 (none) to 1.
        """

    def shown(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Examples y of the first domain, those whose style they are given, x, and what becomes of
        them."""
        return y, x, self.stylise(y, x).float()


class Upscales(ABC):
    """Makes images larger, and adds the detail that they lack."""

    space: Space

    scale: int
    """How many times as many pixels a side."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where it computes."""

    @abstractmethod
    def degrade(self, x: Tensor) -> Tensor:
        """Images as the model saw them while it learned, (B, C, H / scale, W / scale); by torch's
        random numbers."""

    @abstractmethod
    def upscale(self, x: Tensor, fidelity: float = 0.0) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] of any size as (B, C, scale * H, scale * W).

        fidelity: 1 keeps to what pixels say, 0 looks as sharp as real images do; between,
            something of both.
        """

    def shown(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Examples as they are shown: made smaller, every time alike; that bicubically enlarged;
        upscaled; and whole.

        Sides of all are the largest multiples of the scale that those of the examples hold.
        """
        x = crop_to_multiple(x, self.scale)
        with seeded_rng(0):
            low = self.degrade(x)
        blocks = low.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)
        return blocks, upscale_bicubic(low, self.scale).clamp(-1, 1), self.upscale(low).float(), x


class Restores(ABC):
    """Undoes damage."""

    space: Space

    degradation: str
    """The kind of damage it learned to undo; "none" where it learned of none."""

    any_size: ClassVar[bool] = False
    """Whether grids of any height and width can be restored, not only those of its space."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where it computes."""

    @abstractmethod
    def degrade(self, x: Tensor) -> Tensor:
        """Examples as the model saw them while it learned, shape like x; by torch's random
        numbers."""

    @abstractmethod
    def restore(self, x: Tensor) -> Tensor:
        """Whole examples of damaged ones, shape like x."""

    def shown(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Examples as they are shown: damaged, every time alike, and restored, both shaped like
        x."""
        with seeded_rng(0):
            damaged = self.degrade(x)
        return damaged, self.restore(damaged).float()


class ConditionalStart(NamedTuple):
    """Examples of which a few places were drawn.

    x: (n, *space.shape); what lies elsewhere means nothing yet.
    known: Which places were drawn, boolean, like x.
    keep: With what probability each is to be kept for them to be distributed as the model has it,
        (n,).
    likely: How likely the first of these places is to be allowed: the rest of the likelihood is in
        `keep`.
    """

    x: Tensor
    known: Tensor
    keep: Tensor
    likely: float


class Completes(ABC):
    """Fills in what is missing."""

    space: Space

    any_size: ClassVar[bool] = False
    """Whether grids of any height and width can be completed, not only those of its space."""

    @abstractmethod
    def complete(
        self, x: Tensor, known: Tensor, allowed: Mapping[int, Tensor] | None = None
    ) -> Tensor:
        """Examples that agree with `x` where `known` (boolean, like x) is true, shape like x.

        allowed: Which symbols a place may be filled with, boolean (alphabet,), where not with all:
            it is drawn from its distribution among these, given what is known and what was drawn
            before it.
        """


class Predicts(Completes):
    """Goes on with examples that lie in time, (C, T, H, W), from their first frames."""

    given: int
    """How many frames it goes on from."""

    @abstractmethod
    def predict(self, seen: Tensor) -> Tensor:
        """The frames (B, C, T - given, H, W) that follow the first ones, (B, C, given, H, W)."""

    def complete(
        self, x: Tensor, known: Tensor, allowed: Mapping[int, Tensor] | None = None
    ) -> Tensor:
        """As in `Completes`. Raises InputError where a value of the frames that it goes on from is
        not known."""
        if not known[:, :, : self.given].all():
            raise InputError(
                f"this model goes on from {self.given} frames; let it know that many, or train"
                " another"
            )
        return torch.where(known, x, self.continued(x))

    def continued(self, x: Tensor) -> Tensor:
        """Examples with all but the frames that it goes on from made anew, shape like x."""
        seen = x[:, :, : self.given]
        return torch.cat([seen, self.predict(seen).to(x.dtype)], 2)


class StartsConditionally(Completes):
    """Fills in what is missing, and knows how likely it is that a few places alone are as somebody
    asks."""

    @abstractmethod
    def conditional_start(self, n: int, allowed: Mapping[int, Tensor]) -> ConditionalStart:
        """Draws the places of which something is asked, and these alone, among their allowed
        symbols (alphabet,)."""
