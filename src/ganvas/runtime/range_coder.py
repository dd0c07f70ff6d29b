"""The range coder that rows are packed with: constriction's, where it is installed."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import InputError


def encoder() -> Any:
    """Takes symbols, int32 (N,), with a distribution and its parameters: `encode`,
    `get_compressed`."""
    return _stream().queue.RangeEncoder()


def decoder(packed: bytes) -> Any:
    """Gives symbols back in the order that an encoder took them: `decode`."""
    return _stream().queue.RangeDecoder(np.frombuffer(packed, np.uint32))


def categorical() -> Any:
    """Symbols by their probabilities, float32 (N, K)."""
    return _stream().model.Categorical(perfect=False)


def uniform() -> Any:
    """Numbers that are equally likely below a size, int32 (N,)."""
    return _stream().model.Uniform()


def parts(content: bytes) -> dict[str, bytes]:
    """By their names, the parts of which content is made: each the length of its name in 2 bytes,
    its name, its own length in 8 bytes, and itself."""
    found, at = dict[str, bytes](), 0
    while at < len(content):
        named = at + 2 + int.from_bytes(content[at : at + 2], "little")
        size = int.from_bytes(content[named : named + 8], "little")
        found[content[at + 2 : named].decode()] = content[named + 8 : named + 8 + size]
        at = named + 8 + size
    return found


def _stream() -> Any:
    try:
        from constriction import stream
    except ImportError as error:
        raise InputError("packing needs a range coder: pip install 'ganvas[compress]'") from error
    return stream
