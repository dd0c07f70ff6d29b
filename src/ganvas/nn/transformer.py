"""Transformers over symbols (Vaswani et al., 2017), as they are built today; what a condition says
comes first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core import DecodingOptions, Tokens
from ..core.decoding import AS_IT_IS

BASE = 10_000.0  # of the wavelengths of rotary positions, as in the paper
SCALE = 0.02  # of vectors to begin with
# places up to which a processor multiplies whole matrices of attention faster than it walks through
# them
SHORT = 512


@dataclass
class Memory:
    """Keys and values of the places seen so far, of every layer, so that no place is worked out
    twice.

    kept: (layers, 2, B, heads, places, width of a head); of the places only the first `length` mean
        something.
    """

    kept: Tensor
    length: int = 0


class Rotary(nn.Module):
    """Turns pairs of coordinates by angles that grow with the place, so that products depend on
    distances alone (Su et al., 2021, RoFormer)."""

    cosines: Tensor
    sines: Tensor

    def __init__(self, width: int, longest: int) -> None:
        super().__init__()
        angles = torch.arange(longest)[:, None] * BASE ** -(torch.arange(0, width, 2) / width)
        self.register_buffer("cosines", angles.cos(), persistent=False)
        self.register_buffer("sines", angles.sin(), persistent=False)

    def forward(self, x: Tensor, start: int) -> Tensor:
        """Queries or keys (..., places, width) of the places from `start` on."""
        span = slice(start, start + x.shape[-2])
        cosines, sines = self.cosines[span].to(x.dtype), self.sines[span].to(x.dtype)
        a, b = x.chunk(2, -1)
        return torch.cat([a * cosines - b * sines, b * cosines + a * sines], -1)


def attention(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """softmax(q k' / sqrt(width)) v, (B, heads, T, width), for q of the last T of S places and k
    and v of all S.

    causal: Each place sees those before it and itself alone.
    """
    places, seen = q.shape[-2], k.shape[-2]
    if q.device.type == "cpu" and q.dtype == torch.bfloat16 and seen <= SHORT:
        return _whole(q, k, v, causal)
    if not causal or places == 1:
        return F.scaled_dot_product_attention(q, k, v)
    if places == seen:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    sees = torch.ones(places, seen, dtype=torch.bool, device=q.device).tril(seen - places)
    return F.scaled_dot_product_attention(q, k, v, sees)


def _whole(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """`attention` by matrices that are written down, which processors are two to three times faster
    with in bf16."""
    n, places, seen = len(q), q.shape[-2], k.shape[-2]
    above = q.new_zeros(places, seen)
    if causal and places > 1:
        above.masked_fill_(torch.ones_like(above, dtype=torch.bool).triu(seen - places + 1), -inf)
    q, k, v = q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1)
    weights = torch.baddbmm(above, q, k.transpose(1, 2), alpha=q.shape[-1] ** -0.5).softmax(-1)
    return torch.bmm(weights.to(v.dtype), v).unflatten(0, (n, -1))


class Block(nn.Module):
    """h + attention(norm h), then h + SwiGLU(norm h) (Shazeer, 2020); both begin as nothing.

    Norms are of root mean squares (Zhang & Sennrich, 2019), before what they feed; no layer has a
    bias.
    """

    def __init__(self, width: int, heads: int, dropout: float, causal: bool) -> None:
        super().__init__()
        self.heads, self.dropout, self.causal = heads, dropout, causal
        inner = -(-8 * width // 3 // 32) * 32
        self.norms = nn.ModuleList(nn.RMSNorm(width, 1e-6) for _ in range(2))
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gates = nn.Linear(width, 2 * inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)
        for last in (self.out, self.down):
            nn.init.zeros_(last.weight)

    def forward(self, h: Tensor, rotary: Rotary, memory: Memory | None, layer: int) -> Tensor:
        h = h + self._dropped(self.out(self._attended(self.norms[0](h), rotary, memory, layer)))
        gate, value = self.gates(self.norms[1](h)).chunk(2, -1)
        return h + self._dropped(self.down(F.silu(gate) * value))

    def _attended(self, h: Tensor, rotary: Rotary, memory: Memory | None, layer: int) -> Tensor:
        start = memory.length if memory else 0
        q, k, v = self.qkv(h).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k = rotary(q, start), rotary(k, start)
        if memory:
            stop = start + h.shape[1]
            kept = memory.kept[layer]
            kept[0, :, :, start:stop], kept[1, :, :, start:stop] = k, v
            k, v = kept[:, :, :, :stop]
        return attention(q, k, v, self.causal).transpose(1, 2).flatten(2)

    def _dropped(self, h: Tensor) -> Tensor:
        return F.dropout(h, self.dropout, self.training) if self.dropout else h


class Stack(nn.Module):
    """Blocks over a sequence of vectors (B, T, width), which come out as such.

    heads: Of every attention; their number divides the width.
    longest: Vectors of a sequence, at most.
    causal: Each vector sees those before it and itself alone.
    """

    def __init__(
        self, width: int, depth: int, heads: int, longest: int, dropout: float, causal: bool
    ) -> None:
        super().__init__()
        self.width, self.heads, self.longest = width, heads, longest
        self.rotary = Rotary(width // heads, longest)
        self.blocks = nn.ModuleList(Block(width, heads, dropout, causal) for _ in range(depth))
        self.norm = nn.RMSNorm(width, 1e-6)

    def forward(self, h: Tensor, memory: Memory | None = None) -> Tensor:
        """With a memory, h are the vectors that follow those in it, and enter it."""
        for layer, block in enumerate(self.blocks):
            h = block(h, self.rotary, memory, layer)
        if memory:
            memory.length += h.shape[1]
        return self.norm(h)

    def memory(self, n: int, like: Tensor) -> Memory:
        """An empty memory for n sequences."""
        shape = (len(self.blocks), 2, n, self.heads, self.longest, self.width // self.heads)
        return Memory(like.new_empty(shape))


class TokenTransformer(nn.Module):
    """Symbols (B, places), int64, to vectors (B, places, width) that tell of each place, and these
    to logits.

    What a condition says comes before the symbols, in an alphabet of its own with one symbol more,
    which says nothing. Where it is causal, a place is told by those before it, the first by a
    vector that begins; where it is not, by all that are not hidden, and that vector stands for what
    is.

    Places of a grid have learned vectors for each axis, those with alphabets of their own one each;
    all others have rotary positions alone.

    condition: What comes before: symbols of a space, or so many vectors that are given as they are.
    tied: Symbols are told by the vectors that they come in as (Press & Wolf, 2017).
    """

    index: Tensor
    beyond: Tensor

    def __init__(
        self,
        space: Tokens,
        condition: Tokens | int | None,
        *,
        width: int,
        depth: int,
        heads: int,
        dropout: float = 0.0,
        causal: bool = True,
        tied: bool = True,
    ) -> None:
        super().__init__()
        self.causal, self.own = causal, bool(space.alphabets)
        words = condition if isinstance(condition, Tokens) else Tokens(condition or 0, 0)
        self.end, self.said, self.nothing = space.end, words.length, words.vocabulary
        symbols = sum(space.alphabets) or space.vocabulary
        self.special = nn.Parameter(torch.randn(width) * SCALE)
        self.symbols = _embedding(symbols, width)
        self.outward = None if tied else _embedding(symbols, width)
        self.condition = _embedding(self.nothing + 1, width) if self.nothing else None
        self.sides = space.grid or ((space.length,) if self.own else ())
        self.axes = nn.ParameterList(torch.randn(side, width) * SCALE for side in self.sides)
        self.stack = Stack(width, depth, heads, self.said + space.length, dropout, causal)
        sizes, within = torch.tensor(space.sizes)[:, None], torch.arange(space.vocabulary)
        starts = (sizes.cumsum(0) - sizes) * self.own
        index = starts + within.minimum(sizes - 1) if self.own else starts
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("beyond", within >= sizes if self.own else None, persistent=False)

    def forward(self, x: Tensor, y: Tensor | None, hidden: Tensor | None = None) -> Tensor:
        """Vectors that tell of the places of x (B, places), of which the last may be left out where
        it is causal.

        y: (B, condition.length), or vectors (B, condition, width); None says nothing.
        hidden: Which symbols are hidden, boolean like x.
        """
        return self.whole(x, y, hidden)[:, self.said :]

    def whole(self, x: Tensor, y: Tensor | None, hidden: Tensor | None = None) -> Tensor:
        """The same, and before these the vectors of what comes before, (B, said + places,
        width)."""
        if self.causal:
            return self.stack(
                self._entering(x[:, :-1], y, None if hidden is None else hidden[:, :-1])
            )
        h = self._symbols(x, 0, hidden) + self._places(0, x.shape[1])
        return self.stack(torch.cat([self._prefix(y, len(x)), h], 1))

    def logits(self, h: Tensor, start: int = 0) -> Tensor:
        """Logits (B, places, vocabulary) of vectors that tell of the places from `start` on; -inf
        beyond alphabets."""
        weight = self.symbols.weight if self.outward is None else self.outward.weight
        if not self.own:
            return F.linear(h, weight)
        span = slice(start, start + h.shape[1])
        return torch.einsum("btw,tvw->btv", h, weight[self.index[span]]).masked_fill(
            self.beyond[span], -inf
        )

    def costs(self, h: Tensor, x: Tensor, chosen: Tensor) -> Tensor:
        """-log p of the chosen (boolean) symbols of x (B, places), which h (B, places, width) tells
        of: (chosen,)."""
        logits = self.logits(h)[chosen] if self.own else self.logits(h[chosen])
        return F.cross_entropy(logits.float(), x[chosen], reduction="none")

    def unfold(self, x: Tensor, y: Tensor | None, known: int = 0) -> Iterator[tuple[int, Tensor]]:
        """(place, its logits (B, vocabulary)) from place `known` on; x[:, place] is read when the
        next is asked for.

        Where y has more rows than x, a multiple, rows of x are taken that often.
        """
        times = 1 if y is None else len(y) // len(x)
        memory = self.stack.memory(times * len(x), self.special)
        h = self._entering(x[:, :known].repeat(times, 1), y)
        for place in range(known, len(self.index)):
            yield place, self.logits(self.stack(h, memory)[:, -1:], place)[:, 0]
            h = self._symbols(x[:, place : place + 1].repeat(times, 1), place) + self._places(
                place + 1, place + 2
            )

    def fill(
        self,
        x: Tensor,
        known: Tensor,
        y: Tensor | None = None,
        how: DecodingOptions = AS_IT_IS,
        allowed: Mapping[int, Tensor] = {},
    ) -> Tensor:
        """x with what is not known drawn, from left to right, until all examples have ended.

        y: As in `unfold`; of twice as many rows, the second half what guidance leads away from.
        allowed: As in `Completes.complete`.
        """
        x, done = x.clone(), torch.zeros(len(x), dtype=torch.bool, device=x.device)
        there = int(known.all(0).long().cumprod(0).sum())
        for place, logits in self.unfold(x, y, there):
            drawn = how.draw(forbidden(how.guided(logits, len(x)), allowed.get(place)))
            if self.end is not None:
                drawn = drawn.masked_fill(done, self.end)
            x[:, place] = torch.where(known[:, place], x[:, place], drawn)
            if self.end is not None:
                done |= x[:, place] == self.end
                if done.all():
                    x[:, place + 1 :] = torch.where(
                        known[:, place + 1 :], x[:, place + 1 :], self.end
                    )
                    break
        return x

    def _entering(self, x: Tensor, y: Tensor | None, hidden: Tensor | None = None) -> Tensor:
        """What enters for the first symbols of examples, (B, said + 1 + places, width)."""
        first = self.special.expand(len(x), 1, -1)
        h = torch.cat([first, self._symbols(x, 0, hidden)], 1) + self._places(0, x.shape[1] + 1)
        return torch.cat([self._prefix(y, len(x)), h], 1) if self.said else h

    def _symbols(self, x: Tensor, start: int, hidden: Tensor | None = None) -> Tensor:
        h = self.symbols(x + self.index[start : start + x.shape[1], 0])
        return h if hidden is None else torch.where(hidden[..., None], self.special, h)

    def _prefix(self, y: Tensor | None, n: int) -> Tensor:
        if self.condition is None:
            return self.special.new_empty(n, 0, len(self.special)) if y is None else y
        if y is None:
            y = torch.full((n, self.said), self.nothing, device=self.special.device)
        return self.condition(y)

    def _places(self, start: int, stop: int) -> Tensor:
        """What is added at places from start to stop, (places, width), or zero."""
        at = torch.zeros((), device=self.special.device)
        for axis, vectors in enumerate(self.axes):
            own = [1] * len(self.sides)
            own[axis] = -1
            at = at + vectors.view(*own, vectors.shape[-1])
        return at.flatten(0, -2)[start:stop] if len(self.axes) else at


def _embedding(symbols: int, width: int) -> nn.Embedding:
    made = nn.Embedding(symbols, width)
    nn.init.normal_(made.weight, std=SCALE)
    return made


def forbidden(logits: Tensor, allowed: Tensor | None) -> Tensor:
    """Logits (..., vocabulary) without the symbols that are not allowed, boolean (alphabet,); None
    allows all."""
    if allowed is None:
        return logits
    beyond = F.pad(~allowed.to(logits.device), (0, logits.shape[-1] - len(allowed)), value=True)
    return logits.masked_fill(beyond, -inf)
