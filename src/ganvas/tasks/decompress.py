"""Unpack rows that were compressed."""

from __future__ import annotations

import torch

from .. import coding
from ..core import Exact, Factorises, InputError, Parcel
from ._coding import CHUNK, digest, probabilities
from ._progress import counted


@torch.no_grad()
def decompress(model: Factorises, x: Parcel) -> Exact:
    """The rows that were packed, equal in every value and type.

    Example: ganvas decompress runs/made-people people.ganvas --out people.csv
    """
    decoder, family = coding.decoder(x.packed), coding.categorical()
    codes = torch.zeros(x.n, *model.space.shape, dtype=torch.int64, device=model.device)
    for part in counted(codes.split(CHUNK), x.n, "unpacking"):
        for place, logits in model.unfold(part):
            if logits.shape[1] > 1:
                part[:, place] = torch.from_numpy(decoder.decode(family, probabilities(logits))).to(part)
    if digest(codes) != x.digest:
        raise InputError(
            "the file was packed by a processor that computes other last bits than this one; unpack it where it was "
            "packed, or with as many threads"
        )
    return Exact(codes, x.rest, x.fingerprint)
