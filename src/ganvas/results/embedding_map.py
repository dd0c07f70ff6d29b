"""The map of latents as an image, and as a page to point at things on. Nothing is fetched."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..core import InputError, Modality
from ..runtime.errors import flag
from ..runtime.files import write_atomically
from ._tables import source_columns
from .columns import format_value, number_columns

if TYPE_CHECKING:
    from .embedded import Embedded

CATEGORIES = (
    "#3066be",
    "#d1495b",
    "#2e933c",
    "#e8a317",
    "#7d53de",
    "#00a6b4",
    "#8c564b",
    "#f178b6",
    "#9bc53d",
    "#56627a",
    "#ff7f50",
    "#6b7fd7",
)
OTHER = "#b4b9c4"
RAMP = ("#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725")
COLOURS = (*CATEGORIES, OTHER, *RAMP)

THUMBNAIL = 64  # pixels of a small image
CRISP = 32  # up to here they are kept to the bit
COLUMNS = 40  # columns that a page tells of
PANELS = 12  # columns that an image shows
PANEL, MARGIN, LEGEND = 620, 24, 26  # pixels
TILE = 40  # pixels of an image on the map
CUT = 200  # letters of a value


@dataclass(frozen=True)
class Colouring:
    """What a column says of each example, and the colour that stands for it.

    words: What it says.
    codes: Numbers of colours in COLOURS.
    legend: What colours mean: (words, number of the colour).
    """

    name: str
    words: list[str]
    codes: list[int]
    legend: list[tuple[str, int]]


def embedding_page(answer: Embedded, modality: Modality, target: Path) -> Path:
    """Writes the map as a page that shows the example one points at. Raises InputError where there
    is no map."""
    _check(answer, target)
    x = answer.given.x.cpu()[answer.rows]
    small = modality.thumbnails(x, THUMBNAIL)
    content = {
        "words": answer.words,
        "colours": COLOURS,
        "places": [[round(p, 4) for p in place] for place in _fitted(answer.map).tolist()],
        "names": [_cut(answer.given.names[i]) for i in answer.rows.tolist()],
        "columns": [asdict(c) for c in _colourings(answer, modality, COLUMNS)],
        "images": None if small is None else _sprite(small),
    }
    text = (
        (Path(__file__).with_name("map.html"))
        .read_text("utf-8")
        .replace("DATA", _inside_a_script(content))
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, text.encode())
    return target


def embedding_image(answer: Embedded, modality: Modality, target: Path) -> Path:
    """Draws the map once for each column that colours it, and once with small images where
    examples can be seen.

    Raises InputError where there is no map.
    """
    _check(answer, target)
    places = _fitted(answer.map)
    small = modality.thumbnails(answer.given.x.cpu()[answer.rows], TILE)
    panels = [_dots(places, colouring) for colouring in _colourings(answer, modality, PANELS)]
    panels += [] if small is None else [_images(places, small)]
    panels = panels or [_dots(places, Colouring("", [], [0] * len(places), []))]
    across, high = min(3, len(panels)), max(panel.height for panel in panels)
    canvas = Image.new("RGB", (across * PANEL, ceil(len(panels) / across) * high), "white")
    for i, panel in enumerate(panels):
        canvas.paste(panel, (i % across * PANEL, i // across * high))
    target.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(target)
    return target


def _check(answer: Embedded, target: Path) -> None:
    if not len(answer.rows):
        raise InputError(
            f"there is no map to put into {target}; leave out {flag('map', 'none')}, or end"
            f" {flag('out')} in .parquet"
        )


def _fitted(places: Tensor) -> Tensor:
    """Places in [0, 1], in the middle, the same scale both ways."""
    low, high = places.amin(0), places.amax(0)
    return (places - (low + high) / 2) / (high - low).max().clamp(min=1e-9) + 0.5


def _colourings(answer: Embedded, modality: Modality, most: int) -> list[Colouring]:
    """The label, and the columns of rows, of the examples on the map."""
    columns = dict[str, pd.Series]()
    if (label := source_columns(answer.given, modality).get("label")) is not None:
        columns["label"] = pd.Series(label.to_pylist()).iloc[answer.rows.tolist()]
    frame = modality.frame(answer.given.x.cpu()[answer.rows])
    if frame is not None:
        columns |= {str(name): frame[name] for name in frame.columns}
    return [_colouring(name, values) for name, values in list(columns.items())[:most]]


def _colouring(name: str, values: pd.Series) -> Colouring:
    words = [_cut(format_value(value)) for value in values]
    found = number_columns(values)
    if found is not None and found.nunique() > len(CATEGORIES):
        ranked = found.reset_index(drop=True).dropna().sort_values()
        low, high = (ranked.index[round(share * (len(ranked) - 1))] for share in (0.02, 0.98))
        far = (found.to_numpy() - ranked[low]) / max(ranked[high] - ranked[low], 1e-12)
        codes = [len(CATEGORIES) if step != step else _step(step) for step in far.tolist()]
        return Colouring(
            name, words, codes, [(f"≤ {words[low]}", _step(0)), (f"≥ {words[high]}", _step(1))]
        )
    common = pd.Series(words).value_counts().index[: len(CATEGORIES)]
    number = {word: i for i, word in enumerate(sorted(word for word in common if word))}
    codes = [number.get(word, len(CATEGORIES)) for word in words]
    others = {word for word in words if word not in number}
    rest = [("others" if any(others) else "missing", len(CATEGORIES))] if others else []
    return Colouring(name, words, codes, [*number.items(), *rest])


def _step(far: float) -> int:
    """The number of the colour that is so far along the ramp, from 0 to 1."""
    return len(CATEGORIES) + 1 + int(min(max(far, 0) * len(RAMP), len(RAMP) - 1))


def _cut(text: str) -> str:
    return text if len(text) <= CUT else text[: CUT - 1] + "…"


def _sprite(small: Tensor) -> dict[str, Any]:
    """Small images (n, side, side, 3) side by side in one, as it stands in a page."""
    side, across = small.shape[1], ceil(len(small) ** 0.5)
    stream = BytesIO()
    sheet = Image.fromarray(_grid(small, across).numpy())
    sheet.save(
        stream, **({"format": "PNG"} if side <= CRISP else {"format": "JPEG", "quality": 85})
    )
    kind = "png" if side <= CRISP else "jpeg"
    return {
        "side": side,
        "across": across,
        "image": f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}",
    }


def _grid(small: Tensor, across: int) -> Tensor:
    n, side = small.shape[:2]
    down = ceil(n / across)
    full = torch.cat([small, small.new_zeros(down * across - n, side, side, 3)])
    return (
        full.view(down, across, side, side, 3)
        .transpose(1, 2)
        .reshape(down * side, across * side, 3)
    )


def _inside_a_script(content: Any) -> str:
    """JSON that cannot end the element it stands in, nor begin another, whatever people called
    their things."""
    text = json.dumps(content, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _spots(places: Tensor, room: int) -> Iterator[tuple[float, float]]:
    for x, y in (places * room).tolist():
        yield MARGIN + x, MARGIN + LEGEND + room - y


def _dots(places: Tensor, colouring: Colouring) -> Image.Image:
    """One map in the colours of one column, drawn twice as large for smooth edges."""
    room = PANEL - 2 * MARGIN
    lines = ceil(len(colouring.legend) / 3)
    panel = Image.new("RGB", (2 * PANEL, 2 * (PANEL + LEGEND * (1 + lines))), "white")
    pen, radius = ImageDraw.Draw(panel), 8 if len(places) < 300 else 6 if len(places) < 3000 else 4
    for (x, y), code in zip(_spots(places, room), colouring.codes, strict=True):
        pen.ellipse(
            (2 * x - radius, 2 * y - radius, 2 * x + radius, 2 * y + radius), fill=COLOURS[code]
        )
    panel = panel.resize((PANEL, panel.height // 2), Image.Resampling.LANCZOS)
    pen, font = ImageDraw.Draw(panel), ImageFont.load_default(15)
    pen.text((MARGIN, 10), colouring.name[:60], fill="black", font=font)
    for i, (words, code) in enumerate(colouring.legend):
        x, y = MARGIN + i % 3 * (room // 3), PANEL + LEGEND + i // 3 * LEGEND
        pen.rectangle((x, y, x + 12, y + 12), fill=COLOURS[code])
        pen.text((x + 18, y - 2), words[:20], fill="black", font=font)
    return panel


def _images(places: Tensor, small: Tensor) -> Image.Image:
    """The map as a grid of small images: in each cell the example that is nearest to its
    middle."""
    room, panel = PANEL - 2 * MARGIN, Image.new("RGB", (PANEL, PANEL + LEGEND), "white")
    cells: dict[tuple[int, int], tuple[float, int]] = {}
    for i, (x, y) in enumerate(_spots(places, room - TILE)):
        cell = round(x / TILE), round(y / TILE)
        far = (x / TILE - cell[0]) ** 2 + (y / TILE - cell[1]) ** 2
        cells[cell] = min(cells.get(cell, (far, i)), (far, i))
    for (x, y), (_, i) in cells.items():
        tile = Image.fromarray(small[i].numpy()).resize((TILE, TILE), Image.Resampling.NEAREST)
        panel.paste(tile, (x * TILE, y * TILE))
    return panel
