"""Step 2: a training is started, watched, stopped and resumed. It is a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from itertools import count
from shlex import join
from typing import Any

import gradio as gr
from PIL import Image

from ... import api
from ...data._recognition import guess_modality, source_name
from ...runtime import registry
from ...runtime.errors import InputError
from ..jobs import Jobs
from .components import form
from .data_overview import DataOverview, ModelFit
from .data_step import DataStep
from .errors import HIDDEN, show_errors
from .forms import Field, field, filled_in
from .training_status import TrainingStatus, read_status
from .uploads import store_uploads

DECIDED = frozenset(
    {"out", "as_", "through", "to", "minutes", "quiet", "tensorboard", "save_every", "query"}
)
"""Options that the page decides, or asks for elsewhere."""

SECRET = "not a secret"
"""What the browser's memory of the watched training is signed with: the same for every studio, so
that the next one remembers it."""

EVERY = 1.0  # seconds between looks
SAVE_EVERY = 20.0  # seconds: what is saved can be used while training goes on


@dataclass(frozen=True)
class TrainStep:
    """What the next step needs of this one: the run that is watched."""

    watched: gr.BrowserState
    onward: gr.Button


@dataclass(frozen=True)
class StatusView:
    """What is shown of a training.

    known: Name and previews that the page shows already.
    """

    known: gr.State
    all: gr.Column
    state: gr.HTML
    preview: gr.Image
    history: gr.Gallery
    curves: gr.HTML
    command: gr.Textbox
    stop: gr.Button
    resume: gr.Button
    onward: gr.Button
    timer: gr.Timer

    @property
    def components(self) -> list[Any]:
        """All of it, in the order of `_show_status`."""
        return [getattr(self, field.name) for field in fields(self)]


def build(page: gr.Blocks, jobs: Jobs, data: DataStep) -> TrainStep:
    """Draws the step and connects it."""
    watched = gr.BrowserState("", storage_key="ganvas-training", secret=SECRET)
    timer = gr.Timer(EVERY, active=False)
    gr.Markdown("## Training time")
    minutes = gr.Slider(
        0.5,
        240,
        2,
        step=0.5,
        label="Minutes to train",
        elem_id="minutes",
        interactive=True,
        info="More makes it better. Stop at any time, use what there is, and resume.",
    )
    start = gr.Button("Start training", variant="primary", elem_id="start", interactive=False)
    _draw_options(jobs, data, minutes, start, [watched, timer])
    view = _draw_status(timer)
    with gr.Accordion("Other trainings", open=False):
        other = gr.Dropdown([], value=None, label="Watch", elem_id="other", interactive=True)
    data.fits.change(_enable_start, data.fits, [minutes, start], **HIDDEN)
    page.load(partial(_list_jobs, jobs), None, other, **HIDDEN)
    # what was watched may come from the browser later
    page.load(_start_timer, None, timer, **HIDDEN)
    other.input(_watch, other, [watched, timer], **HIDDEN)
    _connect(jobs, watched, view)
    return TrainStep(watched, view.onward)


def _draw_options(
    jobs: Jobs, data: DataStep, minutes: gr.Slider, start: gr.Button, outputs: list[Any]
) -> None:
    """The options of the model that is chosen, and of its data."""
    with gr.Accordion("Advanced options", open=False):
        name = gr.Textbox(
            "",
            label="Name of the run",
            interactive=True,
            elem_id="name",
            info="Letters, digits, dots and dashes; by default of model and data",
        )

        def draw(overview: DataOverview | None, model: str | None) -> None:
            if overview is None or not model:
                gr.Markdown("Choose data and a model first.")
                return
            asked = _list_fields(overview, model)
            inputs = [data.overview, data.model, minutes, name, *form(asked, len(asked))]
            start.click(show_errors(partial(_start, jobs, asked)), inputs, outputs, **HIDDEN)

        gr.render(inputs=[data.overview, data.model])(draw)


def _draw_status(timer: gr.Timer) -> StatusView:
    """Draws what is shown of a training."""
    with gr.Column(visible=False) as every:
        state = gr.HTML(elem_id="state", padding=False)
        with gr.Row():
            stop = gr.Button("Stop", visible=False, elem_id="stop")
            resume = gr.Button("Resume", visible=False, elem_id="resume")
            onward = gr.Button("Use it", variant="primary", visible=False, elem_id="use-it")
        gr.Markdown("### Previews")
        preview = gr.Image(
            label="Newest preview",
            show_label=False,
            interactive=False,
            visible=False,
            buttons=["fullscreen"],
            elem_id="preview",
            alt_text="The newest preview",
        )
        history = gr.Gallery(
            label="Earlier previews",
            columns=4,
            visible=False,
            object_fit="contain",
            show_label=False,
            interactive=False,
            buttons=[],
            elem_classes="g-large",
        )
        with gr.Accordion("Losses", open=True):
            curves = gr.HTML(elem_id="curves")
        command = gr.Textbox(
            label="The same from the command line",
            interactive=False,
            buttons=["copy"],
            elem_id="command",
        )
    known = gr.State(())
    return StatusView(
        known, every, state, preview, history, curves, command, stop, resume, onward, timer
    )


def _connect(jobs: Jobs, watched: gr.BrowserState, view: StatusView) -> None:
    """Looks every second, and whenever something is asked for."""
    show: dict[str, Any] = {"outputs": view.components, "show_progress": "hidden", **HIDDEN}
    look = {"fn": partial(_show_status, jobs), "inputs": [watched, view.known], **show}
    view.timer.tick(**look)
    watched.change(partial(_show_status, jobs), watched, **show)
    stop, resume = show_errors(partial(_stop, jobs)), show_errors(partial(_resume, jobs))
    view.stop.click(stop, watched, view.timer, **HIDDEN).then(**look)
    view.resume.click(resume, watched, view.timer, **HIDDEN).then(**look)


def _list_fields(overview: DataOverview, model: str) -> list[Field]:
    """All options of a training, of the model first; what two of them have is the model's."""
    plugs = (
        registry.load("models", model),
        registry.load("modalities", overview.kind).learn,
        api.train,
    )
    names = [option.name for plug in plugs for option in registry.options(plug)]
    options = {option.name: option for option in registry.together(*reversed(plugs))}
    return [field(options[name]) for name in dict.fromkeys(names) if name not in DECIDED]


