"""Transformer: tokens one after another, or many at a time (Vaswani et al., 2017)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import cos, inf, log, pi
from typing import Literal

import torch
from torch import Tensor

from ..abilities import Bounds, Completes, Factorises, SamplesTokens, Scores, ScoresPrompts
from ..core import Batch, Defaults, InputError, Model, Space, Tokens, Turn, adamw, seeded_generator
from ..core.decoding import DEFAULT_DECODING, DecodingOptions
from ..nn.transformer import TokenTransformer, mask_forbidden
from ..runtime.errors import flag

Order = Literal["causal", "masked"]

HEAD = 64  # width of a head, by default
ROOM = 2**25  # logits that are computed together where examples are scored
STEPS = 12  # of parallel decoding
BLOCKS = 16  # that a masked model's likelihood is made of
CHOICE = 4.5
"""Temperature, at first, of the choice which tokens are kept (Chang et al., 2022)."""


class Transformer(Model, SamplesTokens, ScoresPrompts, Scores, Bounds, Completes, Factorises):
    """Fits p(x) = product over k of p(x_k | x_<k), all factors at once, by attention that looks
    back:

    attention(Q, K, V) = softmax(Q K' / sqrt(d)) V    (equation 1 of the paper)

    with the parts that decoders have today: norms of root mean squares before each layer, rotary
    positions, gated layers. It is the same for text, rows of tables and codes of images. A
    condition, a label or a text, is a prefix; now and then it is left out while learning, so that
    samples can be guided (Ho & Salimans, 2022).

    `--order masked` is MaskGIT (Chang et al., 2022): a share cos(pi u / 2) of the tokens, u uniform
    in [0, 1], is masked and predicted from all others; samples are drawn in a few steps, of which
    each keeps the surest tokens.

    Arguments:
        width: Of the vectors of each place.
        depth: Layers of attention, each with a gated layer.
        heads: Of each attention; 0 for one for every 64 of the width.
        dropout: Share of layers' outputs that is left out at random while learning.
        order: Tokens one after another, or many at a time: causal or masked.
        label_dropout: Share of conditions that are left out while learning.

    Example: ganvas train transformer lines.txt --out runs/transformer-lines
    """

    players = {"network": adamw(1e-3, (0.9, 0.98), 0.1)}
    defaults = Defaults(
        batch=64,
        epochs=20,
        steps=2000,
        schedule="one-cycle",
        ema=0.99,
        early_stopping_metric="held_out/network/nll",
        data_options={"numbers": "bins"},
    )
    objective_options = frozenset({"order"})

    def __init__(
        self,
        space: Space,
        condition: Space | None = None,
        *,
        width: int = 256,
        depth: int = 6,
        heads: int = 0,
        dropout: float = 0.0,
        order: Order = "causal",
        label_dropout: float = 0.1,
    ) -> None:
        if not isinstance(space, Tokens):
            raise InputError(
                "transformer learns tokens: text, rows of a table, codes of images"
                f" {flag('through', 'RUN')}"
            )
        if condition is not None and not isinstance(condition, Tokens):
            raise InputError(
                "transformer can be asked for labels and texts, not for images; leave out"
                f" {flag('to')}"
            )
        heads = heads or max(width // HEAD, 1)
        if width % (2 * heads):
            raise InputError(
                f"{flag('width', width)} is no multiple of twice {flag('heads', heads)}; choose"
                " one that is"
            )
        if not 0 <= label_dropout < 1 or not 0 <= dropout < 1:
            raise InputError(
                f"{flag('dropout', dropout)} {flag('label_dropout', label_dropout)}: both are at"
                " least 0 and below 1"
            )
        super().__init__(space)
        self.places, self.condition, self.causal = space, condition, order == "causal"
        self.label_dropout = label_dropout
        self.network = TokenTransformer(
            space,
            condition,
            width=width,
            depth=depth,
            heads=heads,
            dropout=dropout,
            causal=self.causal,
        )

    def turns(self, batch: Batch) -> Iterator[Turn]:
        y = self._drop_conditions(batch.y)
        if self.causal:
            counted = self.places.valid_places(batch.x)
            x, counted = (part[:, : int(counted.sum(1).max())] for part in (batch.x, counted))
            costs = self.network.costs(self.network(x, y), x, counted)
        else:
            x, hidden = batch.x, self._draw_hidden(batch.x)
            costs = self.network.costs(self.network(x, y, hidden), x, hidden)
        yield Turn("network", {"nll": costs.mean()}, self._notes(costs.detach(), x))

    def _notes(self, costs: Tensor, x: Tensor) -> dict[str, Tensor]:
        """Bits of a token; and of a byte, where it is text that is predicted in order."""
        notes = {"bits_per_token": costs.mean() / log(2)}
        if self.causal and self.places.bytes:
            notes["bits_per_byte"] = costs.sum() / log(2) / self.places.size_in_bytes(x).sum()
        return notes

    def _drop_conditions(self, y: Tensor | None) -> Tensor | None:
        """Conditions, some of which are null tokens while learning."""
        if self.condition is None:
            return None
        if y is None or not torch.is_grad_enabled():
            return y
        dropped = torch.rand(len(y), 1, device=y.device) < self.label_dropout
        return y.masked_fill(dropped, self.network.null_token)

    def _draw_hidden(self, x: Tensor) -> Tensor:
        """Which tokens are hidden, boolean like x: at least one of each example."""
        share = (torch.rand(len(x), 1, device=x.device) * (pi / 2)).cos()
        ranks = torch.rand(x.shape, device=x.device).argsort(1).argsort(1)
        return ranks < (share * x.shape[1]).ceil().clamp(min=1)

    def score_with_attribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """-log p(x) in nats, of examples of any label, and its parts, the costs of each token.

        Causal: exact. Masked: of drawing the tokens in 16 blocks, in an order that is the same for
        all examples, those of a block independently of each other given the blocks before.
        """
        costs = self._costs(x, None)
        return costs.sum(1), costs

    def prompt_score(self, x: Tensor, y: Tensor) -> Tensor:
        return (self._costs(x, None) - self._costs(x, y)).sum(1)

    def _costs(self, x: Tensor, y: Tensor | None) -> Tensor:
        return self._causal_costs(x, y) if self.causal else self._masked_costs(x, y)

    def bound(self, x: Tensor, samples: int = 1) -> Tensor:
        """-log p(x) as `score` has it: there is nothing to sample."""
        return self.score(x)

    @property
    def _examples_at_once(self) -> int:
        """How many examples are scored together."""
        return max(ROOM // (self.places.length * self.places.vocabulary), 1)

    def _causal_costs(self, x: Tensor, y: Tensor | None) -> Tensor:
        counted = self.places.valid_places(x)
        costs = torch.zeros(x.shape, device=x.device)
        for rows in torch.arange(len(x)).split(self._examples_at_once):
            part, own = x[rows], counted[rows]
            h = self.network(part, None if y is None else y[rows])
            found = self.network.costs(h, part, own)
            costs[rows] = costs[rows].masked_scatter(own, found)
        return costs

    def _masked_costs(self, x: Tensor, y: Tensor | None) -> Tensor:
        order = torch.randperm(x.shape[1], generator=seeded_generator(0)).to(x.device)
        costs, start = torch.zeros(x.shape, device=x.device), 0
        hidden = torch.ones_like(x, dtype=torch.bool)
        for number in range(1, BLOCKS + 1):
            stop = x.shape[1] - int(cos(pi / 2 * number / BLOCKS) * x.shape[1] + 1e-9)
            block = torch.zeros_like(hidden)
            block[:, order[start:stop]] = True
            for rows in torch.arange(len(x)).split(
                self._examples_at_once if stop > start else len(x)
            ):
                h = self.network(x[rows], None if y is None else y[rows], hidden[rows])
                found = self.network.costs(h, x[rows], block[rows])
                costs[rows] = costs[rows].masked_scatter(block[rows], found)
            hidden, start = hidden & ~block, stop
        return costs

    def unfold(self, x: Tensor) -> Iterator[tuple[int, Tensor]]:
        if self.causal:
            yield from self._limit_to_alphabets(self.network.unfold(x, None))
            return
        hidden = torch.ones_like(x, dtype=torch.bool)
        for place in range(x.shape[1]):
            logits = self.network.logits(self.network(x, None, hidden))[:, place]
            yield from self._limit_to_alphabets([(place, logits)])
            hidden[:, place] = False

    def _limit_to_alphabets(
        self, told: Iterable[tuple[int, Tensor]]
    ) -> Iterator[tuple[int, Tensor]]:
        """Logits of each place's own alphabet alone."""
        for place, logits in told:
            yield place, logits[:, : self.places.sizes[place]]

    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        return self.sample_tokens(n, y, DEFAULT_DECODING)

    def sample_tokens(self, n: int, y: Tensor | None, how: DecodingOptions) -> Tensor:
        blank = torch.full((n, self.places.length), self.places.end or 0, device=self.device)
        return self._fill(
            blank, torch.zeros_like(blank, dtype=torch.bool), self._conditions(n, y), how
        )

    def complete(
        self, x: Tensor, known: Tensor, allowed: Mapping[int, Tensor] | None = None
    ) -> Tensor:
        """Missing places, drawn. Causal: from left to right, given what precedes alone, so that
        what is known further on may not fit. Masked: given all that is known."""
        return self._fill(x, known, None, DEFAULT_DECODING, allowed)

    def _conditions(self, n: int, y: Tensor | None) -> Tensor | None:
        """Conditions of n samples: those given, else labels in turn, and no texts."""
        if self.condition is None or (y is None and self.condition.length > 1):
            return None
        if y is None:
            return (torch.arange(n, device=self.device) % self.condition.vocabulary)[:, None]
        return y.to(self.device)

    def _fill(
        self,
        x: Tensor,
        known: Tensor,
        y: Tensor | None,
        how: DecodingOptions,
        allowed: Mapping[int, Tensor] | None = None,
    ) -> Tensor:
        if how.guidance != 1 and y is None:
            raise InputError(
                f"{flag('guidance')} strengthens a label or a text, and none was asked for; leave"
                " it out"
            )
        if how.decoding_steps and self.causal:
            raise InputError(
                f"{flag('decoding_steps')} is for models that learned with"
                f" {flag('order', 'masked')}; this one draws place by place"
            )
        if how.guidance != 1 and y is not None:
            y = torch.cat([y, torch.full_like(y, self.network.null_token)])
        if self.causal:
            return self.network.fill(x, known, y, how, allowed or {})
        return self._fill_in_steps(x, known, y, how, allowed or {})

    def _fill_in_steps(
        self,
        x: Tensor,
        known: Tensor,
        y: Tensor | None,
        how: DecodingOptions,
        allowed: Mapping[int, Tensor],
    ) -> Tensor:
        """Parallel decoding: all masked tokens are drawn, the surest are kept, the rest is masked
        again."""
        hidden, wanted = ~known, (~known).sum(1, keepdim=True)
        n_steps = min(how.decoding_steps or STEPS, x.shape[1])
        for number in range(1, n_steps + 1):
            logits = self._all_logits(x, hidden, y, how)
            for place, fits in allowed.items():
                logits[:, place] = mask_forbidden(logits[:, place], fits)
            chances = how.adjust_logits(logits.flatten(0, 1)).log_softmax(-1).unflatten(0, x.shape)
            drawn = how.draw(logits.flatten(0, 1)).view_as(x)
            x = torch.where(hidden, drawn, x)
            noise = -torch.rand(x.shape, device=x.device).clamp(min=1e-20).log().neg().log()
            chosen = chances.gather(2, x[..., None])[..., 0]
            surety = chosen + CHOICE * (1 - number / n_steps) * noise
            left = (cos(pi / 2 * number / n_steps) * wanted + 1e-6).floor()
            hidden = hidden & (surety.masked_fill(~hidden, inf).argsort(1).argsort(1) < left)
        return torch.where(known, x, self.places.fill_after_end(x))

    def _all_logits(
        self, x: Tensor, hidden: Tensor, y: Tensor | None, how: DecodingOptions
    ) -> Tensor:
        """Logits of all places, (B, length, vocabulary)."""
        times = 1 if y is None else len(y) // len(x)
        h = self.network(x.repeat(times, 1), y, hidden.repeat(times, 1))
        return how.apply_guidance(self.network.logits(h), len(x))
