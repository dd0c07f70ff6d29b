"""What things are called as files inside a folder: as they are named, but never outside of it, and
each differently."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

RESERVED = re.compile(r'[<>:"|?*\x00-\x1f]+')  # what some system lets no file be called


def folder_names(names: Sequence[str]) -> list[str]:
    """One folder for each name: what separates folders becomes a dash."""
    return _apart([(_below(re.sub(r"[/\\]+", "-", name)), "") for name in names])


def image_names(names: Sequence[str], as_they_are: Collection[int] = ()) -> list[str]:
    """One PNG file for each name, in folders as they were: `a.jpg` is `a.jpg.png`, whatever else
    there is.

    as_they_are: Numbers of those that keep their own ending, for they stay what they are.
    """
    found = list[tuple[str, str]]()
    for number, name in enumerate(map(_below, names)):
        ending = PurePosixPath(name).suffix
        own = number in as_they_are or ending.lower() == ".png"
        found.append((name.removesuffix(ending), ending) if own else (name, ".png"))
    return _apart(found)


def _below(name: str) -> str:
    """A name as a path below a folder: one that is absolute or climbs out keeps nothing but its
    last part."""
    path = PurePosixPath(name.replace("\\", "/"))
    parts = path.parts[-1:] if path.is_absolute() or ".." in path.parts else path.parts
    plain = [RESERVED.sub("-", part).rstrip(" .") for part in parts]
    return "/".join(part for part in plain if part.strip("/")) or "unnamed"


def _apart(names: Sequence[tuple[str, str]]) -> list[str]:
    """Stems with their endings; a number stands between where a system that writes small and
    capital letters alike would take two for the same."""
    taken, chosen = {(stem + ending).casefold() for stem, ending in names}, dict[str, str]()
    for stem, ending in names:
        new, number = stem + ending, 1
        while new.casefold() in chosen or (number > 1 and new.casefold() in taken):
            number += 1
            new = f"{stem}-{number}{ending}"
        chosen[new.casefold()] = new
    return [*chosen.values()]
