"""Layers that see only what comes before: masked perceptrons (Germain et al., 2015)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PACE = 10.0
"""How much faster than weights the last layer's biases learn: alone they say how frequent the first symbols are."""


class MaskedPerceptron(nn.Module):
    """Symbols (B, places) to the logits of every place, each of which depends on the places before it alone.

    What "before" means is said with each call. A hidden unit of degree m sees the places whose position is below m,
    directly or through units of no higher degree; a place at position p is computed from units of degree p or less
    (equations 8 and 9 of the paper). Degrees of units never change, so that only the masks of the first and the
    last layer depend on the order.

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
        self.register_buffer("place", torch.repeat_interleave(torch.arange(places), widths), persistent=False)
        self.embed = nn.Parameter(torch.randn(symbols, width) / (2 * places) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(width))
        self.blocks = nn.ModuleList(MaskedBlock(width, below) for _ in range(depth))
        self.out = nn.Parameter(torch.randn(symbols, width) * 0.3 / width**0.5)
        self.out_bias = nn.Parameter(torch.zeros(symbols))

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """Logits (B, symbols) of x (B, places), int64, in the order that gives each place its position (places,)."""
        hidden = self.hidden(F.embedding_bag(x + self.starts, self.embed * self.sees(position), mode="sum"))
        return F.linear(hidden, self.out * self.seen_by(position), PACE * self.out_bias)

    def sees(self, position: Tensor) -> Tensor:
        """Which units see each symbol, (symbols, width)."""
        return (position[:, None] < self.degrees).to(self.embed.dtype)[self.place]

    def seen_by(self, position: Tensor) -> Tensor:
        """Which units each symbol's logit is computed from, (symbols, width)."""
        return (position[:, None] >= self.degrees).to(self.embed.dtype)[self.place]

    def hidden(self, summed: Tensor) -> Tensor:
        """Units (B, width) from the sum of embeddings (B, width)."""
        h = summed + self.bias
        for block in self.blocks:
            h = block(h, self.below)
        return F.silu(h)

    def logits(self, hidden: Tensor, place: int, position: int) -> Tensor:
        """The logits of one place, (B, its alphabet), when it stands at a position."""
        rows = slice(int(self.starts[place]), int(self.starts[place]) + self.sizes[place])
        return F.linear(hidden * (self.degrees <= position), self.out[rows], PACE * self.out_bias[rows])


class MaskedBlock(nn.Module):
    """Two masked layers beside the identity, which they begin as."""

    def __init__(self, width: int, below: Tensor) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(width, width) / below.sum(1, keepdim=True).sqrt())
        self.second = nn.Parameter(torch.zeros(width, width))
        self.biases = nn.Parameter(torch.zeros(2, width))

    def forward(self, h: Tensor, below: Tensor) -> Tensor:
        inner = F.linear(F.silu(h), self.first * below, self.biases[0])
        return h + F.linear(F.silu(inner), self.second * below, self.biases[1])
