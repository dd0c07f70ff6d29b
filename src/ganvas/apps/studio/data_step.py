"""Step 1: data is handed in, and the page says what it is and which models fit."""

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
from .data_overview import DataOverview, ModelFit, find_models, find_problems, inspect_data
from .errors import HIDDEN, show_errors
from .uploads import store_uploads

SAMPLES: Mapping[str, Path] = {
    "5,000 images of clothes": FASHION,
    "A census of 6,000 rows": ADULT / "train.csv",
}
"""What is there to try things on."""


@dataclass(frozen=True)
class DataStep:
    """What the next step needs of this one: the data, models that fit, and the one that is
    chosen."""

    overview: gr.State
    fits: gr.State
    model: gr.Dropdown
    onward: gr.Button


@dataclass(frozen=True)
class _Inputs:
    """What is handed in: files, their modality, and the images of a target domain."""

    files: gr.File
    kind: gr.Dropdown
    target: gr.File
    samples: Mapping[Path, gr.Button]

    @property
    def all(self) -> list[Any]:
        return [self.files, self.kind, self.target]


def build(runs: Path) -> DataStep:
    """Draws the step and connects it."""
    overview, fits = gr.State(None), gr.State([])
    inputs = _draw_inputs()
    card = gr.HTML(elem_id="overview", padding=False)
    gallery = gr.Gallery(
        label="Examples",
        columns=8,
        height="auto",
        visible=False,
        interactive=False,
        buttons=[],
        elem_classes="g-pixels",
        allow_preview=False,
        show_label=False,
    )
    rows = gr.Dataframe(label="First rows", visible=False, interactive=False, max_height=260)
    with gr.Column(visible=False) as models:
        gr.Markdown("## Model")
        model = gr.Dropdown([], label="Model", elem_id="model", filterable=True, interactive=True)
        about = gr.HTML(elem_id="about", padding=False)
        onward = gr.Button("Continue to training", variant="primary", elem_id="onward")

    shown = [overview, card, gallery, rows, models]
    fit = {
        "fn": show_errors(_show_fits),
        "inputs": overview,
        "outputs": [fits, model, about, models],
        **HIDDEN,
    }
    inspect = show_errors(partial(_inspect_uploads, runs))
    inputs.files.upload(inspect, inputs.all, shown, **HIDDEN).success(**fit)
    changed = gr.on([inputs.kind.input, inputs.target.upload], inspect, inputs.all, shown, **HIDDEN)
    changed.success(**fit)
    for path, button in inputs.samples.items():
        inspect_sample = show_errors(partial(_inspect_sample, path))
        button.click(inspect_sample, inputs.kind, shown, **HIDDEN).success(**fit)
    model.input(show_errors(_describe_model), [model, fits, overview], about, **HIDDEN)
    return DataStep(overview, fits, model, onward)


def _draw_inputs() -> _Inputs:
    gr.Markdown("## Training data")
    files = gr.File(
        file_count="multiple",
        height=150,
        label="Images, a table, texts, videos: files, or a folder as a zip",
    )
    gr.Markdown("…or try it on data that comes with Ganvas:", elem_classes="soft")
    with gr.Row():
        samples = {path: gr.Button(words, size="md") for words, path in SAMPLES.items()}
    with gr.Accordion("Modality, and a target domain for image-to-image translation", open=False):
        kinds = [(name, name) for name in registry.names("modalities") if name != "latents"]
        kind = gr.Dropdown(
            [("what it looks like", ""), *kinds],
            value="",
            label="Modality",
            interactive=True,
            info="Series of measurements are tables, or windows of time",
        )
        target = gr.File(
            file_count="multiple",
            height=110,
            label="Images of the target domain, into which the first are translated",
        )
    return _Inputs(files, kind, target, samples)


def _inspect_uploads(
    runs: Path, files: Sequence[str] | None, kind: str | None, target: Sequence[str] | None
) -> tuple[Any, ...]:
    """Keeps what was handed in and reads it."""
    source = store_uploads(files or [], runs)
    options = {"to": store_uploads(target, runs)} if target else {}
    return _show_overview(inspect_data(source, kind or None, options))


def _inspect_sample(path: Path, kind: str | None) -> tuple[Any, ...]:
    return _show_overview(inspect_data(path, kind or None))


def _show_overview(overview: DataOverview) -> tuple[Any, ...]:
    """What the page shows of data."""
    images = [(image, f"example {i + 1}") for i, image in enumerate(overview.images)]
    return (
        overview,
        _draw_card(overview),
        gr.Gallery(images, visible=bool(images)),
        gr.Dataframe(overview.rows, visible=overview.rows is not None),
        gr.Column(visible=False),
    )


def _draw_card(overview: DataOverview) -> str:
    """What was read: of a table its columns, of other data its description."""
    first, *more = overview.description.split("; ")
    items = [escape(part) for part in more]
    columns = overview.columns
    if columns is not None:
        first = f"{len(overview.data):,} rows of {len(columns)} columns"
        pairs = columns.astype(str).itertuples(index=False)
        items = [f"<b>{escape(name)}</b>: {escape(kind)}" for name, kind in pairs]
    listed = "".join(f"<li>{item}</li>" for item in items)
    return (
        f'<div class="g-card" role="status"><h3>Modality: {escape(overview.kind)}</h3>'
        f"<p><b>{escape(first)}</b></p><ul class=g-kinds>{listed}</ul></div>"
    )


def _show_fits(overview: DataOverview | None) -> tuple[Any, ...]:
    """Models that fit, the recommended one chosen."""
    if overview is None:
        raise InputError("hand in data first")
    fits = find_models(overview)
    if not fits:
        raise InputError("no model fits this data; read it as something else")
    choices = [(_label_fit(fit), fit.model) for fit in fits]
    first = fits[0].model
    return (
        fits,
        gr.Dropdown(choices, value=first),
        _describe_model(first, fits, overview),
        gr.Column(visible=True),
    )


def _label_fit(fit: ModelFit) -> str:
    """`vae (recommended): a variational autoencoder`, without the paper."""
    recommended = " (recommended)" if fit.why else ""
    short = fit.summary.partition(" (")[0].partition(": ")[2]
    return f"{fit.model}{recommended}: {short}"


def _describe_model(model: str, fits: Sequence[ModelFit], overview: DataOverview) -> str:
    """A model in words: what it is, why it, what it will be able to do, and what is wrong with the
    data for it."""
    fit = next(fit for fit in fits if fit.model == model)
    why = f"<p><b>Recommended.</b> {escape(fit.why)}</p>" if fit.why else ""
    summaries = [registry.summary("tasks", task).rstrip(".") for task in fit.tasks]
    tasks = "".join(f"<li>{escape(summary)}</li>" for summary in summaries)
    problems = [f'<p class="g-bad">{escape(one)}</p>' for one in find_problems(overview, model)]
    good = "<p class=g-good>Nothing is wrong with the data, as far as can be seen.</p>"
    return (
        f'<div class="g-card"><p>{escape(fit.summary)}</p>{why}{"".join(problems) or good}'
        f"<p class=soft>Tasks of a trained model:</p><ul>{tasks}</ul></div>"
    )
