"""The King James Version (1611, public domain) as text, from the Debian packages bible-kjv and
bible-kjv-text.

Verses without their numbers, a line each, an empty line between chapters. Every tenth chapter is
for testing, the one five before it for choosing settings, all others are for training.
"""

from __future__ import annotations

import re
import subprocess
from itertools import groupby
from pathlib import Path

PACKAGES = ("bible-kjv", "bible-kjv-text")
ALL = "Gen1:1-Rev22:21"


def kjv(cache: Path) -> dict[str, str]:
    """The parts train, choose and test; kept in a folder."""
    files = {name: cache / f"{name}.txt" for name in ("train", "choose", "test")}
    if not all(file.exists() for file in files.values()):
        cache.mkdir(parents=True, exist_ok=True)
        for name, text in _parts(_verses(cache)).items():
            files[name].write_text(text, "utf-8")
    return {name: file.read_text("utf-8") for name, file in files.items()}


def _verses(cache: Path) -> list[tuple[str, str]]:
    """(book and chapter, words) of every verse."""
    for package in PACKAGES:
        subprocess.run(["apt-get", "download", package], cwd=cache, check=True)
    for file in cache.glob("*.deb"):
        subprocess.run(["dpkg", "-x", file, cache / "root"], check=True)
    root = cache / "root" / "usr"
    done = subprocess.run(
        [root / "bin" / "bible", "-p", root / "lib", "-l10000", "-f", ALL],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found = (re.fullmatch(r"(\w+?\d+):\d+ (.+)", line) for line in done.stdout.splitlines())
    return [(verse[1], verse[2]) for verse in found if verse]


def _parts(verses: list[tuple[str, str]]) -> dict[str, str]:
    chapters = [
        "".join(f"{words}\n" for _, words in group)
        for _, group in groupby(verses, lambda verse: verse[0])
    ]
    part = {5: "choose", 0: "test"}
    parts = dict[str, list[str]](train=[], choose=[], test=[])
    for number, chapter in enumerate(chapters, 1):
        parts[part.get(number % 10, "train")].append(chapter)
    return {name: "\n".join(own) for name, own in parts.items()}
