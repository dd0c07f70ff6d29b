"""Symbols to bits and back, by constriction's range coder."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core import InputError

CHUNK = 4096
"""Rows that are coded together: packing and unpacking must compute the same, so both go by it."""


def symbols() -> tuple[Any, Any]:
    """A range encoder, and what to encode symbols with."""
    stream = _library()
    return stream.queue.RangeEncoder(), stream.model.Categorical(perfect=False)


def opened(packed: bytes) -> tuple[Any, Any]:
    """A range decoder of what an encoder gave, and what to decode symbols with."""
    stream = _library()
    return stream.queue.RangeDecoder(np.frombuffer(packed, np.uint32)), stream.model.Categorical(perfect=False)


def probabilities(logits: Tensor) -> np.ndarray:
    """Of logits (B, K), float32; no symbol is impossible."""
    return torch.softmax(logits.double(), -1).clamp(min=1e-7).float().cpu().numpy()


def digest(codes: Tensor) -> str:
    return blake2b(codes.cpu().numpy().astype(np.int32).tobytes(), digest_size=16).hexdigest()


def _library() -> Any:
    try:
        from constriction import stream
    except ImportError as error:
        raise InputError("packing needs a range coder: pip install 'ganvas[compress]'") from error
    return stream
