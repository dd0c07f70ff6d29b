"""Spaces: what one example is, how raw network output becomes one, and what an error costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import log, pi
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ..runtime.errors import InputError, flag

Likelihood = Literal["squared", "bernoulli", "binary", "gaussian", "logistic"]
AnyLikelihood = Literal[Likelihood, "softmax"]
"""All likelihoods of `Continuous`: `softmax` is for networks with a logit for each level."""

LEVELS = 256  # of 8-bit data

HALF_BIN = 1 / 255  # half the distance between two of the 256 levels that share [-1, 1]


class Space(ABC):
    """Where examples live: `x` is a batch of them (B, *shape), `raw` network output (B, *raw)."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one example."""

    @property
    @abstractmethod
    def raw(self) -> tuple[int, ...]:
        """Shape of the raw network output that describes one example."""

    @property
    @abstractmethod
    def is_likelihood(self) -> bool:
        """Whether `nll` is minus the log of a probability, so that it may be quoted in bits."""

    @abstractmethod
    def activate(self, raw: Tensor) -> Tensor:
        """Turns raw network output into examples, differentiably where the space allows it."""

    @abstractmethod
    def costs(self, raw: Tensor, x: Tensor) -> Tensor:
        """Negative log likelihood of each place of each example under `raw`, in nats, shape (B,
        *places)."""

    def nll(self, raw: Tensor, x: Tensor) -> Tensor:
        """Negative log likelihood of each example under `raw`, in nats, shape (B,): the sum of its
        places' costs."""
        return self.costs(raw, x).flatten(1).sum(1)

    @abstractmethod
    def marginal(self, x: Tensor) -> Tensor:
        """The one raw output, shape (1, *raw), that describes all of `x` best: independent
        coordinates, no network."""

    def under(self, likelihood: AnyLikelihood) -> Space:
        """The same space with another likelihood, where it has a choice of them."""
        return self

    def mean(self, raw: Tensor) -> Tensor:
        """Like `activate`, but deterministic: of a category the probabilities."""
        return self.activate(raw)

    def draw(self, raw: Tensor) -> Tensor:
        """Like `activate`, but lands on definite examples: the step that sampling ends with."""
        return self.activate(raw)

    def noisy(self, raw: Tensor) -> Tensor:
        """Like `draw`, with noise where the likelihood learns a scale; may leave [-1, 1]."""
        return self.draw(raw)

    def likeliest(self, raw: Tensor) -> Tensor:
        """Like `draw`, but deterministic: what a reconstruction is."""
        return self.activate(raw)

    def observe(self, x: Tensor) -> Tensor:
        """The examples as the likelihood sees them: dequantised or binarised at random, where it is
        one of such data."""
        return x


