"""Texts: lines of a file, files of a folder, a column of a table, a whole book in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ...core import Batch, Data, Followable, InputError, Mask, Maskable, Masked, Modality, Tokens
from ...runtime.errors import flag
from .._drawing import save_gif
from .._growing_files import read_growing
from ..images.sources import holds_texts
from ..tables.sources import is_prose, open_frame
from .sources import draw_attribution, draw_page, one_line, save_texts
from .tokenizers import END, Alphabet, Tokenizer, alphabet, learn

LONGEST, PIECE = (
    128,
    256,
)  # symbols of an example where nothing is said: of a text at most, and of a book
TITLE = 60  # letters of a text that name it
BUCKETS = 256  # of symbols, for vectors
TEXTS = (".txt", ".log")


@dataclass(frozen=True)
class Texts(Modality, Maskable, Followable):
    """Texts in symbols of an alphabet, the shorter ones with an end; longer ones are cut into
    pieces.

    length: Symbols of an example.
    learned: What the alphabet knows, as JSON; nothing for bytes.
    whole: Whether files are books, whose lines belong together.
    column: The column of a table that holds the texts.
    """

    length: int
    learned: str = ""
    whole: bool = False
    column: str | None = None

    condition: ClassVar[None] = None
    classes: ClassVar[tuple[str, ...]] = ()
    features: ClassVar[str] = "plain"
    typical = ((Tokens(32, 257, end=256), None),)
    endings: ClassVar[frozenset[str]] = frozenset(
        {*TEXTS, ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"}
    )

    @cached_property
    def alphabet(self) -> Alphabet:
        """How texts are written in symbols."""
        return alphabet(self.learned)

    @cached_property
    def space(self) -> Tokens:
        widths = self.alphabet.widths
        return Tokens(self.length, len(widths), end=END, bytes=widths)

    @classmethod
    def recognises(cls, source: Any) -> bool:
        if isinstance(source, str | Path):
            path = Path(source)
            return holds_texts(path) if path.is_dir() else path.is_file() and is_prose(path)
        return (
            isinstance(source, list)
            and bool(source)
            and all(isinstance(text, str) for text in source)
        )

    @classmethod
    def learn(
        cls,
        source: Any,
        *,
        column: str | None = None,
        whole: bool = False,
        tokenizer: Tokenizer = "bpe",
        vocabulary: int | None = None,
        length: int | None = None,
    ) -> Texts:
        """Looks at every text and learns an alphabet for them.

        column: Of a table, the column that holds the texts.
        whole: Take a file for one text, such as a book, and not for one a line.
        tokenizer: What symbols are: parts of words that are learned (bpe), or bytes.
        vocabulary: Parts of words, bytes among them; by default as many as there is text for, 512
            to 8192.
        length: Symbols of an example; by default those of the longest text, at most 128; of a book,
            256.
        """
        texts = [text for _, text in _opened(source, column, whole)]
        known = learn(texts, tokenizer, vocabulary)
        if length is not None and length < 2:
            raise InputError(f"{flag('length')} is {length}; an example has at least two symbols")
        longest = max(map(len, alphabet(known).encode(texts))) + 1
        most = (
            PIECE
            if whole or (isinstance(source, str | Path) and Path(source).is_dir())
            else LONGEST
        )
        return cls(length or max(min(longest, most), 2), known, whole, column)

    def read(self, source: Any, device: str | torch.device = "cpu") -> Lines:
        found = _opened(source, self.column, self.whole)
        return self._written(
            [name for name, _ in found], [text for _, text in found], torch.device(device)
        )

    def read_any(
        self, source: Any, device: str | torch.device = "cpu"
    ) -> Iterator[tuple[Lines, Tensor]]:
        yield self.read(source, device), torch.zeros(())

    def follow(self, file: Path, wait: Callable[[float], bool]) -> Iterator[tuple[Lines, Tensor]]:
        if self.whole or self.column or file.suffix.lower() not in TEXTS:
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
                names = [_title(f"line {i}", text) for i, text in texts]
                yield (
                    self._written(names, [text for _, text in texts], torch.device("cpu")),
                    torch.zeros(()),
                )

    def _written(self, names: list[str], texts: list[str], device: torch.device) -> Lines:
        """Texts as examples: each in as many pieces as it takes, of which a whole number leaves no
        room for an end."""
        codes = self.alphabet.encode(texts)
        pieces = [max(-(-len(own) // self.length), 1) for own in codes]
        x = np.full((sum(pieces), self.length), END, np.int32)
        row, called = 0, list[str]()
        for name, own, count in zip(names, codes, pieces, strict=True):
            x[row : row + count].reshape(-1)[: len(own)] = own
            called += [name] if count == 1 else [f"{name} (piece {i + 1})" for i in range(count)]
            row += count
        return Lines(torch.from_numpy(x).to(device), called)

    def masked(self, source: Any) -> Masked:
        """Beginnings: what comes after the last symbol of a text is missing."""
        found = self.read(source)
        x = found.gather().x
        known = self.space.valid_places(x) & (x != END)
        return Masked([*x], [*known], found.names, [(self.length,)] * len(x))

    def mask(self, source: Any) -> Mask:
        raise InputError(
            f"{flag('mask')} is for images; of a text say how many symbols are {flag('given')}, or"
            " give its beginning"
        )

    def describe(self, data: Data) -> str:
        assert isinstance(data, Lines)
        x = data.x.long()
        places, size = int(self.space.valid_places(x).sum()), int(self.space.size_in_bytes(x).sum())
        symbols = f"one of {len(self.alphabet.widths):,}" if self.learned else "a byte"
        return (
            f"{len(data):,} texts of {self.length} symbols at most, {places / len(data):.0f} on"
            f" average, each {symbols} ({size / places:.2f} bytes); in memory"
        )

    def present(self, x: Tensor) -> list[str]:
        x = x.long()  # what shows examples may have made numbers of them
        ends = self.space.valid_places(x).sum(1).tolist()
        return [self._text(row[:count]) for row, count in zip(x.tolist(), ends, strict=True)]

    def _text(self, symbols: Sequence[int]) -> str:
        own = symbols[:-1] if symbols and symbols[-1] == END else symbols
        return self.alphabet.decode(own).decode("utf-8", "replace")

    def vectors(self, x: Tensor) -> Tensor:
        """How frequent each of 256 kinds of symbols is, as square roots: distances are then those
        of Hellinger."""
        x = x.long()
        counted = self.space.valid_places(x)
        counts = torch.zeros(len(x), BUCKETS, device=x.device).scatter_add_(
            1, x % BUCKETS, counted.float()
        )
        return (counts / counts.sum(1, keepdim=True)).sqrt()

    def reasons(self, attribution: Tensor) -> dict[str, Tensor]:
        return {}

    def point_out(
        self, x: Tensor, attribution: Tensor, nearest: Tensor, names: list[str], folder: Path
    ) -> list[Path]:
        """One page of all, the symbols that are more anomalous than usual in red."""
        ends = self.space.valid_places(x).sum(1).tolist()
        rows = [row[:count] for row, count in zip(x.tolist(), ends, strict=True)]
        parts = [["⏎" if symbol == END else self._text([symbol]) for symbol in row] for row in rows]
        own = [one[:count].numpy() for one, count in zip(attribution, ends, strict=True)]
        return [draw_attribution(parts, own, self.present(nearest), names, folder / "found.html")]

    def thumbnails(self, x: Tensor, most: int) -> None:
        return None

    def frame(self, x: Tensor) -> None:
        return None

    def write(self, x: Tensor, target: Path, names: list[str] | None = None) -> list[Path]:
        """All into one file, a line each; of books, each into its own."""
        texts = self.present(x)
        if not self.whole:
            return [save_texts(texts, target / "texts.txt")]
        target.mkdir(parents=True, exist_ok=True)
        files = [
            target / f"{Path(n).stem}.txt" for n in names or [f"{i:04d}" for i in range(len(texts))]
        ]
        for text, file in zip(texts, files, strict=True):
            file.write_text(text, "utf-8")
        return files

    def sheet(self, x: Tensor, target: Path, columns: int | None = None) -> Path:
        return save_texts(self.present(x), target, columns)

    def animate(self, frames: list[Tensor], target: Path, seconds: float = 0.1) -> Path:
        return save_gif(
            [draw_page(self.present(x), len(x)) for x in frames], target, max(seconds, 1.0)
        )

    def film(self, sheets: list[Path], target: Path) -> Path:
        from PIL import Image

        return save_gif([Image.open(sheet) for sheet in sheets], target, 0.5)


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


def _opened(source: Any, column: str | None, whole: bool) -> list[tuple[str, str]]:
    """(name, text) of every text of a source. Raises InputError where there is none."""
    if isinstance(source, list | tuple) and all(isinstance(text, str) for text in source):
        found = [(_title(f"text {i}", text), text) for i, text in enumerate(source)]
    elif isinstance(source, str | Path) and (
        Path(source).is_dir() or Path(source).suffix.lower() in TEXTS
    ):
        found = _of_files(Path(source), whole)
    else:
        found = _of_column(source, column)
    if not found:
        raise InputError(
            f"{source if isinstance(source, str | Path) else 'the list'} has no text; give some"
        )
    return found


def _of_files(path: Path, whole: bool) -> list[tuple[str, str]]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in TEXTS)
        texts = [(file.relative_to(path).as_posix(), _read(file)) for file in files]
        return [(name, text) for name, text in texts if text.strip()]
    if whole:
        return [(path.name, text)] if (text := _read(path)).strip() else []
    lines = [line.removesuffix("\r") for line in _read(path).removeprefix("\ufeff").split("\n")]
    return [(_title(f"line {i}", line), line) for i, line in enumerate(lines, 1) if line.strip()]


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8")
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 (byte {error.start:,}); save it as that") from error


def _of_column(source: Any, column: str | None) -> list[tuple[str, str]]:
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
    return [(_title(f"row {i}", text), text) for i, text in enumerate(values) if text]


def _title(where: str, text: str) -> str:
    """Where a text comes from, and how it begins."""
    return f"{where}: {one_line(text[:TITLE])}{'…' if len(text) > TITLE else ''}"
