"""MADE: likelihoods of rows, column by column, by a masked autoencoder (Germain et al., 2015)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import count
from math import inf

import torch
from torch import Tensor

from ..abilities import Bounds, ConditionalStart, Factorises, Samples, Scores, StartsConditionally
from ..core import Batch, Data, Defaults, InputError, Model, Space, Tokens, Turn
from ..core.privacy import Private, Promise
from ..core.space import draw_symbol
from ..nn.losses import clip_costs, gaussian_noise
from ..nn.masked import MaskedPerceptron, Tape
from ..runtime.errors import flag

CLIP = 1.0
"""Norm of the gradient of one example in private training, at most; Adam's steps do not depend on
it."""


class MADE(Model, Samples, Scores, Bounds, StartsConditionally, Factorises, Private):
    """Fits p(x) to sequences of tokens, all factors at once:

    -log p(x) = -sum over k of log p(x_k | x_<k)    (equations 3 to 5 of the paper)

    Every place is predicted from those before it by an autoencoder whose weights are masked. Before
    each batch the order is drawn afresh (order-agnostic training, section 4.2), so that any places
    can be completed from any others; every other batch has the order of the data, which is the one
    that examples are drawn and scored in.

    With an epsilon it learns by DP-SGD (Abadi et al., 2016): every example takes part in a step
    with the same probability, its gradient is clipped, and noise is added. None of these random
    numbers comes from the seed.

    Arguments:
        width: Units of each hidden layer.
        depth: Residual blocks of two masked layers.
        agnostic: Share of batches that are learned in an order of their own; 0 where nothing is to
            be completed.
        epsilon: Differential privacy of each example, such as 3; 0 for none. Needs `pip install
            'ganvas[privacy]'`.
        delta: Probability that the promise of privacy does not hold; 0 for 1 / examples^1.1.

    Example: ganvas train made people.csv --out runs/made-people
    """

    players = {
        "autoencoder": partial(
            torch.optim.AdamW, lr=6e-3, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )
    }
    defaults = Defaults(
        batch=1024,
        epochs=20,
        steps=750,
        schedule="one-cycle",
        ema=0.99,
        early_stopping_metric="held_out/autoencoder/nll",
        data_options={"numbers": "bins"},
    )
    objective_options = frozenset({"agnostic", "delta", "epsilon"})

    def __init__(
        self,
        space: Space,
        *,
        width: int = 384,
        depth: int = 2,
        agnostic: float = 0.5,
        epsilon: float = 0.0,
        delta: float = 0.0,
    ) -> None:
        if not isinstance(space, Tokens):
            raise InputError("made learns tokens: rows of a table, text; not what changes smoothly")
        super().__init__(space)
        if epsilon < 0 or not 0 <= delta < 1:
            raise InputError(
                f"{flag('epsilon', epsilon)} {flag('delta', delta)}: epsilon is above 0, delta"
                " between 0 and 1"
            )
        self.sizes, self.agnostic, self.epsilon, self.delta = space.sizes, agnostic, epsilon, delta
        self.single_process_reason = (
            f"{flag('epsilon')} is promised for one process" if epsilon else ""
        )
        self.promise: Promise | None = None
        self.expected = 0
        self.autoencoder = MaskedPerceptron(space.sizes, width, depth)

    def logits(self, x: Tensor, position: Tensor | None = None, tape: Tape | None = None) -> Tensor:
        """Raw output (B, *space.raw) for x (B, places), in an order that gives each place its
        position."""
        if position is None:
            position = torch.arange(len(self.sizes), device=x.device)
        return self.autoencoder(x, position, tape).unflatten(1, self.space.raw)

    def turns(self, batch: Batch) -> Iterator[Turn]:
        position = None
        if torch.rand(()) < self.agnostic:
            position = torch.randperm(len(self.sizes)).to(batch.x.device)
        if self.promise and self.training:
            yield self._private_turn(batch.x, position, self.promise)
        else:
            nll = self.space.nll(self.logits(batch.x, position), batch.x).mean()
            yield Turn("autoencoder", {"nll": nll})

    def _private_turn(self, x: Tensor, position: Tensor | None, promise: Promise) -> Turn:
        """A loss whose gradient is the mean of clipped gradients with noise, all in float32 so that
        bounds are kept."""
        with torch.autocast(x.device.type, enabled=False):
            tape: Tape = []
            costs = self.space.nll(self.logits(x, position, tape), x)
            outputs = [product.y for product in tape]
            gradients = torch.autograd.grad(costs.sum(), outputs, retain_graph=True)
            pairs = zip(tape, gradients, strict=True)
            parts = [product.squared_norms(gradient) for product, gradient in pairs]
            norms = torch.stack(parts).sum(0).sqrt()
            noise = gaussian_noise(self.parameters(), promise.noise * CLIP)
            share = 1 / self.expected
            clipped = clip_costs(costs, norms, CLIP).sum()
            loss = {"clipped": clipped * share, "noise": noise * share}
            return Turn("autoencoder", loss, {"nll": costs.sum() * share})

    def protect(self, promise: Promise, batch: int) -> None:
        self.promise, self.expected = promise, batch
        # held-out rows have a right to privacy too
        self.defaults = replace(self.defaults, early_stopping_metric="")

    def batches(self, data: Data, size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        if not self.promise:
            yield from super().batches(data, size, seed, start)
            return
        random = torch.Generator()
        random.seed()
        for step in count(start):
            drawn = torch.rand(len(data), generator=random) < size / len(data)
            yield data.batch(drawn.nonzero().squeeze(1), step)

    def score_with_attribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """-log p(x) in nats, exact; and its parts -log p(x_k | x_<k), how anomalous each token is
        after those before it."""
        costs = self.space.costs(self.logits(x), x)
        return costs.flatten(1).sum(1), costs

    def unfold(self, x: Tensor) -> Iterator[tuple[int, Tensor]]:
        return self.autoencoder.unfold(x, list(range(len(self.sizes))), 0)

    def bound(self, x: Tensor, samples: int = 1) -> Tensor:
        """-log p(x), exact: there is nothing to sample."""
        return self.score(x)

    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        return self._fill(self._empty_rows(n), list(range(len(self.sizes))), 0)[0]

    def complete(
        self, x: Tensor, known: Tensor, allowed: Mapping[int, Tensor] | None = None
    ) -> Tensor:
        """Missing places drawn given the known ones; rows that lack the same places are completed
        together."""
        x = x.clone()
        for pattern in known.unique(dim=0):
            rows = (known == pattern).all(1)
            given = pattern.nonzero().flatten().tolist()
            wanted = (~pattern).nonzero().flatten().tolist()
            x[rows] = self._fill(x[rows], given + wanted, len(given), allowed)[0]
        return x

    def conditional_start(self, n: int, allowed: Mapping[int, Tensor]) -> ConditionalStart:
        """The constrained places come first, the least likely to be allowed before the others.

        Drawing each among its allowed tokens has the density p(x) / product over k of P(x_k allowed
        | x_<k), and the first factor is the same for all rows; kept with the product of the others
        as probability, rows are distributed as p.
        """
        alone = {
            k: float(self._fill(self._empty_rows(1), [k], 0, allowed)[1].exp()) for k in allowed
        }
        order = sorted(alone, key=lambda k: alone[k])
        x, mass = self._fill(self._empty_rows(n), order, 0, allowed)
        known = torch.zeros_like(x, dtype=torch.bool)
        known[:, order] = True
        likely = alone[order[0]] if order else 1.0
        return ConditionalStart(x, known, mass.exp() / likely, likely)

    def _empty_rows(self, n: int) -> Tensor:
        return torch.zeros(n, len(self.sizes), dtype=torch.int64, device=self.device)

    def _fill(
        self, x: Tensor, order: list[int], known: int, allowed: Mapping[int, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draws the places of an order from position `known` on; and log P(each is allowed | those
        before), (B,)."""
        mass = torch.zeros(len(x), device=x.device)
        for place, logits in self.autoencoder.unfold(x, order, known):
            if allowed and place in allowed:
                logs = logits.float().log_softmax(-1)
                logits = logs.masked_fill(~allowed[place].to(x.device), -inf)
                mass = mass + logits.logsumexp(-1)
            x[:, place] = draw_symbol(logits)
        return x, mass