@dataclass(frozen=True)
class Continuous(Space):
    """Values in [-1, 1] on a grid: images (C, H, W), video (C, T, H, W), vectors (D,).

    Likelihoods, with -log p(x) of one value and the raw network output r it is made of:

    - `squared`: (tanh r - x)^2: a Gaussian of fixed variance without its constant
    - `bernoulli`: cross-entropy of the intensity (x + 1) / 2 against sigmoid r
    - `binary`: the same of black-or-white values, drawn afresh each time (Salakhutdinov & Murray,
      2008)
    - `gaussian`: N(x; tanh r, s^2), x dequantised (Theis et al., 2016); raw output r and log s
    - `logistic`: mass of x's level under a logistic distribution (Salimans et al., 2017, equation
      2); raw output r and log s
    - `softmax`: -log softmax(r) of x's level (van den Oord et al., 2016); raw output 256 r's

    The last four are likelihoods of 8-bit data: bits per dimension may be quoted.
    """

    shape: tuple[int, ...] = ()
    likelihood: AnyLikelihood = "squared"

    @property
    def raw(self) -> tuple[int, ...]:
        if self.likelihood == "softmax":
            return (LEVELS, *self.shape)
        return (2 * self.shape[0], *self.shape[1:]) if self.scaled else self.shape

    @property
    def scaled(self) -> bool:
        """Whether raw output carries a log-scale beside every value."""
        return self.likelihood in ("gaussian", "logistic")

    @property
    def is_likelihood(self) -> bool:
        return self.likelihood in ("binary", "gaussian", "logistic", "softmax")

    def under(self, likelihood: AnyLikelihood) -> Continuous:
        return replace(self, likelihood=likelihood)

    def activate(self, raw: Tensor) -> Tensor:
        if self.likelihood in ("bernoulli", "binary"):
            return 2 * raw.sigmoid() - 1
        if self.likelihood == "softmax":
            values = from_levels(torch.arange(LEVELS)).to(raw.device)
            expected: Tensor = torch.tensordot(raw.float().softmax(1), values, ([1], [0]))
            return expected
        return (raw.chunk(2, 1)[0] if self.scaled else raw).tanh()

    def noisy(self, raw: Tensor) -> Tensor:
        if not self.scaled:
            return self.activate(raw)
        mean, log_scale = raw.float().chunk(2, 1)
        log_scale = log_scale.clamp(min=log(HALF_BIN))
        if self.likelihood == "gaussian":
            noise = torch.randn_like(mean)
        else:
            noise = torch.rand_like(mean).logit(1e-6)
        return mean.tanh() + log_scale.exp() * noise

    def observe(self, x: Tensor) -> Tensor:
        if self.likelihood == "binary":
            return 2 * torch.bernoulli((x + 1) / 2) - 1
        if self.likelihood == "gaussian":
            return x + HALF_BIN * (2 * torch.rand_like(x) - 1)
        return x

    def costs(self, raw: Tensor, x: Tensor) -> Tensor:
        raw, x = raw.float(), x.float()
        match self.likelihood:
            case "squared":
                return (raw.tanh() - x).square()
            case "bernoulli" | "binary":
                # cross-entropy, in few passes over memory
                return torch.addcmul(F.softplus(raw), x + 1, raw, value=-0.5)
            case "gaussian":
                mean, log_scale = raw.chunk(2, 1)
                return _gaussian_nll(mean, log_scale, x)
            case "logistic":
                mean, log_scale = raw.chunk(2, 1)
                return _logistic_nll(mean, log_scale, x)
            case "softmax":
                return _softmax_nll(raw, to_levels(x))

    def marginal(self, x: Tensor) -> Tensor:
        if self.likelihood == "softmax":
            counts = torch.full((LEVELS, *self.shape), 1 / LEVELS, device=x.device)
            return counts.scatter_add_(0, to_levels(x), torch.ones_like(x)).log().unsqueeze(0)
        mean, deviation = x.mean(0, keepdim=True), x.std(0, keepdim=True).clamp(min=HALF_BIN)
        if self.likelihood in ("bernoulli", "binary"):
            n = len(x)
            return torch.logit(((mean + 1) / 2 * n + 0.5) / (n + 1))
        raw = mean.clamp(HALF_BIN - 1, 1 - HALF_BIN).atanh()
        scale = deviation if self.likelihood == "gaussian" else deviation * 3**0.5 / pi
        return torch.cat([raw, scale.log()], 1) if self.scaled else raw


def to_levels(x: Tensor) -> Tensor:
    """The nearest of 256 levels of values in [-1, 1], int64, of the same shape."""
    return ((x + 1) / (2 * HALF_BIN)).round().long().clamp(0, LEVELS - 1)


def from_levels(levels: Tensor) -> Tensor:
    """Values in [-1, 1] of levels 0 to 255."""
    return levels.float() / 127.5 - 1


def _gaussian_nll(raw: Tensor, log_scale: Tensor, x: Tensor) -> Tensor:
    """-log of the probability a dequantised value's bin gets, in nats: density times bin width."""
    log_scale = log_scale.clamp(min=log(HALF_BIN))
    error = (x - raw.tanh()) / log_scale.exp()
    return error.square() / 2 + log_scale + log(2 * pi) / 2 - log(2 * HALF_BIN)


def _softmax_nll(logits: Tensor, levels: Tensor) -> Tensor:
    """-log p of levels, in nats, in parts, for logits of many images are large."""
    costs = []
    for part, own in zip(logits.split(64), levels.split(64), strict=True):
        costs.append(F.cross_entropy(part, own, reduction="none"))
    return torch.cat(costs)


def log_between(upper: Tensor, lower: Tensor) -> Tensor:
    """log(sigmoid(u) - sigmoid(l)) = log sigmoid(u) + log sigmoid(-l) + log(1 - exp(l - u)):
    nothing cancels."""
    return F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))


def _logistic_nll(raw: Tensor, log_scale: Tensor, x: Tensor) -> Tensor:
    """-log P(level of x), the edges taking the tails; in nats (Salimans et al., 2017)."""
    inverse = (-log_scale.clamp(min=-7.0)).exp()
    centred = x - raw.tanh()
    upper, lower = inverse * (centred + HALF_BIN), inverse * (centred - HALF_BIN)
    inside = log_between(upper, lower)
    edge = 1 - HALF_BIN
    return -torch.where(
        x < -edge, F.logsigmoid(upper), torch.where(x > edge, F.logsigmoid(-lower), inside)
    )


