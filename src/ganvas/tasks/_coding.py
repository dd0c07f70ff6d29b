"""What packing and unpacking must agree on."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

CHUNK = 4096
"""Rows that are coded together: packing and unpacking must compute the same, so both go by it."""


def probabilities(logits: Tensor) -> np.ndarray:
    """Of logits (B, K), float32; no symbol is impossible."""
    return torch.softmax(logits.double(), -1).clamp(min=1e-7).float().cpu().numpy()


def digest(codes: Tensor) -> str:
    return blake2b(codes.cpu().numpy().astype(np.int32).tobytes(), digest_size=16).hexdigest()
