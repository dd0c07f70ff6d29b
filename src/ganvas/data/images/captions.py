"""What images are said to show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from ...core import InputError
from ...core.captions import caption_words
from ...runtime.errors import flag
from .sources import Arrays, Encoded

Captions = Literal["auto", "names", "none"]


def caption_of(found: Encoded | Arrays, how: Captions) -> list[str] | None:
    """What each image is said to show, where that is wanted: by itself, where there are captions
    and no labels.

    None where nothing is said of any; nothing may be said of some.
    """
    if how == "none" or isinstance(found, Arrays):
        return None
    own = [_of_name(name) for name in found.names] if how == "names" else found.captions
    return (
        own
        if own and any(map(caption_words, own)) and (how == "names" or found.labels is None)
        else None
    )


def captions_of(found: Encoded | Arrays, how: Captions, where: str) -> list[str]:
    """The same, to learn from; empty where nothing is said. Raises InputError where an image lacks
    a caption."""
    if how == "names" and isinstance(found, Arrays):
        raise InputError(
            f"{where} is an array, which has no names; leave out {flag('captions', 'names')}"
        )
    texts = caption_of(found, how)
    if texts is None and how == "names":
        raise InputError(
            f"no image of {where} has a name with a word; leave out {flag('captions', 'names')}"
        )
    if texts is None:
        return []
    if empty := [
        name for name, text in zip(found.names, texts, strict=True) if not caption_words(text)
    ]:
        raise InputError(
            f"{len(empty)} of {len(texts)} images have a caption without a word, the first is"
            f" {empty[0]}; write what they show, or leave captions out with"
            f" {flag('captions', 'none')}"
        )
    return texts


def _of_name(name: str) -> str:
    """A file's name as a caption: without folders, ending and the number that tells apart files of
    one name."""
    return re.sub(r"[\s_-]*\(?\d+\)?$", "", Path(name).stem).replace("_", " ").replace("-", " ")
