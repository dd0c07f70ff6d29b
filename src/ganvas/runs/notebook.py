"""Runs and images as notebooks show them: HTML in one piece, nothing fetched."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from io import BytesIO
from typing import Any

from PIL import Image

from .run import Run

MOST = 100  # images of a sheet
LEAST = 56  # pixels on the screen of an image's side


class Images(list[Image.Image]):
    """A list of images that a notebook shows as a sheet."""

    def _repr_html_(self) -> str:
        shown = "".join(_image(image) for image in self[:MOST])
        more = f"<p>… and {len(self) - MOST:,} more</p>" if len(self) > MOST else ""
        return f'<div style="display:flex;flex-wrap:wrap;gap:3px">{shown}</div>{more}'


def for_notebook(answer: Any) -> Any:
    """What a person in Python gets, the same but for images, which show themselves."""
    images = isinstance(answer, list) and answer and all(isinstance(one, Image.Image) for one in answer)
    return Images(answer) if images else answer


def run_html(run: Run, tasks: Sequence[str]) -> str:
    """A run on a card: what it is, how far it came, how it is, what it can do, and what it made
    last."""
    known, state = run.config, run.state
    open_ = "" if state["finished"] else ", not finished"
    rows = {
        "run": str(run.path),
        "learned from": known["source"] or "data in memory",
        "trained": f"{state['step']:,} steps in {state['seconds']:,.0f} s{open_}",
        "health": "; ".join(map(str, run.diagnoses)) or "nothing was seen to be wrong",
        "privacy": str(run.promise or ""),
        "can": ", ".join(tasks),
    }
    lines = "".join(f'<tr><th style="text-align:left">{name}</th><td style="text-align:left">{escape(words)}</td></tr>'
                    for name, words in rows.items() if words)
    return f"<h4>{escape(known['model'])}</h4><table>{lines}</table>{_preview(run)}"


def _preview(run: Run) -> str:
    """What it made last, where there is something to see."""
    sheets = sorted((run.path / "previews").glob("*.png"))
    if not sheets:
        return ""
    return f'<img style="max-width:100%" alt="what it made last" src="{_source(sheets[-1].read_bytes())}">'


def _image(image: Image.Image) -> str:
    content = BytesIO()
    image.save(content, "PNG")
    small = f"height:{LEAST}px;image-rendering:pixelated" if image.height < LEAST else "max-width:100%"
    return f'<img style="{small}" alt="" src="{_source(content.getvalue())}">'


def _source(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
