"""Texts that something is asked for by, as words with numbers: 0 for no more words, 1 for one that
is too rare."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import torch
from torch import Tensor

from ..runtime.errors import InputError, flag
from .space import Tokens

MOST = 8192  # words that have a number of their own
LONGEST = 32  # words of a text that are kept
END, RARE = 0, 1


def caption_words(text: str) -> list[str]:
    """The words of a text, in lower case: letters, digits and apostrophes of any script."""
    return re.findall(r"[\w'’]+", text.lower())


def vocabulary(texts: Iterable[str]) -> tuple[tuple[str, ...], int]:
    """The words of texts, the most frequent first, and how many are kept of each."""
    counted, longest = Counter[str](), 0
    for text in texts:
        words = caption_words(text)
        counted.update(words)
        longest = max(longest, len(words))
    return tuple(word for word, _ in counted.most_common(MOST)), min(longest, LONGEST)


def encode_caption(texts: Sequence[str], words: Sequence[str], length: int) -> Tensor:
    """Texts as numbers of words, int64 (N, length)."""
    own = {word: number for number, word in enumerate(words, RARE + 1)}
    rows = torch.zeros(len(texts), length, dtype=torch.int64)
    for row, text in zip(rows, texts, strict=True):
        known = [own.get(word, RARE) for word in caption_words(text)[:length]]
        row[: len(known)] = torch.tensor(known)
    return rows


def encode_prompt(text: str, words: Sequence[str], length: int) -> Tensor:
    """What a text asks for, int64 (length,). Raises InputError for words that no text had in
    training."""
    asked = caption_words(text)
    if not asked:
        raise InputError(
            f"{flag('prompt', text)} has no words; write what to show, such as {words[0]!r}"
        )
    for word in asked:
        if word not in words:
            near = get_close_matches(word, words, 3) or words[:3]
            raise InputError(
                f"no caption had the word {word!r}; some of the {len(words):,} that were there: "
                f"{', '.join(near)}"
            )
    if len(asked) > length:
        raise InputError(
            f"{flag('prompt')} has {len(asked)} words, and the longest caption had {length}; write"
            " a shorter one"
        )
    return encode_caption([text], words, length)[0]


def caption_space(words: Sequence[str], length: int) -> Tokens:
    """The space of such texts."""
    return Tokens(length, len(words) + RARE + 1)
