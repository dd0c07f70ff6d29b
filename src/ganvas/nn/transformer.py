"""Transformers over tokens (Vaswani et al., 2017), as they are built today, with conditions as a
prefix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core import Tokens
from ..core.decoding import DEFAULT_DECODING, DecodingOptions

BASE = 10_000.0  # of the wavelengths of rotary positions, as in the paper
SCALE = 0.02  # of vectors to begin with
SHORT = 512  # places up to which a CPU is faster with dense matrices of attention


@dataclass
class Memory:
    """Keys and values of the places so far, of every layer, so that no place is computed twice.

    kept: (layers, 2, B, heads, places, width of a head); only the first `length` places are valid.
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
        return _dense_attention(q, k, v, causal)
    if not causal or places == 1:
        return F.scaled_dot_product_attention(q, k, v)
    if places == seen:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    sees = torch.ones(places, seen, dtype=torch.bool, device=q.device).tril(seen - places)
    return F.scaled_dot_product_attention(q, k, v, sees)


def _dense_attention(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """`attention` by dense matrices, two to three times faster on CPUs in bf16."""
    n, places, seen = len(q), q.shape[-2], k.shape[-2]
    above = q.new_zeros(places, seen)
    if causal and places > 1:
        above.masked_fill_(torch.ones_like(above, dtype=torch.bool).triu(seen - places + 1), -inf)
    q, k, v = q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1)
    weights = torch.baddbmm(above, q, k.transpose(1, 2), alpha=q.shape[-1] ** -0.5).softmax(-1)
    return torch.bmm(weights.to(v.dtype), v).unflatten(0, (n, -1))


