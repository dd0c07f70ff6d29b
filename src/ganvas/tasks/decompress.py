"""Unpack rows or pictures that were compressed."""

from __future__ import annotations

import torch

from ..core import Exact, InputError, Packs, Parcel
from ..runtime import range_coder as coding
from .compress.coding import digest, places


@torch.no_grad()
def decompress(model: Packs, x: Parcel) -> Exact:
    """The rows that were packed, equal in every value and type; or the pictures, equal in every pixel.

    Where the model loses something, what it kept at the quality that was asked for.

    Example: ganvas decompress runs/made-people people.ganvas --out people.csv
    """
    packing = model.packing(x.quality)
    decoder, family = coding.decoder(x.packed), coding.categorical()
    symbols = torch.zeros(x.n, packing.places, dtype=torch.int64, device=model.device)
    for part, place, likely in places(packing, symbols, "unpacking"):
        part[:, place] = torch.from_numpy(decoder.decode(family, likely)).to(part)
    if digest(symbols) != x.digest:
        raise InputError(
            "the file was packed by a processor that computes other last bits than this one; unpack it where it was "
            "packed, or with as many threads"
        )
    return Exact(packing.restore(symbols), x.rest, x.fingerprint)
