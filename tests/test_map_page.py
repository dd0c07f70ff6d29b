"""The page of a map, alive: its own script in an engine of its own, with as much of a browser as it
asks for.

A real one is no part of what `pip` installs; V8 is, and what the page does is its script, but for
how it looks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from ganvas.core import NamedExamples
from ganvas.data.images.modality import Images
from ganvas.results import embedding_map
from ganvas.results.embedded import Embedded
from test_embed import Scripts

racer = pytest.importorskip("py_mini_racer", reason="pip install mini-racer")

BROWSER = """
const drawn = [];
const brush = on => ({ scale() {}, beginPath() {}, fillRect() {}, fill() {},
  arc(x, y, radius) { drawn.push({ on, x, y, radius, colour: this.fillStyle }); },
  drawImage(image, left, top, side, _, x, y, size) { drawn.push({ on, left, top, side, x, y, size }); } });
const element = kind => ({ kind, children: [], style: {}, textContent: "", brush: brush(kind), clientWidth: 800,
  clientHeight: 600, append(...more) { this.children.push(...more); }, setPointerCapture() {},
  replaceChildren(...all) { this.children = all; }, getContext() { return this.brush; },
  getBoundingClientRect: () => ({ width: 100, height: 50 }) });
const known = { data: { textContent: DATA } };
const document = { createElement: element, getElementById: id => known[id] ??= element(id) };
class Image { set src(source) { this.source = source; this.onload(); } }
const devicePixelRatio = 2, innerWidth = 800, innerHeight = 600;
globalThis.onresize = null;
const read = one => typeof one === "string" ? one : one.textContent + one.children.map(read).join("");
const lines = id => known[id].children.map(read);
const event = (x, y, more) => ({ offsetX: x, offsetY: y, clientX: x, clientY: y, pointerId: 1, preventDefault() {},
  ...more });