def _enable_start(fits: Sequence[ModelFit]) -> tuple[Any, ...]:
    """The minutes that do for what is recommended; and it can be started."""
    return (fits[0].minutes if fits else gr.skip()), gr.Button(interactive=bool(fits))


def _list_jobs(jobs: Jobs) -> Any:
    return gr.Dropdown([job.name for job in jobs], value=None)


def _start_timer() -> Any:
    return gr.Timer(active=True)


def _watch(name: str) -> tuple[str, Any]:
    return name, _start_timer()


def _start(
    jobs: Jobs,
    fields: Sequence[Field],
    overview: DataOverview | None,
    model: str,
    minutes: float,
    name: str,
    *values: Any,
) -> tuple[Any, ...]:
    """Starts a training with what was filled in."""
    if overview is None:
        raise InputError("hand in data first")
    options = filled_in(fields, values)
    for one in fields:
        if one.kind == "file" and one.name in options:
            options[one.name] = store_uploads([options[one.name]], jobs.runs)
    options |= {**overview.options, "minutes": minutes, "save_every": SAVE_EVERY}
    if overview.kind != guess_modality(overview.source):
        options["as_"] = overview.kind
    name = name.strip() or _find_free_name(jobs, f"{model}-{source_name(overview.source)}")
    return _watch(jobs.start(name, model, overview.source, options).name)


def _find_free_name(jobs: Jobs, name: str) -> str:
    """The name, with a number where there is such a run already."""
    taken = {folder.name for folder in jobs.runs.iterdir()} | {job.name for job in jobs}
    return next(candidate for candidate in _number_names(name) if candidate not in taken)


def _number_names(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}-{number}" for number in count(2))


def _show_status(jobs: Jobs, name: str | None, known: Any = ()) -> tuple[Any, ...]:
    """What the page shows of a training; images only where they are new."""
    if not name or name not in [job.name for job in jobs]:
        return (), gr.Column(visible=False), *[gr.skip()] * 9
    job = jobs[name]
    status = read_status(job)
    shown = (name, status.previews)
    images = (gr.skip(), gr.skip()) if shown == known else _show_previews(status)
    usable, running = (job.run / "state.json").is_file(), status.state == "training"
    return (
        shown,
        gr.Column(visible=True),
        status.html,
        *images,
        status.curves,
        join(job.command),
        gr.Button(visible=running),
        gr.Button(visible=status.state == "stopped"),
        gr.Button(visible=usable and not running),
        gr.Timer(active=running),
    )


def _show_previews(status: TrainingStatus) -> tuple[Any, Any]:
    """The newest preview, and those before it."""
    if not status.previews:
        return gr.Image(visible=False), gr.Gallery(visible=False)
    steps = [(Image.open(file), f"step {int(file.stem):,}") for file in status.previews]
    newest = gr.Image(steps[-1][0], visible=True)
    return newest, gr.Gallery(steps, visible=len(steps) > 1)


def _stop(jobs: Jobs, name: str) -> Any:
    jobs[name].stop()
    return _start_timer()


def _resume(jobs: Jobs, name: str) -> Any:
    jobs.resume(name)
    return _start_timer()