class Block(nn.Module):
    """h + attention(norm h), then h + SwiGLU(norm h) (Shazeer, 2020); both terms begin as zero.

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
        h = h + self._drop(self.out(self._attend(self.norms[0](h), rotary, memory, layer)))
        gate, value = self.gates(self.norms[1](h)).chunk(2, -1)
        return h + self._drop(self.down(F.silu(gate) * value))

    def _attend(self, h: Tensor, rotary: Rotary, memory: Memory | None, layer: int) -> Tensor:
        start = memory.length if memory else 0
        q, k, v = self.qkv(h).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k = rotary(q, start), rotary(k, start)
        if memory:
            stop = start + h.shape[1]
            kept = memory.kept[layer]
            kept[0, :, :, start:stop], kept[1, :, :, start:stop] = k, v
            k, v = kept[:, :, :, :stop]
        return attention(q, k, v, self.causal).transpose(1, 2).flatten(2)

    def _drop(self, h: Tensor) -> Tensor:
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
    """Tokens (B, places), int64, to vectors (B, places, width) that predict each place, and to
    logits.

    A condition is a prefix of tokens, from a vocabulary of its own with one more, the null token,
    which stands for no condition. In a causal network a place is predicted from those before it,
    the first from a special vector; in others from all that are not hidden, which that vector
    replaces.

    Places of a grid have learned vectors for each axis, those with alphabets of their own one each;
    all others have rotary positions alone.

    condition: The prefix: tokens of a space, or a number of vectors that are given as they are.
    tied: Whether output embeddings are the input embeddings (Press & Wolf, 2017).
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
        prefix = condition if isinstance(condition, Tokens) else Tokens(condition or 0, 0)
        self.end, self.prefix, self.null_token = space.end, prefix.length, prefix.vocabulary
        symbols = sum(space.alphabets) or space.vocabulary
        self.special = nn.Parameter(torch.randn(width) * SCALE)
        self.symbols = _embedding(symbols, width)
        self.outward = None if tied else _embedding(symbols, width)
        self.condition = _embedding(self.null_token + 1, width) if self.null_token else None
        self.sides = space.grid or ((space.length,) if self.own else ())
        self.axes = nn.ParameterList(torch.randn(side, width) * SCALE for side in self.sides)
        self.stack = Stack(width, depth, heads, self.prefix + space.length, dropout, causal)
        sizes, within = torch.tensor(space.sizes)[:, None], torch.arange(space.vocabulary)
        starts = (sizes.cumsum(0) - sizes) * self.own
        index = starts + within.minimum(sizes - 1) if self.own else starts
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("beyond", within >= sizes if self.own else None, persistent=False)

    def forward(self, x: Tensor, y: Tensor | None, hidden: Tensor | None = None) -> Tensor:
        """Vectors that predict the places of x (B, places); if it is causal, x may lack the last.

        y: Condition, (B, condition.length), or vectors (B, condition, width); None for none.
        hidden: Which tokens are hidden, boolean like x.
        """
        return self.with_condition(x, y, hidden)[:, self.prefix :]

    def with_condition(self, x: Tensor, y: Tensor | None, hidden: Tensor | None = None) -> Tensor:
        """The same after the vectors of the condition, (B, prefix + places, width)."""
        if self.causal:
            hidden = None if hidden is None else hidden[:, :-1]
            return self.stack(self._embed_sequence(x[:, :-1], y, hidden))
        h = self._embed_tokens(x, 0, hidden) + self._embed_places(0, x.shape[1])
        return self.stack(torch.cat([self._embed_condition(y, len(x)), h], 1))

    def logits(self, h: Tensor, start: int = 0) -> Tensor:
        """Logits (B, places, vocabulary) of vectors that predict the places from `start` on; -inf
        beyond alphabets."""
        weight = self.symbols.weight if self.outward is None else self.outward.weight
        if not self.own:
            return F.linear(h, weight)
        span = slice(start, start + h.shape[1])
        logits = torch.einsum("btw,tvw->btv", h, weight[self.index[span]])
        return logits.masked_fill(self.beyond[span], -inf)

    def costs(self, h: Tensor, x: Tensor, chosen: Tensor) -> Tensor:
        """-log p of the chosen (boolean) tokens of x (B, places), which h (B, places, width)
        predicts: (chosen,)."""
        logits = self.logits(h)[chosen] if self.own else self.logits(h[chosen])
        return F.cross_entropy(logits.float(), x[chosen], reduction="none")

    def unfold(self, x: Tensor, y: Tensor | None, known: int = 0) -> Iterator[tuple[int, Tensor]]:
        """(place, its logits (B, vocabulary)) from place `known` on; x[:, place] is read when the
        next is asked for.

        Where y has a multiple of the rows of x, x is repeated that often.
        """
        times = 1 if y is None else len(y) // len(x)
        memory = self.stack.memory(times * len(x), self.special)
        h = self._embed_sequence(x[:, :known].repeat(times, 1), y)
        for place in range(known, len(self.index)):
            yield place, self.logits(self.stack(h, memory)[:, -1:], place)[:, 0]
            h = self._embed_tokens(
                x[:, place : place + 1].repeat(times, 1), place
            ) + self._embed_places(place + 1, place + 2)

    def fill(
        self,
        x: Tensor,
        known: Tensor,
        y: Tensor | None = None,
        how: DecodingOptions = DEFAULT_DECODING,
        allowed: Mapping[int, Tensor] = {},
    ) -> Tensor:
        """x with what is not known drawn, from left to right, until all examples have ended.

        y: As in `unfold`; for guidance, twice as many rows: conditions, then none.
        allowed: As in `Completes.complete`.
        """
        x, done = x.clone(), torch.zeros(len(x), dtype=torch.bool, device=x.device)
        there = int(known.all(0).long().cumprod(0).sum())
        for place, logits in self.unfold(x, y, there):
            drawn = how.draw(mask_forbidden(how.apply_guidance(logits, len(x)), allowed.get(place)))
            if self.end is not None:
                drawn = drawn.masked_fill(done, self.end)
            x[:, place] = torch.where(known[:, place], x[:, place], drawn)
            if self.end is not None:
                done |= x[:, place] == self.end
                if done.all():
                    rest = slice(place + 1, None)
                    x[:, rest] = torch.where(known[:, rest], x[:, rest], self.end)
                    break
        return x

    def _embed_sequence(self, x: Tensor, y: Tensor | None, hidden: Tensor | None = None) -> Tensor:
        """Input vectors of the first tokens of examples, (B, prefix + 1 + places, width)."""
        first = self.special.expand(len(x), 1, -1)
        h = torch.cat([first, self._embed_tokens(x, 0, hidden)], 1) + self._embed_places(
            0, x.shape[1] + 1
        )
        return torch.cat([self._embed_condition(y, len(x)), h], 1) if self.prefix else h

    def _embed_tokens(self, x: Tensor, start: int, hidden: Tensor | None = None) -> Tensor:
        h = self.symbols(x + self.index[start : start + x.shape[1], 0])
        return h if hidden is None else torch.where(hidden[..., None], self.special, h)

    def _embed_condition(self, y: Tensor | None, n: int) -> Tensor:
        if self.condition is None:
            return self.special.new_empty(n, 0, len(self.special)) if y is None else y
        if y is None:
            y = torch.full((n, self.prefix), self.null_token, device=self.special.device)
        return self.condition(y)

    def _embed_places(self, start: int, stop: int) -> Tensor:
        """Vectors of places from start to stop, (places, width), or zero."""
        at = torch.zeros((), device=self.special.device)
        for axis, vectors in enumerate(self.axes):
            own = [1] * len(self.sides)
            own[axis] = -1
            at = at + vectors.view(*own, vectors.shape[-1])
        return at.flatten(0, -2)[start:stop] if len(self.axes) else at


def _embedding(symbols: int, width: int) -> nn.Embedding:
    embedding = nn.Embedding(symbols, width)
    nn.init.normal_(embedding.weight, std=SCALE)
    return embedding


def mask_forbidden(logits: Tensor, allowed: Tensor | None) -> Tensor:
    """Logits (..., vocabulary), -inf for tokens that are not allowed, boolean (alphabet,); None
    allows all."""
    if allowed is None:
        return logits
    beyond = F.pad(~allowed.to(logits.device), (0, logits.shape[-1] - len(allowed)), value=True)
    return logits.masked_fill(beyond, -inf)
