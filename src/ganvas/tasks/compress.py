"""Pack rows or pictures into few bytes, to be had again bit for bit."""

from __future__ import annotations

import numpy as np
import torch

from .. import coding
from ..core import Exact, Factorises, Parcel
from ._coding import digest, places


@torch.no_grad()
def compress(model: Factorises, x: Exact) -> Parcel:
    """Codes every symbol in as many bits as the model finds it surprising: -log2 p(x), by a range coder (Martin, 1979).

    What the model did not learn (identifiers, decimals within a bin, rows that are unlike any it could make, pictures
    of another size) is kept beside it. Only the same model can unpack it.

    Example: ganvas compress runs/made-people people.csv --out people.ganvas
    """
    encoder, family = coding.encoder(), coding.categorical()
    for part, place, likely in places(model, x.codes.to(model.device), "packing"):
        encoder.encode(part[:, place].cpu().numpy().astype(np.int32), family, likely)
    return Parcel(encoder.get_compressed().tobytes(), x.rest, len(x.codes), digest(x.codes), x.fingerprint)
