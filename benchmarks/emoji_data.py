"""Small images that have names: emoji, made when they are needed and never kept in the
repository.

Drawings are those of Noto Color Emoji (Debian's fonts-noto-color-emoji; SIL Open Font License 1.1),
names those of the Unicode CLDR in English (unicode-cldr-core; Unicode License), such as "woman
astronaut: medium-dark skin tone".

Every fifth name that has a skin tone is held out by its words: the drawing of that combination is
never learned from, though each of its words is.
"""

from __future__ import annotations

import subprocess
import zlib
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from _common import PEERS
from PIL import Image, ImageDraw, ImageFont

PACKAGES = ("fonts-noto-color-emoji", "unicode-cldr-core")
SIDE, DRAWN = 64, 109  # pixels of images; of the bitmaps in the font
CANVAS = 160
TONE = "skin tone"


def emoji() -> tuple[Path, Path]:
    """A folder of images to learn from and one of those held out, PNG files named by what they
    show."""
    folder = PEERS / "emoji"
    learn, held = folder / "learn", folder / "held-out"
    if not (folder / ".ready").exists():
        for place in (learn, held):
            place.mkdir(parents=True, exist_ok=True)
        images = _drawn(_unpacked())
        out = _held_out(list(images))
        for name, image in images.items():
            image.save((held if name in out else learn) / f"{name.replace('/', ' ')}.png")
        (folder / ".ready").touch()
    return learn, held


def words(name: str) -> list[str]:
    """A name as words: "man: red hair" as man, red, hair."""
    return name.replace(":", " ").replace(",", " ").split()


def _held_out(names: list[str]) -> set[str]:
    """A fifth of the names with one skin tone, as far as each of their words is left in another
    name."""
    left = Counter(word for name in names for word in words(name))
    out = set()
    for name in sorted(names, key=lambda name: zlib.crc32(name.encode())):
        if name.count(TONE) != 1 or ":" not in name or zlib.crc32(name.encode()) % 5:
            continue
        if all(left[word] > 3 for word in words(name)):
            out.add(name)
            left.subtract(words(name))
    return out


def _drawn(unpacked: Path) -> dict[str, Image.Image]:
    """Images by name, on white; of drawings that are the same, the first."""
    font = ImageFont.truetype(
        next(unpacked.rglob("NotoColorEmoji.ttf")), DRAWN, layout_engine=ImageFont.Layout.RAQM
    )
    nothing = _image(font, "\U0010ffff").tobytes()
    found, seen = dict[str, Image.Image](), {nothing}
    for symbol, name in _names(unpacked).items():
        image = _image(font, symbol)
        if image.tobytes() not in seen and np.asarray(image).std() > 1:
            seen.add(image.tobytes())
            found[name] = image
    return found


def _image(font: ImageFont.FreeTypeFont, symbol: str) -> Image.Image:
    canvas = Image.new("RGB", (CANVAS, CANVAS), "white")
    ImageDraw.Draw(canvas).text(
        (CANVAS / 2, CANVAS / 2), symbol, font=font, embedded_color=True, anchor="mm"
    )
    edge = (CANVAS - 136) // 2
    return canvas.crop((edge, edge, CANVAS - edge, CANVAS - edge)).resize(
        (SIDE, SIDE), Image.Resampling.LANCZOS
    )


def _names(unpacked: Path) -> dict[str, str]:
    """What symbols are called."""
    files = [
        next(unpacked.rglob(f"{place}/en.xml")) for place in ("annotations", "annotationsDerived")
    ]
    notes = [note for file in files for note in ElementTree.parse(file).iter("annotation")]
    return {note.get("cp", ""): note.text or "" for note in notes if note.get("type") == "tts"}


def _unpacked() -> Path:
    """What the packages hold: `apt-get update` first, where nothing is known of them."""
    folder = PEERS / "emoji-packages"
    if not (folder / ".ready").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-qq", *PACKAGES], cwd=folder, check=True)
        for file in folder.glob("*.deb"):
            subprocess.run(["dpkg", "-x", file, folder], check=True)
        (folder / ".ready").touch()
    return folder
