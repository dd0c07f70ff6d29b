"""Quantisers: vectors to whole numbers that stand for them, and back, with gradients that pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import combinations_with_replacement
from math import log, prod
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ..runtime import distributed

Kind = Literal["vector", "finite"]

DECAY = 0.99  # of the codebook's averages
DEAD = 0.02  # share of the vectors of an evenly used code, below which a code is dead
REVIVED = 0.1  # the same, that it is given when it is moved
LEAST = 1e-6  # vectors that a code stands for at least, so that it has a mean
LLOYD = 10  # iterations of k-means
AT_ONCE = 2**14  # vectors that are compared with all codes together
FEWEST, MOST = 5, 16  # levels of a number


class Quantized(NamedTuple):
    """Vectors on a grid, quantised.

    vectors: What stands for them, (B, D, *grid); gradients pass straight through (Bengio et al.,
        2013).
    codes: Their numbers, int64 (B, *grid).
    commitment: Mean squared distance to what stands for them, whose gradient pulls vectors there.
    """

    vectors: Tensor
    codes: Tensor
    commitment: Tensor


class Quantizer(nn.Module, ABC):
    """Numbers vectors on grids (B, width, *grid) by codes from 0 to vocabulary - 1."""

    width: int
    vocabulary: int

    commits: ClassVar[bool]
    """Whether vectors are to be pulled to what stands for them."""

    @abstractmethod
    def forward(self, z: Tensor) -> Quantized:
        """Quantises vectors (B, width, *grid)."""

    @abstractmethod
    def vectors(self, codes: Tensor) -> Tensor:
        """What codes (B, *grid) stand for, float32 (B, width, *grid)."""

    @abstractmethod
    def follow(self, z: Tensor, codes: Tensor) -> None:
        """Moves codes to the vectors (B, width, *grid) that they stood for, where codes learn by
        themselves."""

    @torch.no_grad()
    def use(self, codes: Tensor) -> dict[str, Tensor]:
        """How codes (B, *grid) are used: perplexity, e to the entropy of their frequencies; share
        used at all."""
        counts = codes.flatten().bincount(minlength=self.vocabulary)
        p = counts / counts.sum()
        return {
            "perplexity": torch.special.entr(p).sum().exp(),
            "used": (counts > 0).float().mean(),
        }


class Codebook(Quantizer):
    """The nearest of K vectors, which follow what they stand for (van den Oord et al., 2017,
    appendix A.1):

    N_i <- decay N_i + (1 - decay) n_i
    m_i <- decay m_i + (1 - decay) sum_j z_ij
    e_i = m_i / N_i

    over the n_i vectors z_ij of a batch that are nearest to e_i. It begins with k-means on the
    first batch; a code that stands for next to nothing is dead, and is moved to a vector of the
    batch (Dhariwal et al., 2020).

    The buffers are N and m. In averaged weights a code is then a mean over all that it ever stood
    for, and one that was dead is where it was moved to, since it counted for nothing before.

    Arguments:
        codes: K.
        width: Dimensions.
        start: Whether it begins with k-means.
        revival: Whether dead codes are moved.
    """

    commits = True

    counts: Tensor
    sums: Tensor

    def __init__(self, codes: int, width: int, *, start: bool = True, revival: bool = True) -> None:
        super().__init__()
        self.width, self.vocabulary, self.start, self.revival = width, codes, start, revival
        self.register_buffer("counts", torch.full((codes,), LEAST))
        self.register_buffer("sums", LEAST * torch.randn(codes, width))

    @property
    def codebook(self) -> Tensor:
        """The vectors, (K, width)."""
        return self.sums / self.counts.unsqueeze(1)

    def forward(self, z: Tensor) -> Quantized:
        with torch.autocast(z.device.type, enabled=False):
            flat = _to_rows(z)
            if self.training and self.start and self.counts.sum() < 1:
                self._start_with_k_means(flat.detach())
            book = self.codebook
            codes = _nearest(flat.detach(), book)
            stands = book[codes]
            return Quantized(
                _to_grid(flat + (stands - flat).detach(), z),
                codes.view(len(z), *z.shape[2:]),
                (flat - stands).square().mean(),
            )

    def vectors(self, codes: Tensor) -> Tensor:
        return self.codebook[codes].movedim(-1, 1)

    @torch.no_grad()
    def follow(self, z: Tensor, codes: Tensor) -> None:
        flat = _to_rows(z)
        counts, sums = _count_and_sum(flat, codes.flatten(), self.vocabulary)
        distributed.sum_over_processes([counts, sums])
        self.counts.lerp_(counts, 1 - DECAY)
        self.sums.lerp_(sums, 1 - DECAY)
        if self.revival:
            self._revive(flat)
        floor = (LEAST / self.counts).clamp(min=1)  # what is never used stays where it is
        self.counts.mul_(floor)
        self.sums.mul_(floor.unsqueeze(1))

    def _revive(self, flat: Tensor) -> None:
        usual = self.counts.mean()
        dead = self.counts < DEAD * usual
        fresh = _pick(flat, self.vocabulary)
        distributed.broadcast(fresh)
        few = REVIVED * usual
        self.sums.copy_(torch.where(dead.unsqueeze(1), few * fresh, self.sums))
        self.counts.copy_(torch.where(dead, few, self.counts))

    @torch.no_grad()
    def _start_with_k_means(self, flat: Tensor) -> None:
        """k-means on vectors (N, width), from some of them; a mean of no vectors is put on another
        of them."""
        book = _pick(flat, self.vocabulary)
        for _ in range(LLOYD):
            counts, sums = _count_and_sum(flat, _nearest(flat, book), self.vocabulary)
            means = sums / counts.clamp(min=1).unsqueeze(1)
            book = torch.where(counts.unsqueeze(1) > 0, means, _pick(flat, self.vocabulary))
        counts = counts.clamp(min=1)
        for own, found in ((self.counts, counts), (self.sums, book * counts.unsqueeze(1))):
            own.copy_(found)
            distributed.broadcast(own)


class FiniteScalar(Quantizer):
    """Snaps every number of a vector to one of a few levels; their combination is its code
    (Mentzer et al., 2023):

    z^_i = the nearest of L_i even steps from -1 to 1 to tanh(z_i),    codes = product over i of L_i

    Nothing is learned, so no code is ever dead. There are as many codes as levels combine to, at
    most those asked for.

    Arguments:
        codes: How many there are at most.
    """

    commits = False

    levels: Tensor
    bases: Tensor

    def __init__(self, codes: int) -> None:
        super().__init__()
        levels = choose_levels(codes)
        self.width, self.vocabulary = len(levels), prod(levels)
        bases = [prod(levels[:i]) for i in range(len(levels))]
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        self.register_buffer("bases", torch.tensor(bases), persistent=False)

    def forward(self, z: Tensor) -> Quantized:
        with torch.autocast(z.device.type, enabled=False):
            soft = _to_rows(z).tanh()
            steps = ((soft.detach() + 1) / 2 * (self.levels - 1)).round()
            hard = 2 * steps / (self.levels - 1) - 1
            codes = (steps.long() * self.bases).sum(1)
            return Quantized(
                _to_grid(soft + (hard - soft).detach(), z),
                codes.view(len(z), *z.shape[2:]),
                soft.new_zeros(()),
            )

    def vectors(self, codes: Tensor) -> Tensor:
        steps = codes.unsqueeze(-1) // self.bases % self.levels
        return (2 * steps / (self.levels - 1) - 1).movedim(-1, 1)

    def follow(self, z: Tensor, codes: Tensor) -> None:
        """There is nothing that would move."""


def make_quantizer(kind: Kind, codes: int, width: int, start: bool, revival: bool) -> Quantizer:
    """A quantiser of this kind: a codebook of vectors of this width, or finite scalars, whose width
    follows."""
    if kind == "finite":
        return FiniteScalar(codes)
    return Codebook(codes, width, start=start, revival=revival)


def choose_levels(codes: int) -> tuple[int, ...]:
    """Levels of each number: as many numbers as have at least five levels, whose product is as near
    to `codes` as can be and no more."""
    numbers = max(int(log(codes) / log(FEWEST) + 1e-9), 1)
    if numbers == 1:
        return (codes,)
    choices = combinations_with_replacement(range(FEWEST, MOST + 1), numbers)
    return max((levels for levels in choices if prod(levels) <= codes), key=prod)[::-1]


def _to_rows(z: Tensor) -> Tensor:
    """Vectors on grids (B, D, *grid), one after the other: float32 (N, D)."""
    return z.movedim(1, -1).flatten(0, -2).float()


def _to_grid(flat: Tensor, like: Tensor) -> Tensor:
    """Vectors (N, D) back on grids, (B, D, *grid) like `like`."""
    return flat.view(len(like), *like.shape[2:], -1).movedim(-1, 1)


def _nearest(z: Tensor, book: Tensor) -> Tensor:
    """The number of the nearest vector of a book (K, D) to each of z (N, D), int64 (N,).

    |z - e|^2 = |z|^2 - 2 z.e + |e|^2, where the first is the same for all e; about the book's mean,
    so that little cancels.
    """
    middle = book.mean(0)
    book = book - middle
    costs = book.square().sum(1)
    found = []
    for part in z.split(AT_ONCE):
        found.append(torch.addmm(costs, part - middle, book.T, alpha=-2).argmin(1))
    return torch.cat(found)


def _count_and_sum(z: Tensor, codes: Tensor, vocabulary: int) -> tuple[Tensor, Tensor]:
    """How many vectors (N, D) have each code, (K,), and their sums, (K, D)."""
    counts = codes.bincount(minlength=vocabulary).to(z.dtype)
    return counts, z.new_zeros(vocabulary, z.shape[1]).index_add_(0, codes, z)


def _pick(z: Tensor, n: int) -> Tensor:
    """Vectors (n, D) out of z (N, D), each once where there are enough."""
    if len(z) >= n:
        order = torch.randperm(len(z), device=z.device)
    else:
        order = torch.randint(len(z), (n,), device=z.device)
    return z[order[:n]]
