"""Runs and images as notebooks show them: HTML in one piece, nothing fetched."""

from __future__ import annotations

import base64
from html import escape
from io import BytesIO
from typing import Any

from PIL import Image

from .run import Run
from .summary import RunSummary

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
    images = (
        isinstance(answer, list) and answer and all(isinstance(one, Image.Image) for one in answer)
    )
    return Images(answer) if images else answer


def run_html(run: Run) -> str:
    """A run on a card: what it is, how far it came, how it is, what it can do, and its last
    preview."""
    summary = RunSummary(run)
    rows = {
        "run": str(run.path),
        "trained on": summary.data,
        "trained": summary.progress,
        "diagnosis": summary.diagnosis,
        "privacy": summary.privacy,
        "can": ", ".join(summary.tasks),
    }
    lines = "".join(_row(name, words) for name, words in rows.items() if words)
    return f"<h4>{escape(summary.model)}</h4><table>{lines}</table>{_preview(run)}"


def _row(name: str, words: str) -> str:
    left = 'style="text-align:left"'
    return f"<tr><th {left}>{name}</th><td {left}>{escape(words)}</td></tr>"


def _preview(run: Run) -> str:
    """The last preview as an image; nothing where there is none."""
    sheets = sorted((run.path / "previews").glob("*.png"))
    if not sheets:
        return ""
    source = _source(sheets[-1].read_bytes())
    return f'<img style="max-width:100%" alt="last preview" src="{source}">'


def _image(image: Image.Image) -> str:
    content = BytesIO()
    image.save(content, "PNG")
    small = (
        f"height:{LEAST}px;image-rendering:pixelated" if image.height < LEAST else "max-width:100%"
    )
    return f'<img style="{small}" alt="" src="{_source(content.getvalue())}">'


def _source(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
