"""Texts as a model takes them: in symbols, whole, or beginnings to go on with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ...core import Batch, Data, InputError, Mask, Masked, Part, Source
from ...runtime.errors import flag
from .._growing_files import read_growing
from ..tables.sources import open_frame
from .sources import one_line
from .tokenizers import END

if TYPE_CHECKING:
    from .modality import Texts

TITLE = 60  # letters of a text that name it
TEXTS = (".txt", ".log")


class TextSource(Source):
    """Files, a column of a table, or a list of texts."""

    modality: Texts

    @property
    def views(self) -> Mapping[Any, Callable[[], Any]]:
        return {**super().views, Masked: self.masked, Mask: self.mask}

    def examples(self) -> Lines:
        found = open_texts(self.given, self.modality.column, self.modality.whole)
        return self._encode([name for name, _ in found], [text for _, text in found])

    def follow(self, wait: Callable[[float], bool]) -> Iterator[Part]:
        file = Path(self.given)
        if self.modality.whole or self.modality.column or file.suffix.lower() not in TEXTS:
            raise InputError(
                f"{file} cannot be followed: what grows is .txt or .log, with a text on each line"
            )
        number = 0
        for _, lines in read_growing(file, wait):
            texts = [
                (number + i, line.decode("utf-8", "replace"))
                for i, line in enumerate(lines, 1)
                if line.strip()
            ]
            number += len(lines)
            if texts:
                names = [title_text(f"line {i}", text) for i, text in texts]
                yield self._encode(names, [text for _, text in texts]), torch.zeros(())

    def _encode(self, names: list[str], texts: list[str]) -> Lines:
        """Texts as examples: each in as many pieces as it takes, of which a whole number leaves no
        room for an end."""
        codes = self.modality.alphabet.encode(texts)
        pieces = [max(-(-len(own) // self.modality.length), 1) for own in codes]
        x = np.full((sum(pieces), self.modality.length), END, np.int32)
        row, called = 0, list[str]()
        for name, own, count in zip(names, codes, pieces, strict=True):
            x[row : row + count].reshape(-1)[: len(own)] = own
            called += [name] if count == 1 else [f"{name} (piece {i + 1})" for i in range(count)]
            row += count
        return Lines(torch.from_numpy(x).to(self.device), called)

    def masked(self) -> Masked:
        """Beginnings: what comes after the last symbol of a text is missing."""
        found = self.examples()
        x = found.gather().x
        known = self.modality.space.valid_places(x) & (x != END)
        sizes = [(self.modality.length,)] * len(x)
        return Masked([*x], [*known], found.names, sizes).to(self.device)

    def mask(self) -> Mask:
        raise InputError(
            f"{flag('mask')} is for images; of a text say how many symbols are {flag('given')}, or"
            " give its beginning"
        )


class Lines(Data):
    """Texts as symbols, int32 (N, length)."""

    def __init__(self, x: Tensor, names: list[str]) -> None:
        self.x, self.names = x, names

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, rows: Tensor, step: int | None = None) -> Batch:
        return Batch(self.x[rows.to(self.x.device)].long())

    def keys(self) -> Tensor:
        hashes = (blake2b(row.tobytes(), digest_size=8).digest() for row in self.x.cpu().numpy())
        return torch.from_numpy(np.frombuffer(b"".join(hashes), np.int64).copy())

    def subset(self, rows: Tensor) -> Lines:
        return Lines(self.x[rows.to(self.x.device)], [self.names[i] for i in rows.tolist()])


def open_texts(source: Any, column: str | None, whole: bool) -> list[tuple[str, str]]:
    """(name, text) of every text of a source. Raises InputError where there is none."""
    if isinstance(source, list | tuple) and all(isinstance(text, str) for text in source):
        found = [(title_text(f"text {i}", text), text) for i, text in enumerate(source)]
    elif isinstance(source, str | Path) and (
        Path(source).is_dir() or Path(source).suffix.lower() in TEXTS
    ):
        found = _read_files(Path(source), whole)
    else:
        found = _read_column(source, column)
    if not found:
        raise InputError(
            f"{source if isinstance(source, str | Path) else 'the list'} has no text; give some"
        )
    return found


def _read_files(path: Path, whole: bool) -> list[tuple[str, str]]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in TEXTS)
        texts = [(file.relative_to(path).as_posix(), _read_text(file)) for file in files]
        return [(name, text) for name, text in texts if text.strip()]
    if whole:
        return [(path.name, text)] if (text := _read_text(path)).strip() else []
    lines = [
        line.removesuffix("\r") for line in _read_text(path).removeprefix("\ufeff").split("\n")
    ]
    return [
        (title_text(f"line {i}", line), line) for i, line in enumerate(lines, 1) if line.strip()
    ]


def _read_text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8")
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 (byte {error.start:,}); save it as that") from error


def _read_column(source: Any, column: str | None) -> list[tuple[str, str]]:
    frame = open_frame(source)
    names = [
        field.name
        for field in frame.schema
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    ]
    listed = f"those of text are {', '.join(names) or 'none'}"
    if column is None:
        raise InputError(
            f"{frame.where} has columns; say which holds the texts with {flag('column')}: {listed}"
        )
    if column not in names:
        raise InputError(f"{frame.where} has no column of text called {column!r}; {listed}")
    values = [value for batch in frame.batches() for value in batch.column(column).to_pylist()]
    return [(title_text(f"row {i}", text), text) for i, text in enumerate(values) if text]


def title_text(where: str, text: str) -> str:
    """Where a text comes from, and how it begins."""
    return f"{where}: {one_line(text[:TITLE])}{'…' if len(text) > TITLE else ''}"
