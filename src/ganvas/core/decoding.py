"""How a model that draws symbols is told to draw them."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from ..runtime.errors import InputError, flag
from .space import draw_symbol


@dataclass(frozen=True)
class DecodingOptions:
    """How boldly symbols are drawn; as the model has it where nothing is said.

    temperature: Logits are divided by it: below 1 likely symbols become likelier still.
    top_k: Draw among so many of the likeliest symbols (Fan et al., 2018); 0 for all.
    top_p: Draw among the likeliest symbols that together have this probability (Holtzman et al.,
        2020).
    guidance: How many times as far as the condition moves them logits are moved (Ho & Salimans,
        2022); 1 as it is.
    decoding_steps: In how many steps a model that draws many symbols at a time draws all; 0 for as
        many as it likes.

    Raises InputError for what is out of range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    guidance: float = 1.0
    decoding_steps: int = 0

    def __post_init__(self) -> None:
        fits = {
            "temperature": (self.temperature > 0, "above 0"),
            "top_k": (self.top_k >= 0, "0 or more"),
            "top_p": (0 < self.top_p <= 1, "above 0, and 1 at most"),
            "guidance": (self.guidance >= 0, "0 or more"),
            "decoding_steps": (self.decoding_steps >= 0, "0 or more"),
        }
        for name, (right, words) in fits.items():
            if not right:
                raise InputError(f"{flag(name)} is {getattr(self, name):g}; it must be {words}")

    def tempered(self, logits: Tensor) -> Tensor:
        """Logits (B, K) of what is to be drawn from."""
        logits = logits.float() / self.temperature
        if 0 < self.top_k < logits.shape[-1]:
            least = logits.topk(self.top_k, -1).values[:, -1:]
            logits = logits.masked_fill(logits < least, -inf)
        if self.top_p < 1:
            ranked, order = logits.sort(-1, descending=True)
            share = ranked.softmax(-1)
            beyond = share.cumsum(-1) - share >= self.top_p  # the likeliest always stays
            logits = logits.masked_fill(torch.zeros_like(beyond).scatter(-1, order, beyond), -inf)
        return logits

    def draw(self, logits: Tensor) -> Tensor:
        """Symbols (B,) from logits (B, K)."""
        return draw_symbol(self.tempered(logits))

    def guided(self, logits: Tensor, n: int) -> Tensor:
        """Logits (n, ...), float32; of twice as many, from those with the condition and, below
        these, those without."""
        if len(logits) == n:
            return logits.float()
        given, free = logits.float().chunk(2)
        return torch.where(free.isinf(), free, free + self.guidance * (given - free))


AS_IT_IS = DecodingOptions()
"""Nothing is said."""