@dataclass(frozen=True)
class Mixed(Space):
    """A table row: a width per column, 1 for a number in [-1, 1] and k for one of k categories
    (one-hot).

    Likelihoods, with -log p(x) of a number and its raw output r:

    - `squared`: (tanh r - x)^2
    - `gaussian`: N(x; tanh r, s^2), s at least 0.01 (Xu et al., 2019, section 4.5: TVAE); log s
      after all r's

    Of a category it is the cross-entropy of softmax r.
    """

    columns: tuple[int, ...]
    likelihood: Likelihood = "squared"

    @property
    def shape(self) -> tuple[int, ...]:
        return (sum(self.columns),)

    @property
    def raw(self) -> tuple[int, ...]:
        return (sum(self.columns) + self.scales,)

    @property
    def scales(self) -> int:
        """How many log-scales raw output carries."""
        return self.columns.count(1) if self.likelihood == "gaussian" else 0

    @property
    def is_likelihood(self) -> bool:
        return 1 not in self.columns

    def under(self, likelihood: AnyLikelihood) -> Mixed:
        return replace(self, likelihood="gaussian" if likelihood == "gaussian" else "squared")

    def activate(self, raw: Tensor) -> Tensor:
        """Numbers by tanh, categories by Gumbel-softmax (Jang et al., 2017), so that gradients
        pass."""
        raw, _ = self._split_scales(raw)
        return self._activate_parts(raw, (raw - (-torch.rand_like(raw).log()).log()) / 0.2)

    def mean(self, raw: Tensor) -> Tensor:
        raw, _ = self._split_scales(raw)
        return self._activate_parts(raw, raw)

    def _activate_parts(self, raw: Tensor, logits: Tensor) -> Tensor:
        """Numbers by tanh of raw output, categories by softmax of logits, both (B, coordinates)."""
        pairs = zip(raw.split(self.columns, -1), logits.split(self.columns, -1), strict=True)
        return torch.cat([r.tanh() if r.shape[-1] == 1 else n.softmax(-1) for r, n in pairs], -1)

    def draw(self, raw: Tensor) -> Tensor:
        raw, log_scale = self._split_scales(raw)
        scales = iter(log_scale.exp().unbind(-1))
        drawn = []
        for part in raw.split(self.columns, -1):
            if part.shape[-1] == 1:
                drawn.append(self._draw_number(part, scales))
            else:
                drawn.append(F.gumbel_softmax(part, hard=True))
        return torch.cat(drawn, -1)

    def likeliest(self, raw: Tensor) -> Tensor:
        raw, _ = self._split_scales(raw)
        likeliest = []
        for part in raw.split(self.columns, -1):
            if part.shape[-1] == 1:
                likeliest.append(part.tanh())
            else:
                likeliest.append(F.one_hot(part.argmax(-1), part.shape[-1]).to(part))
        return torch.cat(likeliest, -1)

    def swap_categories(self, x: Tensor, others: Tensor, share: float) -> Tensor:
        """Rows x with the numbers of others, shape like x, and for a share of their categories
        those of another row."""
        widths = torch.tensor(self.columns, device=x.device)
        lost = torch.rand(len(x), len(widths), device=x.device) < share
        shuffled = x[torch.randperm(len(x), device=x.device)]
        swapped = torch.where(lost.repeat_interleave(widths, 1), shuffled, x)
        return torch.where((widths == 1).repeat_interleave(widths), others, swapped)

    def _draw_number(self, raw: Tensor, scales: Iterator[Tensor]) -> Tensor:
        if not self.scales:
            return raw.tanh()
        return (raw.tanh() + next(scales).unsqueeze(-1) * torch.randn_like(raw)).clamp(-1, 1)

    def costs(self, raw: Tensor, x: Tensor) -> Tensor:
        raw, log_scale = self._split_scales(raw)
        pairs = list(zip(raw.split(self.columns, -1), x.split(self.columns, -1), strict=True))
        costs = torch.zeros(len(x), len(self.columns), device=x.device)
        # the column of each coordinate
        owner = torch.repeat_interleave(torch.tensor(self.columns)).to(x.device)
        number = torch.tensor(self.columns, device=x.device)[owner] == 1
        if categories := [(r.log_softmax(-1), v) for r, v in pairs if v.shape[-1] > 1]:
            logs, chosen = (torch.cat(part, -1) for part in zip(*categories, strict=True))
            costs = costs.index_add(1, owner[~number], -logs * chosen)
        if numbers := [(r, v) for r, v in pairs if v.shape[-1] == 1]:
            mean, value = (torch.cat(part, -1) for part in zip(*numbers, strict=True))
            error = (mean.tanh() - value).square()
            if self.scales:
                error = error / (2 * (2 * log_scale).exp()) + log_scale + log(2 * pi) / 2
            costs = costs.index_add(1, owner[number], error)
        return costs

    def _split_scales(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Raw output of every coordinate, and the log-scale of every number, bounded as in TVAE."""
        raw, log_scale = raw.float().split((sum(self.columns), self.scales), -1)
        return raw, log_scale.clamp(log(0.01), 0)

    def marginal(self, x: Tensor) -> Tensor:
        edge = 1 - HALF_BIN
        raw, scales = list[Tensor](), list[Tensor]()
        for mean in x.mean(0, keepdim=True).split(self.columns, -1):
            is_number = mean.shape[-1] == 1
            raw.append(mean.clamp(-edge, edge).atanh() if is_number else (mean + 1e-6).log())
        for deviation in x.std(0, keepdim=True).split(self.columns, -1):
            if self.scales and deviation.shape[-1] == 1:
                scales.append(deviation.clamp(min=0.01).log())
        return torch.cat([*raw, *scales], -1)


@dataclass(frozen=True)
class Tokens(Space):
    """A sequence of tokens, int64 in [0, vocabulary): text, the codes of a quantiser, or (length 1)
    a class label.

    alphabets: Where every place has an alphabet of its own, as the columns of a table do, their
        sizes; the vocabulary is then the largest of them, and raw output has one place's logits
        after another's.
    grid: Where the places lie on a grid, row after row, its sides: (H, W) of images' codes, (T,
        H, W) of videos'.
    covers: Of codes on a grid, how many pixels, or frames, each stands for along every side.
    end: The token that ends an example which is shorter than the others; what comes after it costs
        nothing.
    bytes: Of text, how many bytes each token stands for.
    """

    length: int
    vocabulary: int
    alphabets: tuple[int, ...] = ()
    grid: tuple[int, ...] = ()
    covers: tuple[int, ...] = ()
    end: int | None = None
    bytes: tuple[int, ...] = field(default=(), repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length,)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The size of each place's alphabet."""
        return self.alphabets or (self.vocabulary,) * self.length

    @property
    def raw(self) -> tuple[int, ...]:
        return (sum(self.alphabets),) if self.alphabets else (self.length, self.vocabulary)

    @property
    def is_likelihood(self) -> bool:
        return True

    def valid_places(self, x: Tensor) -> Tensor:
        """Which places of examples count, boolean (B, length): all up to the first end."""
        if self.end is None:
            return torch.ones_like(x, dtype=torch.bool)
        ends = x == self.end
        return ends.cumsum(1) - ends.long() == 0

    def fill_after_end(self, x: Tensor) -> Tensor:
        """Examples (B, length) with nothing but ends after their first end."""
        return x if self.end is None else x.masked_fill(~self.valid_places(x), self.end)

    def size_in_bytes(self, x: Tensor) -> Tensor:
        """Bytes of text of each example, int64 (B,)."""
        widths = torch.tensor(self.bytes, device=x.device)
        return (widths[x] * self.valid_places(x)).sum(1)

    def places(self, raw: Tensor) -> tuple[Tensor, ...]:
        """The logits of each place, (B, its alphabet)."""
        return raw.split(self.alphabets, 1) if self.alphabets else raw.unbind(1)

    def activate(self, raw: Tensor) -> Tensor:
        """The likeliest token at each place; no gradient passes."""
        return torch.stack([logits.argmax(-1) for logits in self.places(raw)], 1)

    def draw(self, raw: Tensor) -> Tensor:
        return torch.stack([draw_symbol(logits) for logits in self.places(raw)], 1)

    def costs(self, raw: Tensor, x: Tensor) -> Tensor:
        if not self.alphabets:
            # one raw output for all examples is computed once
            logs = raw.float().log_softmax(-1).expand(len(x), -1, -1)
            return -logs.gather(2, x[..., None]).squeeze(2) * self.valid_places(x)
        costs = []
        for i, logits in enumerate(self.places(raw.float())):
            costs.append(F.cross_entropy(logits, x[:, i], reduction="none"))
        return torch.stack(costs, 1)

    def marginal(self, x: Tensor) -> Tensor:
        shares = []
        for i, size in enumerate(self.sizes):
            shares.append(torch.bincount(x[:, i], minlength=size) / len(x))
        return (torch.cat(shares) + 1e-6).log().view(1, *self.raw)


def label(condition: Space | None) -> Tokens | None:
    """A condition that is a label, which is one token, or None. Raises InputError where it is
    anything else."""
    if condition is None or (isinstance(condition, Tokens) and condition.length == 1):
        return condition
    raise InputError(
        f"this model can be asked for labels alone: leave out {flag('to')}, say"
        f" {flag('captions', 'none')}, or choose another"
    )


def draw_symbol(logits: Tensor) -> Tensor:
    """A token (B,) from logits (B, K), by inverting the cumulative distribution at a uniform
    number."""
    summed = logits.float().softmax(-1).cumsum(-1)
    return (summed < summed[:, -1:] * torch.rand(len(logits), 1, device=logits.device)).sum(-1)
