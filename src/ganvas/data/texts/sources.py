"""Texts as one looks at them: a file of lines, an image of them, a page with what is anomalous in
them marked."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from textwrap import wrap

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDE, HIGH, LETTERS, LINES = (
    960,
    18,
    120,
    2,
)  # of an image, a line of it, and what is shown of each text

STYLE = """body { font: 16px/1.6 system-ui, sans-serif; max-width: 60em; margin: 2em auto;
  padding: 0 1em;
  color-scheme: light dark } pre { white-space: pre-wrap; margin: .2em 0 }
  .soft { opacity: .6; font-size: .85em }"""


def one_line(text: str) -> str:
    """A text in which nothing breaks a line."""
    return text.replace("\\", "\\\\").replace("\r", "\\r").replace("\n", "\\n")


def draw_page(texts: Sequence[str], columns: int) -> Image.Image:
    """Texts below each other, a gap after every `columns` of them; always as large for as many."""
    gaps = (len(texts) - 1) // columns
    canvas = Image.new("L", (WIDE, HIGH * (LINES * len(texts) + gaps) + HIGH), "white")
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    for i, text in enumerate(texts):
        top = HIGH // 2 + HIGH * (LINES * i + i // columns)
        for line, words in enumerate(wrap(" ".join(text.split()), LETTERS)[:LINES]):
            pen.text((8, top + HIGH * line), words, "black", font)
    return canvas


def save_texts(texts: Sequence[str], target: Path, columns: int | None = None) -> Path:
    """Writes texts, a line each, as text or as a page, or draws them, as the ending asks."""
    target.parent.mkdir(parents=True, exist_ok=True)
    columns = columns or len(texts)
    groups = [texts[i : i + columns] for i in range(0, len(texts), columns)]
    if target.suffix == ".html":
        _page([f"<pre>{escape(text)}</pre>" for text in texts], target)
    elif target.suffix in (".txt", ".log"):
        parts = ["".join(f"{one_line(text)}\n" for text in group) for group in groups]
        target.write_text("\n".join(parts), "utf-8")
    else:
        draw_page(texts, columns).save(target)
    return target


def draw_attribution(
    parts: Sequence[Sequence[str]],
    attribution: Sequence[np.ndarray],
    nearest: Sequence[str],
    names: Sequence[str],
    file: Path,
) -> Path:
    """A page of texts in parts, each as red as it is to attribution, (parts,) nats; below each the
    nearest normal one."""
    body = []
    for i, (text, own, name) in enumerate(zip(parts, attribution, names, strict=True)):
        shares = np.clip(own / max(own.max(initial=0.0), 1e-9), 0, 1)
        words = "".join(
            f'<span style="background:rgba(220,60,60,{share:.2f})" title="{nats:.1f}'
            f' nats">{escape(part)}</span>'
            for part, share, nats in zip(text, shares, own, strict=True)
        )
        near = f"<pre class=soft>{escape(nearest[i])}</pre>" if nearest else ""
        body.append(f"<p class=soft>{escape(name)}</p><pre>{words}</pre>{near}")
    return _page(body, file)


def _page(body: Sequence[str], file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    head = (
        "<!doctype html><meta"
        f' charset="utf-8"><title>{escape(file.stem)}</title><style>{STYLE}</style>'
    )
    file.write_text(head + "".join(body), "utf-8")
    return file
