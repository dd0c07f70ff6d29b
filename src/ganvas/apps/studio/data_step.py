"""Step 1: data is handed in, and the page says what it saw and which models fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from ...data.samples import ADULT, FASHION
from ...runtime import registry
from ...runtime.errors import InputError
from . import uploads
from .data_overview import DataOverview, Fit, fitting, problems, see
from .errors import HIDDEN, told

SAMPLES: Mapping[str, Path] = {
    "5,000 images of clothes": FASHION,
    "A census of 6,000 rows": ADULT / "train.csv",
}
"""What is there to try things on."""


@dataclass(frozen=True)
class DataStep:
    """What the next step needs of this one: the data as it was seen, models that fit, and the one
    that is chosen."""

    sight: gr.State
    fits: gr.State
    model: gr.Dropdown
    onward: gr.Button


def build(runs: Path) -> DataStep:
    """Draws the step and connects it."""
    sight, fits = gr.State(None), gr.State([])
    gr.Markdown("## What do you have?")
    files = gr.File(
        file_count="multiple",
        height=150,
        label="Images, a table, texts, videos: files, or a folder as a zip",
    )
    gr.Markdown("…or try it on data that comes with Ganvas:", elem_classes="soft")
    with gr.Row():
        samples = {path: gr.Button(words, size="md") for words, path in SAMPLES.items()}
    with gr.Accordion("Read it differently, or turn one kind into another", open=False):
        kinds = [(name, name) for name in registry.names("modalities") if name != "latents"]
        kind = gr.Dropdown(
            [("what it looks like", ""), *kinds],
            value="",
            label="Read it as",
            interactive=True,
            info="Series of measurements are tables, or windows of time",
        )
        second = gr.File(
            file_count="multiple",
            height=110,
            label="Images of a second kind, which the first shall be turned into",
        )
    saw = gr.HTML(elem_id="saw", padding=False)
    gallery = gr.Gallery(
        label="Some of them",
        columns=8,
        height="auto",
        visible=False,
        interactive=False,
        buttons=[],
        elem_classes="g-pixels",
        allow_preview=False,
        show_label=False,
    )
    rows = gr.Dataframe(label="Some of the rows", visible=False, interactive=False, max_height=260)
    with gr.Column(visible=False) as chosen:
        gr.Markdown("## Which model?")
        model = gr.Dropdown([], label="Model", elem_id="model", filterable=True, interactive=True)
        about = gr.HTML(elem_id="about", padding=False)
        onward = gr.Button("Continue to training", variant="primary", elem_id="onward")

    shown = [sight, saw, gallery, rows, chosen]
    fit = {"fn": told(_fits), "inputs": sight, "outputs": [fits, model, about, chosen], **HIDDEN}
    look = partial(_look, runs)
    files.upload(told(look), [files, kind, second], shown, **HIDDEN).success(**fit)
    gr.on([kind.input, second.upload], told(look), [files, kind, second], shown, **HIDDEN).success(
        **fit
    )
    for path, button in samples.items():
        button.click(told(partial(_sampled, path)), kind, shown, **HIDDEN).success(**fit)
    model.input(told(_about), [model, fits, sight], about, **HIDDEN)
    return DataStep(sight, fits, model, onward)


def _look(
    runs: Path, files: Sequence[str] | None, kind: str | None, second: Sequence[str] | None
) -> tuple[Any, ...]:
    """Keeps what was handed in and looks at it."""
    source = uploads.kept(files or [], runs)
    options = {"to": uploads.kept(second, runs)} if second else {}
    return _seen(see(source, kind or None, options))


def _sampled(path: Path, kind: str | None) -> tuple[Any, ...]:
    return _seen(see(path, kind or None))


def _seen(sight: DataOverview) -> tuple[Any, ...]:
    """What the page shows of data."""
    words = sight.words.split("; ")
    listed = "".join(f"<li>{escape(one)}</li>" for one in words[1:])
    columns = sight.columns
    kinds = (
        ""
        if columns is None
        else "".join(
            f"<li><b>{escape(str(name))}</b>: {escape(str(kind))}</li>"
            for name, kind in columns.itertuples(index=False)
        )
    )
    first = (
        f"{len(sight.data):,} rows of {len(columns)} columns" if columns is not None else words[0]
    )
    html = (
        '<div class="g-card" role="status"><h3>Ganvas sees'
        f" {escape(sight.kind)}</h3><p><b>{escape(first)}</b></p><ul"
        f" class=g-kinds>{kinds or listed}</ul></div>"
    )
    images = [(image, f"example {i + 1}") for i, image in enumerate(sight.images)]
    return (
        sight,
        html,
        gr.Gallery(images, visible=bool(images)),
        gr.Dataframe(sight.rows, visible=sight.rows is not None),
        gr.Column(visible=False),
    )


def _fits(sight: DataOverview | None) -> tuple[Any, ...]:
    """Models that fit, the recommended one chosen."""
    if sight is None:
        raise InputError("hand in data first")
    found = fitting(sight)
    if not found:
        raise InputError("no model fits this data; read it as something else")
    choices = [
        (f"{fit.model}{' (recommended)' * bool(fit.why)}: {_short(fit.sentence)}", fit.model)
        for fit in found
    ]
    first = found[0].model
    return (
        found,
        gr.Dropdown(choices, value=first),
        _about(first, found, sight),
        gr.Column(visible=True),
    )


def _short(sentence: str) -> str:
    """A model's sentence without its name and its paper."""
    return sentence.partition(" (")[0].partition(": ")[2]


def _about(model: str, fits: Sequence[Fit], sight: DataOverview) -> str:
    """A model in words: what it is, why it, what it will be able to do, and what is wrong with the
    data for it."""
    fit = next(one for one in fits if one.model == model)
    why = f"<p><b>Recommended.</b> {escape(fit.why)}</p>" if fit.why else ""
    able = "".join(
        f"<li>{escape(registry.summary('tasks', task).rstrip('.'))}</li>" for task in fit.tasks
    )
    ills = "".join(f'<p class="g-ill">{escape(one)}</p>' for one in problems(sight, model))
    well = "<p class=g-well>Nothing is wrong with the data, as far as can be seen.</p>"
    return (
        f'<div class="g-card"><p>{escape(fit.sentence)}</p>{why}{ills or well}'
        f"<p class=soft>Afterwards it can:</p><ul>{able}</ul></div>"
    )
