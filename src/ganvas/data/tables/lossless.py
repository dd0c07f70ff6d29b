"""Tables to the last bit: what codes leave open, what was not learned, and rows that no code can
give."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...runtime import range_coder

FINE = 2**16  # a rank is coded in two parts where there are more


def packed_ranks(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> bytes:
    """Which of how many values that share a code each value is: (rank, number) by column, each
    (N,), in few bits."""
    encoder, uniform = range_coder.encoder(), range_coder.uniform()
    for rank, number in pairs:
        for part, size in _parts(rank, number):
            encoder.encode(part.astype(np.int32), uniform, size.astype(np.int32))
    packed: bytes = encoder.get_compressed().tobytes()
    return packed


def unpacked_ranks(packed: bytes, numbers: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The ranks of each column, (N,), from how many values share each code."""
    decoder, uniform, ranks = range_coder.decoder(packed), range_coder.uniform(), []
    for number in numbers:
        rank = np.zeros(len(number), np.int64)
        high, low = number > FINE, number > 1
        if high.any():
            sizes = -(-number[high] // FINE)
            rank[high] = decoder.decode(uniform, sizes.astype(np.int32)).astype(np.int64) * FINE
        if low.any():
            rank[low] += decoder.decode(uniform, np.minimum(number[low], FINE).astype(np.int32))
        ranks.append(rank)
    return ranks


def _parts(rank: np.ndarray, number: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    high, low = number > FINE, number > 1
    coarse = (rank[high] // FINE, -(-number[high] // FINE))
    fine = (np.where(high, rank % FINE, rank)[low], np.minimum(number[low], FINE))
    return [part for part in (coarse, fine) if len(part[0])]


def packed_tables(tables: Mapping[str, pa.Table], more: bytes) -> bytes:
    """Tables by name, and bytes, as one."""
    sink = io.BytesIO()
    parts = {**{name: _ipc(table) for name, table in tables.items()}, "": more}
    for name, content in parts.items():
        sink.write(
            len(name).to_bytes(2, "little")
            + name.encode()
            + len(content).to_bytes(8, "little")
            + content
        )
    return sink.getvalue()


def unpacked_tables(content: bytes) -> tuple[dict[str, pa.Table], bytes]:
    """What `packed_tables` made one."""
    found = range_coder.parts(content)
    more = found.pop("", b"")
    return {name: pa.ipc.open_stream(part).read_all() for name, part in found.items()}, more


def _ipc(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", 19))
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue()


def differences(a: pa.Array, b: pa.Array) -> np.ndarray:
    """Rows in which two arrays of one type are not the same to the last bit, boolean (N,)."""
    there, also = (np.asarray(values.is_valid()) for values in (a, b))
    if pa.types.is_dictionary(a.type):
        if not a.dictionary.equals(b.dictionary):
            return np.ones(len(a), bool)
        a, b = a.indices, b.indices
    if pa.types.is_floating(a.type):
        bits, others = (
            v.cast(pa.float64()).to_numpy(zero_copy_only=False).view(np.int64) for v in (a, b)
        )
        unlike = bits != others
    else:
        unlike = np.asarray(pc.fill_null(pc.not_equal(a, b), False))
    differ: np.ndarray = (there != also) | (there & unlike)
    return differ
