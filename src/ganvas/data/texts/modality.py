"""Texts: lines of a file, files of a folder, a column of a table, a whole book in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core import Data, InputError, Modality, Tokens
from ...core.modality import Items, Recommendation, folder_and_names, stack_items
from ...runtime.errors import flag
from .._drawing import save_gif
from ..images.sources import holds_texts
from ..tables.sources import is_prose
from .reading import TEXTS, Lines, TextSource, open_texts
from .sources import draw_attribution, draw_page, save_texts
from .tokenizers import END, Alphabet, Tokenizer, alphabet, learn

LONGEST, PIECE = (
    128,
    256,
)  # symbols of an example where nothing is said: of a text at most, and of a book
BUCKETS = 256  # of symbols, for vectors


@dataclass(frozen=True)
class Texts(Modality):
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
    opens: ClassVar[type[TextSource]] = TextSource
    recommended: ClassVar[tuple[Recommendation, ...]] = (
        Recommendation(
            "transformer", 10, "It writes best, goes on with texts and finds unusual ones."
        ),
    )
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
        texts = [text for _, text in open_texts(source, column, whole)]
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

    def describe(self, data: Data) -> str:
        assert isinstance(data, Lines)
        x = data.x.long()
        places, size = int(self.space.valid_places(x).sum()), int(self.space.size_in_bytes(x).sum())
        symbols = f"one of {len(self.alphabet.widths):,}" if self.learned else "a byte"
        return (
            f"{len(data):,} texts of {self.length} symbols at most, {places / len(data):.0f} on"
            f" average, each {symbols} ({size / places:.2f} bytes); in memory"
        )

    def to_python(self, items: Items, form: str | None = None) -> list[str]:
        x = stack_items(items).long()  # what shows examples may have made numbers of them
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
        return [draw_attribution(parts, own, self.to_python(nearest), names, folder / "found.html")]

    def thumbnails(self, x: Tensor, most: int) -> None:
        return None

    def frame(self, x: Tensor) -> None:
        return None

    def save(self, items: Items, target: Path, names: list[str] | None = None) -> list[Path]:
        """All into one file, a line each; of books, each into its own."""
        texts = self.to_python(items)
        if not self.whole:
            return [save_texts(texts, target if target.suffix else target / "texts.txt")]
        folder, names = folder_and_names(target, names)
        folder.mkdir(parents=True, exist_ok=True)
        names = names or [f"{i:04d}" for i in range(len(texts))]
        files = [folder / f"{Path(name).stem}.txt" for name in names]
        for text, file in zip(texts, files, strict=True):
            file.write_text(text, "utf-8")
        return files

    def sheet(self, x: Tensor, target: Path, columns: int | None = None) -> Path:
        return save_texts(self.to_python(x), target, columns)

    def animate(self, frames: list[Tensor], target: Path, seconds: float = 0.1) -> Path:
        return save_gif(
            [draw_page(self.to_python(x), len(x)) for x in frames], target, max(seconds, 1.0)
        )

    def film(self, sheets: list[Path], target: Path) -> Path:
        from PIL import Image

        return save_gif([Image.open(sheet) for sheet in sheets], target, 0.5)
