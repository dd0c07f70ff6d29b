"""Compression: pack rows or images into few bytes, lossless or nearly so."""

from __future__ import annotations

import numpy as np

from ...abilities import Compresses
from ...results.packed import Packed
from ...results.unpacked import Unpacked
from ...runtime import range_coder
from .coding import coded_places, token_digest


def compress(model: Compresses, x: Unpacked, *, quality: int | None = None) -> Packed:
    """Codes every symbol in as many bits as the model finds it surprising: -log2 p(x), by a range
    coder (Martin, 1979).

    What the model did not learn (identifiers, decimals within a bin, rows that are unlike any it
    could make, images of another size) is kept beside it. Only the same model can unpack it.

    Example: ganvas compress runs/made-people people.csv --out people.ganvas

    quality: Of models that lose something, from 0 (few bits) to 100 (little loss); by default 50.
    """
    packing = model.coding_scheme(quality)
    symbols = packing.fold(x.codes.to(model.device))
    encoder, family = range_coder.encoder(), range_coder.categorical()
    for part, place, likely in coded_places(packing, symbols, "packing"):
        encoder.encode(part[:, place].cpu().numpy().astype(np.int32), family, likely)
    packed = encoder.get_compressed().tobytes()
    return Packed(
        packed, x.rest, len(symbols), token_digest(symbols), x.fingerprint, packing.quality
    )
