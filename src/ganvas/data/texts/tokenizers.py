"""How texts become symbols and come back, to the last letter: bytes, or parts of words that were
learned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from ...core import InputError
from ...runtime.errors import flag

Tokenizer = Literal["bpe", "bytes"]

FEWEST, MOST = 512, 8192  # parts of words that are learned, where nothing else is said
LEARNED_FROM = 400  # bytes of text for each

END = 0
"""The symbol after the last of a text; all others are numbered from 1."""


class Alphabet(ABC):
    """Symbols that any text can be written in."""

    @property
    @abstractmethod
    def widths(self) -> tuple[int, ...]:
        """How many bytes each symbol stands for; the end for one, that of the line."""

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The symbols of texts, without their ends."""

    @abstractmethod
    def decode(self, symbols: Sequence[int]) -> bytes:
        """What symbols, none of them an end, stand for, in UTF-8."""


class Bytes(Alphabet):
    """Bytes of UTF-8."""

    @property
    def widths(self) -> tuple[int, ...]:
        return (1,) * 257

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [[byte + 1 for byte in text.encode()] for text in texts]

    def decode(self, symbols: Sequence[int]) -> bytes:
        return bytes(symbol - 1 for symbol in symbols)


class Parts(Alphabet):
    """Parts of words, found by merging the bytes that come together most often (byte-pair encoding,
    Sennrich et al., 2016; of bytes, Radford et al., 2019)."""

    def __init__(self, learned: str) -> None:
        self.merges = _tokenizers().Tokenizer.from_str(learned)
        letters = _letters()
        names = [self.merges.id_to_token(i) for i in range(self.merges.get_vocab_size())]
        self.parts = [bytes(letters[letter] for letter in name) for name in names]

    @classmethod
    def learned(cls, texts: Iterable[str], vocabulary: int) -> str:
        """What there is to know of at most so many parts, as JSON."""
        library = _tokenizers()
        merges = library.Tokenizer(library.models.BPE())
        merges.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = library.trainers.BpeTrainer(
            vocab_size=vocabulary - 1,
            initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        merges.train_from_iterator(texts, trainer)
        learned: str = merges.to_str()
        return learned

    @property
    def widths(self) -> tuple[int, ...]:
        return (1, *map(len, self.parts))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        encoded = self.merges.encode_batch_fast(list(texts), add_special_tokens=False)
        return [[symbol + 1 for symbol in one.ids] for one in encoded]

    def decode(self, symbols: Sequence[int]) -> bytes:
        return b"".join(self.parts[symbol - 1] for symbol in symbols)


def alphabet(learned: str) -> Alphabet:
    """The alphabet that a modality learned, of its JSON; of bytes, where that is empty."""
    return Parts(learned) if learned else Bytes()


def learn(texts: Sequence[str], kind: Tokenizer, vocabulary: int | None) -> str:
    """What an alphabet for these texts knows. Raises InputError for a vocabulary that is too
    small."""
    if kind == "bytes":
        if vocabulary is not None:
            raise InputError(
                f"{flag('vocabulary')} is for {flag('tokenizer', 'bpe')}; bytes are always 256,"
                " and an end"
            )
        return ""
    if vocabulary is not None and vocabulary < 257:
        raise InputError(
            f"{flag('vocabulary')} is {vocabulary}; it must hold 256 bytes and an end, so at least"
            " 257"
        )
    size = sum(len(text.encode()) for text in texts)
    return Parts.learned(texts, vocabulary or min(max(size // LEARNED_FROM, FEWEST), MOST))


def _letters() -> dict[str, int]:
    """The byte that each letter stands for in how byte-level encodings write theirs: letters that
    can be seen stand for themselves, the others for those from 256 on."""
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(256 + i): byte for i, byte in enumerate(rest)}


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise InputError(
            f"parts of words need `pip install 'ganvas[text]'`; or say {flag('tokenizer', 'bytes')}"
        ) from error
    return tokenizers
