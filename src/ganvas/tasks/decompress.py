"""Decompression: unpack rows or images that were compressed."""

from __future__ import annotations

import torch

from ..abilities import Compresses
from ..core import InputError
from ..results.packed import Packed
from ..results.unpacked import Unpacked
from ..runtime import range_coder
from .compress.coding import coded_places, token_digest


def decompress(model: Compresses, x: Packed) -> Unpacked:
    """The rows that were packed, equal in every value and type; or the images, equal in every
    pixel.

    Where the model loses something, what it kept at the quality that was asked for.

    Example: ganvas decompress runs/made-people people.ganvas --out people.csv
    """
    packing = model.coding_scheme(x.quality)
    decoder, family = range_coder.decoder(x.packed), range_coder.categorical()
    symbols = torch.zeros(x.n, packing.places, dtype=torch.int64, device=model.device)
    for part, place, likely in coded_places(packing, symbols, "unpacking"):
        part[:, place] = torch.from_numpy(decoder.decode(family, likely)).to(part)
    if token_digest(symbols) != x.digest:
        raise InputError(
            "the file was packed by a processor that computes other last bits than this one; unpack"
            " it where it was packed, or with as many threads"
        )
    return Unpacked(packing.restore(symbols), x.rest, x.fingerprint)
