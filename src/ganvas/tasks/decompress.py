"""Unpack rows or pictures that were compressed."""

from __future__ import annotations

from math import prod

import torch

from .. import coding
from ..core import Exact, Factorises, InputError, Parcel
from ._coding import digest, places


@torch.no_grad()
def decompress(model: Factorises, x: Parcel) -> Exact:
    """The rows that were packed, equal in every value and type; or the pictures, equal in every pixel.

    Example: ganvas decompress runs/made-people people.ganvas --out people.csv
    """
    decoder, family = coding.decoder(x.packed), coding.categorical()
    codes = torch.zeros(x.n, prod(model.space.shape), dtype=torch.int64, device=model.device)
    for part, place, likely in places(model, codes, "unpacking"):
        part[:, place] = torch.from_numpy(decoder.decode(family, likely)).to(part)
    if digest(codes) != x.digest:
        raise InputError(
            "the file was packed by a processor that computes other last bits than this one; unpack it where it was "
            "packed, or with as many threads"
        )
    return Exact(codes, x.rest, x.fingerprint)
