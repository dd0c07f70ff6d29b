"""How large a stream of Arrow is when it is unpacked, by what it says of each buffer beforehand.

See "Encapsulated message format" and "Record batch messages" in Arrow's columnar format: a message
is a FlatBuffer, and a buffer that is compressed begins with its size.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import error as StructError
from struct import unpack_from

import pyarrow as pa

DICTIONARY, BATCH = 2, 3  # types of messages that have a body


def arrow_size(content: bytes) -> int:
    """Bytes that the buffers of a stream come to. Raises pyarrow.ArrowException where it is
    none."""
    size = 0
    reader = pa.ipc.MessageReader.open_stream(content)
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            return size
        try:
            size += sum(_buffer_sizes(message.metadata.to_pybytes(), message.body))
        except (StructError, IndexError) as error:
            raise pa.ArrowInvalid("a message of it is cut short") from error


def _buffer_sizes(about: bytes, body: pa.Buffer | None) -> Iterator[int]:
    """Of every buffer of a message."""
    message = _follow(about, 0)
    kind = about[place] if (place := _field(about, message, 1)) else 0
    if body is None or kind not in (DICTIONARY, BATCH):
        return
    batch = _follow(about, _field(about, message, 2))
    if kind == DICTIONARY:
        batch = _follow(about, _field(about, batch, 1))
    if not (place := _field(about, batch, 2)):
        return
    vector, packed = _follow(about, place), _field(about, batch, 3)
    for i in range(unpack_from("<I", about, vector)[0]):
        start, length = unpack_from("<qq", about, vector + 4 + 16 * i)
        whole = unpack_from("<q", body, start)[0] if packed and length else -1
        yield max(length if whole < 0 else whole, 0)  # -1: left as it is


def _follow(content: bytes, place: int) -> int:
    """Where the offset at a place leads."""
    offset: int = unpack_from("<I", content, place)[0]
    return place + offset


def _field(content: bytes, table: int, number: int) -> int:
    """Where a field of a table lies; 0 where it has none."""
    fields = table - unpack_from("<i", content, table)[0]
    if 4 + 2 * number >= unpack_from("<H", content, fields)[0]:
        return 0
    offset: int = unpack_from("<H", content, fields + 4 + 2 * number)[0]
    return table + offset if offset else 0
