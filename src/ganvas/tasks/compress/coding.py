"""What packing and unpacking must agree on."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from ...abilities import CodingScheme
from .._progress import with_progress

CHUNK = 4096
"""Examples that are coded together: packing and unpacking must compute the same, so both go by
it."""


def coded_places(
    packing: CodingScheme, symbols: Tensor, words: str
) -> Iterator[tuple[Tensor, int, np.ndarray]]:
    """(examples coded together, place, its probabilities) for all symbols (n, places), one place
    after the other.

    What the place holds is read when the next is asked for. A place with one symbol needs no code,
    and is left out.
    """
    pairs = ((part, *step) for part in symbols.split(CHUNK) for step in packing.unfold(part))
    for part, place, logits in with_progress(
        pairs, symbols.numel(), words, lambda pair: len(pair[0])
    ):
        if logits.shape[1] > 1:
            yield part, place, probabilities(logits)


def probabilities(logits: Tensor) -> np.ndarray:
    """Of logits (B, K), float32; no symbol is impossible."""
    return torch.softmax(logits.double(), -1).clamp(min=1e-7).float().cpu().numpy()


def token_digest(symbols: Tensor) -> str:
    return blake2b(symbols.cpu().numpy().astype(np.int32).tobytes(), digest_size=16).hexdigest()
