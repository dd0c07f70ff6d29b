"""The explorer of a latent space: a map to click on, sliders, and an interpolation between two
seeds."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from .errors import HIDDEN, show_errors
from .latent_explorer import (
    REACH,
    LatentExplorer,
    click_to_position,
    draw_map,
    open_explorer,
    render_example,
    to_position,
)

LIVE: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last", **HIDDEN}
"""Of what follows a slider: only where it is last counts."""

AXES = {0: ", across", 1: ", up"}


def build(run: Path) -> None:
    """Draws the explorer of a run."""
    explorer = open_explorer(run)
    labels = explorer.labels
    gr.Markdown("### Latent space")
    label = gr.Dropdown(
        [*labels],
        value=labels[0] if labels else None,
        label="Class",
        visible=bool(labels),
    )
    _draw_map_and_sliders(run, explorer, label)
    gr.Markdown("### Interpolation")
    _draw_interpolation(run, explorer, label)


def _draw_map_and_sliders(run: Path, explorer: LatentExplorer, label: gr.Dropdown) -> None:
    """The map, the example where one is on it, and a slider for each direction."""
    n = len(explorer.directions)
    gr.Markdown(
        "Click on the map, or move the sliders: each follows a direction along which examples"
        " change most."
    )
    with gr.Row():
        card = gr.Image(
            draw_map(explorer),
            label="Map",
            show_label=False,
            interactive=False,
            elem_id="map",
            buttons=[],
            elem_classes="g-map",
            alt_text="Map of two latent directions; the sliders do the same",
        )
        start = explorer.decode_at(to_position([0.0] * n, explorer))
        here = _draw_example("Example at this position", *render_example(explorer, start))
    with gr.Row():
        sliders = [_draw_slider(i) for i in range(n)]
    moved = [*(slider.change for slider in sliders), label.input]
    gr.on(moved, show_errors(partial(_move, run)), [label, *sliders], here, **LIVE)
    card.select(_read_click, None, sliders[:2], **LIVE)
    label.input(show_errors(partial(_redraw_map, run)), label, card, **HIDDEN)


def _draw_slider(number: int) -> gr.Slider:
    name = f"Direction {number + 1}{AXES.get(number, '')}"
    return gr.Slider(-REACH, REACH, 0, step=0.05, label=name, min_width=240)


def _draw_interpolation(run: Path, explorer: LatentExplorer, label: gr.Dropdown) -> None:
    """Two seeds, and a slider between them."""
    with gr.Row():
        first = gr.Number(1, precision=0, label="First seed")
        second = gr.Number(2, precision=0, label="Second seed")
        share = gr.Slider(0, 1, 0.5, step=0.02, label="Share of the way")
    middle = explorer.interpolate(1, 2, 0.5)
    example = _draw_example("Interpolated example", *render_example(explorer, middle))
    gr.on(
        [first.change, second.change, share.change, label.input],
        show_errors(partial(_interpolate, run)),
        [label, first, second, share],
        example,
        **LIVE,
    )


def _draw_example(words: str, image: Any, row: Any) -> list[gr.components.Component]:
    """Where an example is shown: as an image, or as a row."""
    return [
        gr.Image(
            image,
            label=words,
            interactive=False,
            buttons=["download"],
            alt_text=words,
            visible=image is not None,
        ),
        gr.Dataframe(row, label=words, interactive=False, visible=row is not None),
    ]


def _move(run: Path, label: str | None, *values: float) -> tuple[Any, Any]:
    explorer = open_explorer(run, label)
    example = explorer.decode_at(to_position(values, explorer))
    return _update_example(*render_example(explorer, example))


def _interpolate(
    run: Path, label: str | None, first: float, second: float, share: float
) -> tuple[Any, Any]:
    explorer = open_explorer(run, label)
    example = explorer.interpolate(int(first or 0), int(second or 0), share)
    return _update_example(*render_example(explorer, example))


def _redraw_map(run: Path, label: str | None) -> Any:
    return draw_map(open_explorer(run, label))


def _update_example(image: Any, row: Any) -> tuple[Any, Any]:
    return gr.Image(image, visible=image is not None), gr.Dataframe(row, visible=row is not None)


def _read_click(event: gr.SelectData) -> tuple[float, float]:
    """The position of a click on the map."""
    return click_to_position(*event.index)
