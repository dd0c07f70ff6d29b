"""Decoding options of models that sample tokens: temperature, top-k, top-p, guidance."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from ..runtime.errors import InputError, flag
from .space import draw_symbol


@dataclass(frozen=True)
class DecodingOptions:
    """How tokens are sampled from logits; by default from the model's own distribution.

    temperature: Logits are divided by it: below 1 likely tokens become likelier still.
    top_k: Sample among so many of the likeliest tokens (Fan et al., 2018); 0 for all.
    top_p: Sample among the likeliest tokens that together have this probability (Holtzman et al.,
        2020).
    guidance: Weight of the difference that the condition makes to logits (Ho & Salimans, 2022);
        1 for none beyond the model's own.
    decoding_steps: In how many steps a model that draws many tokens at a time draws all; 0 for the
        model's default.

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
        for name, (fit, words) in fits.items():
            if not fit:
                raise InputError(f"{flag(name)} is {getattr(self, name):g}; it must be {words}")

    def adjust_logits(self, logits: Tensor) -> Tensor:
        """Logits (B, K) with temperature, top-k and top-p applied."""
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
        """Tokens (B,) from logits (B, K)."""
        return draw_symbol(self.adjust_logits(logits))

    def apply_guidance(self, logits: Tensor, n: int) -> Tensor:
        """Guided logits (n, ...), float32, from 2 n: with the condition, then without; n stay as
        they are."""
        if len(logits) == n:
            return logits.float()
        given, free = logits.float().chunk(2)
        return torch.where(free.isinf(), free, free + self.guidance * (given - free))


DEFAULT_DECODING = DecodingOptions()
"""The model's own distribution."""