const over = (i, more) => event(...spot(i), more);
const again = what => { drawn.length = 0; what(); return drawn.filter(one => one.on === "map"); };
"""

N = 12
CLASSES = ("cat", "dog & <b>", "owl")


class Page:
    """A page that was opened."""

    def __init__(self, file: Path) -> None:
        data, script = Scripts(file.read_text("utf-8")).found
        self.told = json.loads(data)
        self.engine = racer.MiniRacer()
        self.engine.eval(BROWSER.replace("DATA", json.dumps(data)))
        self.engine.eval(script)

    def __call__(self, script: str) -> Any:
        """What an expression is worth there."""
        return json.loads(self.engine.eval(f"JSON.stringify({{ value: {script} }})")).get("value")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    x = torch.linspace(-1, 1, N).view(N, 1, 1, 1).expand(N, 1, 4, 4)
    given = NamedExamples(x, [f"image {i}" for i in range(N)], torch.arange(N)[:, None] % 3)
    places = torch.rand(N, 2, generator=torch.Generator().manual_seed(0))
    answer = Embedded(given, torch.zeros(N, 2), torch.arange(N), places, "twelve images")
    return embedding_map.embedding_page(
        answer, Images(4, 1, classes=CLASSES), tmp_path_factory.mktemp("page") / "map.html"
    )


@pytest.fixture
def page(file: Path) -> Page:
    return Page(file)


def test_every_example_is_a_dot_in_its_colour_where_the_map_has_it(page: Page) -> None:
    dots, (label,) = page("again(draw)"), page.told["columns"]
    assert [dot["colour"] for dot in dots] == [
        page.told["colours"][code] for code in label["codes"]
    ]
    seen = torch.tensor([[dot["x"], -dot["y"]] for dot in dots])
    torch.testing.assert_close(
        torch.pdist(seen) / torch.pdist(torch.tensor(page.told["places"])),
        torch.full((66,), 0.92 * 600),
    )
    assert page("lines('legend')") == [*CLASSES]
    assert page("lines('colour')") == ["label"]
    assert page("read(known.words)") == "twelve images"


def test_the_card_tells_of_the_example_that_is_pointed_at(page: Page) -> None:
    for i in range(N):
        page(f"map.onpointermove(over({i}))")
        _, *words = page("lines('card')")
        assert words == [f"image {i}", f"label{CLASSES[i % 3]}"]
        assert not page("card.hidden")
        (small,) = [one for one in page("drawn") if one["on"] == "canvas"][-1:]
        assert (small["left"], small["top"]) == (i % 4 * 4, i // 4 * 4)
    page("map.onpointerleave()")
    assert page("card.hidden")


def test_what_is_left_out_in_the_legend_is_neither_drawn_nor_found(page: Page) -> None:
    assert len(page("again(() => legend.children[1].onclick())")) == N - 4
    assert page("legend.children.map(item => item.className)") == ["", "off", ""]
    assert page("nearest(...spot(1))") not in range(1, N, 3)
    assert len(page("again(() => legend.children[1].onclick())")) == N
    assert page("nearest(...spot(1))") == 1


def test_zooming_keeps_what_is_under_the_pointer_there(page: Page) -> None:
    before, far = page("spot(5)"), page("spot(2)")
    page("map.onwheel(over(5, { deltaY: -400 }))")
    assert page("spot(5)") == pytest.approx(before)
    zoom = page("view.zoom")
    assert zoom > 2
    assert [b - a for a, b in zip(before, page("spot(2)"), strict=True)] == pytest.approx(
        [zoom * (b - a) for a, b in zip(before, far, strict=True)]
    )
    page("map.ondblclick()")
    assert page("spot(2)") == pytest.approx(far)


def test_dragging_moves_the_map_with_the_pointer(page: Page) -> None:
    before = page("spot(0)")
    page("map.onpointerdown(event(100, 100))")
    page("map.onpointermove(event(130, 80))")
    assert page("spot(0)") == pytest.approx([before[0] + 30, before[1] - 20])
    page("map.onpointerup(event(130, 80))")
    page("map.onpointermove(event(300, 300))")
    assert page("spot(0)") == pytest.approx([before[0] + 30, before[1] - 20])


def test_images_are_cut_out_of_the_sheet(page: Page) -> None:
    page("tiles.checked = true")
    tiles = page("again(() => tiles.onchange())")
    assert [(one["left"], one["top"], one["side"]) for one in tiles] == [
        (i % 4 * 4, i // 4 * 4, 4) for i in range(N)
    ]
    middles = [[one["x"] + one["size"] / 2, one["y"] + one["size"] / 2] for one in tiles]
    assert middles == [pytest.approx(page(f"spot({i})")) for i in range(N)]


def test_another_column_colours_anew_and_leaves_nothing_out(tmp_path: Path) -> None:
    class Rows(Images):
        """Images that have columns too."""

        def frame(self, x: Tensor) -> pd.DataFrame:
            return pd.DataFrame({"kind": ["a", "b"] * (len(x) // 2)})

    given = NamedExamples(torch.zeros(6, 1, 4, 4), [*"uvwxyz"], torch.arange(6)[:, None] % 3)
    answer = Embedded(given, torch.zeros(6, 2), torch.arange(6), torch.rand(6, 2), "")
    page = Page(
        embedding_map.embedding_page(answer, Rows(4, 1, classes=CLASSES), tmp_path / "map.html")
    )
    assert page("lines('colour')") == ["label", "kind"]
    page("legend.children[0].onclick()")
    page("colour.value = 1")
    dots = page("again(() => colour.onchange())")
    assert [dot["colour"] for dot in dots] == [
        embedding_map.COLOURS[0],
        embedding_map.COLOURS[1],
    ] * 3
    assert page("lines('legend')") == ["a", "b"]


def test_a_map_of_nothing_but_places_is_drawn_too(tmp_path: Path) -> None:
    given = NamedExamples(torch.zeros(3, 1, 4, 4), [*"abc"])
    answer = Embedded(given, torch.zeros(3, 2), torch.arange(3), torch.rand(3, 2), "")
    page = Page(embedding_map.embedding_page(answer, Images(4, 1), tmp_path / "map.html"))
    assert page("[known.by.hidden, legend.hidden, known.seen.hidden]") == [True, True, False]
    assert len(page("again(draw)")) == 3
