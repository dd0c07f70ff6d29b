"""Masked perceptrons, whose outputs depend on the places before alone (Germain et al., 2015)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PACE = 10.0
"""How much faster than weights the last layer's biases learn: they alone model how frequent the
first tokens are."""


class Product(NamedTuple):
    """y = x (weight * mask)' + pace * bias, as it was computed for a batch.

    x: (B, into).   y: (B, out).   mask: (out, into), of zeros and ones.
    """

    x: Tensor
    y: Tensor
    mask: Tensor
    pace: float

    def squared_norms(self, gradient: Tensor) -> Tensor:
        """Of each example's gradient of weight and bias, (B,), from the gradient of y, (B, out).

        The gradient of one example is (gradient x') * mask, so that its squared norm needs no
        gradient of the weight to be computed.
        """
        g = gradient.square()
        return ((g @ self.mask) * self.x.square()).sum(1) + self.pace**2 * g.sum(1)


Tape = list[Product]


def masked_linear(
    x: Tensor, weight: Tensor, mask: Tensor, bias: Tensor, tape: Tape | None, pace: float = 1
) -> Tensor:
    """x (weight * mask)' + pace * bias, appended to a tape if there is one."""
    y = F.linear(x, weight * mask, pace * bias if pace != 1 else bias)
    if tape is not None:
        tape.append(Product(x, y, mask, pace))
    return y


class MaskedPerceptron(nn.Module):
    """Symbols (B, places) to the logits of every place, each of which depends on the places before
    it alone.

    What "before" means is an argument of each call. A hidden unit of degree m sees the places whose
    position is below m, directly or through units of no higher degree; a place at position p is
    computed from units of degree p or less (equations 8 and 9 of the paper). Degrees of units never
    change, so that only the masks of the first and the last layer depend on the order.

    sizes: Alphabet of each place.
    width: Units of each hidden layer.
    depth: Residual blocks of two masked layers.
    """

    degrees: Tensor
    below: Tensor
    starts: Tensor
    place: Tensor

    def __init__(self, sizes: tuple[int, ...], width: int, depth: int) -> None:
        super().__init__()
        self.sizes, places, symbols = sizes, len(sizes), sum(sizes)
        degrees = 1 + torch.arange(width) * max(places - 1, 1) // width
        below = (degrees[:, None] >= degrees[None, :]).float()
        widths = torch.tensor(sizes)
        self.register_buffer("degrees", degrees, persistent=False)
        self.register_buffer("below", below, persistent=False)
        self.register_buffer("starts", widths.cumsum(0) - widths, persistent=False)
        self.register_buffer(
            "place", torch.repeat_interleave(torch.arange(places), widths), persistent=False
        )
        self.embed = nn.Parameter(torch.randn(symbols, width) / (2 * places) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(width))
        self.blocks = nn.ModuleList(MaskedBlock(width, below) for _ in range(depth))
        self.out = nn.Parameter(torch.randn(symbols, width) * 0.3 / width**0.5)
        self.out_bias = nn.Parameter(torch.zeros(symbols))

    def forward(self, x: Tensor, position: Tensor, tape: Tape | None = None) -> Tensor:
        """Logits (B, symbols) of x (B, places), int64, in the order that gives each place its
        position (places,).

        tape: Gets all products on the way, which every parameter takes part in once.
        """
        chosen = torch.zeros(len(x), len(self.embed), device=x.device)
        chosen.scatter_(1, x + self.starts, 1.0)
        h = masked_linear(chosen, self.embed.T, self.input_mask(position).T, self.bias, tape)
        for block in self.blocks:
            h = block(h, self.below, tape)
        return masked_linear(
            F.silu(h), self.out, self.output_mask(position), self.out_bias, tape, PACE
        )

    def input_mask(self, position: Tensor) -> Tensor:
        """Which units see each symbol, (symbols, width)."""
        return (position[:, None] < self.degrees).to(self.embed.dtype)[self.place]

    def output_mask(self, position: Tensor) -> Tensor:
        """Which units each symbol's logit is computed from, (symbols, width)."""
        return (position[:, None] >= self.degrees).to(self.embed.dtype)[self.place]

    def unfold(self, x: Tensor, order: list[int], known: int) -> Iterator[tuple[int, Tensor]]:
        """(place, its logits) along an order from position `known` on; x[:, place] is read once it
        has been filled in.

        A unit of degree m depends on the positions below m alone: each is computed once, when its
        degree is reached, so that all places together cost as much as one call.
        """
        empty = x.new_empty(len(x), len(self.bias), dtype=self.bias.dtype)
        units = [torch.empty_like(empty) for _ in range(2 * len(self.blocks) + 1)]
        reached = self.degrees.bincount(minlength=len(order) + 1).cumsum(0).tolist()
        symbols, done = x + self.starts, 0
        for at, place in enumerate(order):
            done, before = reached[at], done
            self._compute_units(symbols[:, order[:at]], units, before, done)
            if at >= known:
                start = int(self.starts[place])
                rows = slice(start, start + self.sizes[place])
                weight, bias = self.out[rows, :done], PACE * self.out_bias[rows]
                yield place, F.linear(units[-1][:, :done], weight, bias)
                symbols[:, place] = self.starts[place] + x[:, place]

    def _compute_units(self, symbols: Tensor, units: list[Tensor], start: int, stop: int) -> None:
        """Computes the units from start to stop, of one degree, in every layer: they see all of
        these symbols."""
        if start == stop:
            return
        new, known = slice(start, stop), slice(stop)
        below = self.below[new, known]
        h = F.embedding_bag(symbols, self.embed[:, new].contiguous(), mode="sum") + self.bias[new]
        units[0][:, new] = F.silu(h)
        for number, block in enumerate(self.blocks):
            assert isinstance(block, MaskedBlock)
            entry, inner, left = units[2 * number : 2 * number + 3]
            first, second = block.first[new, known] * below, block.second[new, known] * below
            inner[:, new] = F.silu(F.linear(entry[:, known], first, block.biases[0, new]))
            h = h + F.linear(inner[:, known], second, block.biases[1, new])
            left[:, new] = F.silu(h)


class MaskedBlock(nn.Module):
    """Two masked layers beside the identity, which they begin as."""

    def __init__(self, width: int, below: Tensor) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(width, width) / below.sum(1, keepdim=True).sqrt())
        self.second = nn.Parameter(torch.zeros(width, width))
        self.biases = nn.Parameter(torch.zeros(2, width))

    def forward(self, h: Tensor, below: Tensor, tape: Tape | None = None) -> Tensor:
        inner = masked_linear(F.silu(h), self.first, below, self.biases[0], tape)
        return h + masked_linear(F.silu(inner), self.second, below, self.biases[1], tape)
