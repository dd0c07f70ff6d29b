"""Examples in few bytes, and their file: magic, version, header, content, checksum. Nothing in it
is ever executed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar

from ..core import Input, InputError, Modality
from ..core.result import Result, Tell, tell_nothing
from ..runtime.files import write_atomically
from ._tables import file_in

MAGIC, VERSION, CHECK = b"\x89GANVAS\n", 1, 16
HEADER = {"version": int, "examples": int, "packed": int, "digest": str, "fingerprint": str}
"""What is in every header, and what it is."""


@dataclass(frozen=True)
class Packed(Result, Input):
    """Examples in few bytes: the symbols of n of them as a model's probabilities pack them, and the
    rest.

    digest: Of the symbols, to know them by when they are unpacked.
    quality: How much was kept, from 0 to 100, or None where nothing was lost.
    """

    packed: bytes
    rest: bytes
    n: int
    digest: str
    fingerprint: str
    quality: int | None = None
    undone_by: ClassVar[str] = "decompress"
    refusal: ClassVar[str] = "{asker} is for what can be packed without loss, and these are {data}"

    def to_python(self, modality: Modality) -> bytes:
        """The content of its file."""
        return pack_bytes(self)

    def save(self, modality: Modality, out: Path, tell: Tell = tell_nothing) -> list[Path]:
        """One file."""
        file = file_in(out, "packed.ganvas")
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, pack_bytes(self))
        return [file]

    def figures(self) -> dict[str, Any]:
        size = len(pack_bytes(self))
        return {"examples": self.n, "bytes": size, "bits per example": 8 * size / self.n}

    def is_image(self, modality: Modality) -> bool:
        return False

    def content(self) -> bytes:
        return pack_bytes(self)

    def describe(self) -> str:
        return f"{self.n:,} examples in {len(pack_bytes(self)):,} bytes"


def pack_bytes(parcel: Packed) -> bytes:
    """What was packed as the content of a file."""
    about = {
        "version": VERSION,
        "examples": parcel.n,
        "digest": parcel.digest,
        "fingerprint": parcel.fingerprint,
        "quality": parcel.quality,
        "packed": len(parcel.packed),
    }
    header = json.dumps(about).encode()
    content = MAGIC + len(header).to_bytes(4, "little") + header + parcel.packed + parcel.rest
    return content + blake2b(content, digest_size=CHECK).digest()


def unpack_bytes(content: bytes, where: str, fingerprint: str) -> Packed:
    """The parcel in a file's content. Raises InputError for what is foreign, damaged, newer or
    another model's."""
    about, body = read_header(content, where)
    if blake2b(content[:-CHECK], digest_size=CHECK).digest() != content[-CHECK:]:
        raise InputError(f"{where} is damaged: its checksum does not fit; copy it again")
    if about["version"] > VERSION:
        raise InputError(f"{where} was written by a newer Ganvas; update this one")
    if about["fingerprint"] != fingerprint:
        raise InputError(
            f"{where} was compressed by another model; name the run that it was compressed with"
        )
    split = about["packed"]
    known = about["examples"], about["digest"], about["fingerprint"], about["quality"]
    return Packed(body[:split], body[split:], *known)


def read_header(content: bytes, where: str) -> tuple[dict[str, Any], bytes]:
    """The header of a file, and what comes after it but for the checksum. Raises InputError where
    it is none."""
    if not content.startswith(MAGIC):
        raise InputError(f"{where} is no file that `ganvas compress` wrote; give one")
    start = len(MAGIC) + 4
    size = int.from_bytes(content[start - 4 : start], "little")
    body = content[start + size : -CHECK]
    try:
        about = json.loads(content[start : start + size])
        whole = all(type(about[name]) is kind for name, kind in HEADER.items())
    except (ValueError, KeyError, TypeError, RecursionError):
        whole = False
    if not whole or about["examples"] < 0 or about["packed"] not in range(0, len(body) + 1, 4):
        raise InputError(f"{where} is damaged: its header says nothing that can be; copy it again")
    return about, body
