"""The explorer: a map to click on, sliders, and a walk between two seeds."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from .errors import HIDDEN, told
from .latent_explorer import REACH, LatentExplorer, chart, landscape, place, places, seen

LIVE: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last", **HIDDEN}
"""Of what follows a slider: only where it is last counts."""

AXES = {0: ", across", 1: ", up"}


def build(run: Path) -> None:
    """Draws the explorer of a run."""
    ground = landscape(run)
    labels = ground.labels
    gr.Markdown("### Walk through what it can make")
    label = gr.Dropdown(
        [*labels],
        value=labels[0] if labels else None,
        label="What it shall be",
        visible=bool(labels),
    )
    _map(run, ground, label)
    gr.Markdown("### From one to another")
    _way(run, ground, label)


def _map(run: Path, ground: LatentExplorer, label: gr.Dropdown) -> None:
    """The map, what lies where one is on it, and a slider for each direction."""
    n = len(ground.directions)
    gr.Markdown(
        "Click on the map, or move the sliders: each goes one way along which examples change most."
    )
    with gr.Row():
        card = gr.Image(
            chart(ground),
            label="Map",
            show_label=False,
            interactive=False,
            elem_id="map",
            buttons=[],
            elem_classes="g-map",
            alt_text="Map of two directions; the sliders do the same",
        )
        here = _place("Here", *seen(ground, ground.at(places([0.0] * n, ground))))
    with gr.Row():
        sliders = [
            gr.Slider(
                -REACH,
                REACH,
                0,
                step=0.05,
                label=f"Direction {i + 1}{AXES.get(i, '')}",
                min_width=240,
            )
            for i in range(n)
        ]
    moved = [*(slider.change for slider in sliders), label.input]
    gr.on(moved, told(partial(_here, run)), [label, *sliders], here, **LIVE)
    card.select(_clicked, None, sliders[:2], **LIVE)
    label.input(told(lambda chosen: chart(landscape(run, chosen))), label, card, **HIDDEN)


def _way(run: Path, ground: LatentExplorer, label: gr.Dropdown) -> None:
    """Two seeds, and a slider between them."""
    with gr.Row():
        first, second = (
            gr.Number(1, precision=0, label="First seed"),
            gr.Number(2, precision=0, label="Second seed"),
        )
        way = gr.Slider(0, 1, 0.5, step=0.02, label="How far on the way")
    half = _place("On the way", *seen(ground, ground.between(1, 2, 0.5)))
    gr.on(
        [first.change, second.change, way.change, label.input],
        told(partial(_between, run)),
        [label, first, second, way],
        half,
        **LIVE,
    )


def _place(words: str, image: Any, row: Any) -> list[gr.components.Component]:
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


def _here(run: Path, label: str | None, *values: float) -> tuple[Any, Any]:
    ground = landscape(run, label)
    return _shown(*seen(ground, ground.at(places(values, ground))))


def _between(
    run: Path, label: str | None, first: float, second: float, way: float
) -> tuple[Any, Any]:
    ground = landscape(run, label)
    return _shown(*seen(ground, ground.between(int(first or 0), int(second or 0), way)))


def _shown(image: Any, row: Any) -> tuple[Any, Any]:
    return gr.Image(image, visible=image is not None), gr.Dataframe(row, visible=row is not None)


def _clicked(event: gr.SelectData) -> tuple[float, float]:
    """The place of a click on the map."""
    return place(*event.index)
