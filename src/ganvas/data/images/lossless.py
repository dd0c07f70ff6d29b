"""Images to the last bit: their names, and those that no codes can give."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from PIL import Image

from ...core import InputError
from ..tables.lossless import packed_tables, unpacked_tables


@dataclass(frozen=True)
class Album:
    """What is kept of images beside their pixels.

    form: What they came as: images, or an array or a tensor of this shape.
    names: Of all images, in order; none of an array's.
    odd: By their number, the files of those that are not the model's kind.
    """

    form: str
    shape: tuple[int, ...] = ()
    names: Sequence[str] = ()
    odd: Mapping[int, bytes] = field(default_factory=dict)

    def pack(self) -> bytes:
        about = json.dumps({"form": self.form, "shape": self.shape}).encode()
        tables = {"names": pa.table({"names": ["\0".join(self.names)]})} if self.names else {}
        if self.odd:
            tables["odd"] = pa.table({"number": list(self.odd), "file": [*self.odd.values()]})
        return packed_tables(tables, about)

    @classmethod
    def unpack(cls, content: bytes) -> Album:
        tables, more = unpacked_tables(content)
        about = json.loads(more)
        names = tables["names"]["names"][0].as_py().split("\0") if "names" in tables else []
        odd = dict(zip(*tables["odd"].to_pydict().values(), strict=True)) if "odd" in tables else {}
        return cls(about["form"], tuple(about["shape"]), names, odd)


HELD_BY_PNG = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
"""Modes of images, as Pillow calls them, that a PNG file can hold."""


def refuse_unheld_modes(photos: Iterable[Image.Image]) -> None:
    """Raises InputError for an image whose mode no PNG file holds."""
    if modes := {photo.mode for photo in photos} - set(HELD_BY_PNG):
        raise InputError(
            f"an image has the mode {min(modes)}, which no PNG file holds; convert it first"
        )


def files_inside(folder: Path, names: Iterable[str]) -> list[Path]:
    """Files of these names. Raises InputError for one that would lie elsewhere: parcels may come
    from anywhere."""
    files, home = [folder / name for name in names], folder.resolve()
    for file in files:
        if not file.resolve().is_relative_to(home):
            raise InputError(
                f"what was given wants to write {file}, outside of {folder}; do not trust it"
            )
    return files
