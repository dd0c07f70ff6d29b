"""Step 2: a training is started, watched, stopped and gone on with. It is a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from shlex import join
from typing import Any

import gradio as gr
from PIL import Image

from ... import api
from ...data._recognition import guess_modality, source_name
from ...runtime import registry
from ...runtime.errors import InputError
from ..jobs import Jobs
from . import uploads
from .components import form
from .data_overview import DataOverview, Fit
from .data_step import DataStep
from .errors import HIDDEN, told
from .forms import Field, field, filled_in
from .training_status import TrainingStatus, moment

DECIDED = frozenset(
    {"out", "as_", "through", "to", "minutes", "quiet", "tensorboard", "save_every", "query"}
)
"""Options that the page decides, or asks for elsewhere."""

SECRET = (  # the same for every studio, so that what was watched is remembered by the next
    "a name is none"
)
EVERY = 1.0  # seconds between looks
SAVE_EVERY = 20.0  # seconds: what is saved can be used while it goes on


@dataclass(frozen=True)
class TrainStep:
    """What the next step needs of this one: the run that is watched."""

    watched: gr.BrowserState
    onward: gr.Button


@dataclass(frozen=True)
class Live:
    """What is seen of a training."""

    seen: gr.State
    all: gr.Column
    state: gr.HTML
    preview: gr.Image
    grew: gr.Gallery
    curves: gr.HTML
    command: gr.Textbox
    stop: gr.Button
    resume: gr.Button
    onward: gr.Button
    timer: gr.Timer

    @property
    def shown(self) -> list[Any]:
        """All of it, in the order of `_look`."""
        return [getattr(self, one.name) for one in fields(self)]


def build(page: gr.Blocks, jobs: Jobs, data: DataStep) -> TrainStep:
    """Draws the step and connects it."""
    watched = gr.BrowserState("", storage_key="ganvas-training", secret=SECRET)
    timer = gr.Timer(EVERY, active=False)
    gr.Markdown("## How long?")
    minutes = gr.Slider(
        0.5,
        240,
        2,
        step=0.5,
        label="Minutes to train",
        elem_id="minutes",
        interactive=True,
        info="More makes it better. Stop at any time, use what there is, and go on.",
    )
    start = gr.Button("Start training", variant="primary", elem_id="start", interactive=False)
    with gr.Accordion("Advanced options", open=False):
        name = gr.Textbox(
            "",
            label="Name of the run",
            interactive=True,
            elem_id="name",
            info="Letters, digits, dots and dashes; by default of model and data",
        )

        @gr.render(inputs=[data.sight, data.model])
        def options(sight: DataOverview | None, model: str | None) -> None:
            if sight is None or not model:
                gr.Markdown("Choose data and a model first.")
                return
            asked = _fields(sight, model)
            said = [data.sight, data.model, minutes, name, *form(asked, len(asked))]
            start.click(told(partial(_start, jobs, asked)), said, [watched, timer], **HIDDEN)

    live = _live(timer)
    with gr.Accordion("Other trainings", open=False):
        other = gr.Dropdown([], value=None, label="Watch", elem_id="other", interactive=True)
    data.fits.change(_ready, data.fits, [minutes, start], **HIDDEN)
    page.load(lambda: gr.Dropdown([job.name for job in jobs], value=None), None, other, **HIDDEN)
    page.load(
        lambda: gr.Timer(active=True), None, timer, **HIDDEN
    )  # what was watched may come from the browser later
    other.input(lambda name: (name, gr.Timer(active=True)), other, [watched, timer], **HIDDEN)
    _connect(jobs, watched, live)
    return TrainStep(watched, live.onward)


def _live(timer: gr.Timer) -> Live:
    """Draws what is seen of a training."""
    with gr.Column(visible=False) as every:
        state = gr.HTML(elem_id="state", padding=False)
        with gr.Row():
            stop = gr.Button("Stop", visible=False, elem_id="stop")
            resume = gr.Button("Go on", visible=False, elem_id="resume")
            onward = gr.Button("Use it", variant="primary", visible=False, elem_id="use-it")
        gr.Markdown("### What it makes now, and how that grew")
        preview = gr.Image(
            label="What it makes now",
            show_label=False,
            interactive=False,
            visible=False,
            buttons=["fullscreen"],
            elem_id="preview",
            alt_text="What the model makes now",
        )
        grew = gr.Gallery(
            label="How it grew",
            columns=4,
            visible=False,
            object_fit="contain",
            show_label=False,
            interactive=False,
            buttons=[],
            elem_classes="g-grew",
        )
        with gr.Accordion("Losses", open=True):
            curves = gr.HTML(elem_id="curves")
        command = gr.Textbox(
            label="The same from the command line",
            interactive=False,
            buttons=["copy"],
            elem_id="command",
        )
    return Live(
        gr.State(()), every, state, preview, grew, curves, command, stop, resume, onward, timer
    )


def _connect(jobs: Jobs, watched: gr.BrowserState, live: Live) -> None:
    """Looks every second, and whenever something is asked for."""
    look: dict[str, Any] = {"outputs": live.shown, "show_progress": "hidden", **HIDDEN}
    known = {"fn": partial(_look, jobs), "inputs": [watched, live.seen], **look}
    live.timer.tick(**known)
    watched.change(partial(_look, jobs), watched, **look)
    live.stop.click(told(partial(_stop, jobs)), watched, live.timer, **HIDDEN).then(**known)
    live.resume.click(told(partial(_resume, jobs)), watched, live.timer, **HIDDEN).then(**known)


def _fields(sight: DataOverview, model: str) -> list[Field]:
    """All that can be said of a training, of the model first; what two of them have is the
    model's."""
    plugs = (
        registry.load("models", model),
        registry.load("modalities", sight.kind).learn,
        api.train,
    )
    options = {option.name: option for plug in reversed(plugs) for option in registry.options(plug)}
    names = dict.fromkeys(option.name for plug in plugs for option in registry.options(plug))
    return [field(options[name]) for name in names if name not in DECIDED]


def _ready(fits: Sequence[Fit]) -> tuple[Any, ...]:
    """The minutes that do for what is recommended; and it can be started."""
    return (fits[0].minutes if fits else gr.skip()), gr.Button(interactive=bool(fits))


def _start(
    jobs: Jobs,
    fields: Sequence[Field],
    sight: DataOverview | None,
    model: str,
    minutes: float,
    name: str,
    *values: Any,
) -> tuple[Any, ...]:
    """Starts a training with what was filled in."""
    if sight is None:
        raise InputError("hand in data first")
    said = filled_in(fields, values)
    handed = [one.name for one in fields if one.kind == "file" and one.name in said]
    files = {name: uploads.kept([said[name]], jobs.runs) for name in handed}
    options = {**said, **files, **sight.options, "minutes": minutes, "save_every": SAVE_EVERY}
    options |= {"as_": sight.kind} if sight.kind != guess_modality(sight.source) else {}
    name = name.strip() or _free(jobs, f"{model}-{source_name(sight.source)}")
    return jobs.start(name, model, sight.source, options).name, gr.Timer(active=True)


def _free(jobs: Jobs, name: str) -> str:
    """The name, with a number where there is such a run already."""
    taken = {folder.name for folder in jobs.runs.iterdir()} | {job.name for job in jobs}
    return next(
        one for one in (name, *(f"{name}-{i}" for i in range(2, 10_000))) if one not in taken
    )


def _look(jobs: Jobs, name: str | None, seen: Any = ()) -> tuple[Any, ...]:
    """What the page shows of a training; images only where they are new."""
    if not name or name not in [job.name for job in jobs]:
        return (), gr.Column(visible=False), *[gr.skip()] * 9
    job = jobs[name]
    now = moment(job)
    fresh = (name, now.previews)
    images = (gr.skip(), gr.skip()) if fresh == seen else _images(now)
    usable, working = (job.run / "state.json").is_file(), now.state == "training"
    return (
        fresh,
        gr.Column(visible=True),
        now.html,
        *images,
        now.curves,
        join(job.command),
        gr.Button(visible=working),
        gr.Button(visible=now.state == "stopped"),
        gr.Button(visible=usable and not working),
        gr.Timer(active=working),
    )


def _images(now: TrainingStatus) -> tuple[Any, Any]:
    """The newest preview, and those before it."""
    if not now.previews:
        return gr.Image(visible=False), gr.Gallery(visible=False)
    steps = [(Image.open(file), f"step {int(file.stem):,}") for file in now.previews]
    newest = gr.Image(steps[-1][0], visible=True)
    return newest, gr.Gallery(steps, visible=len(steps) > 1)


def _stop(jobs: Jobs, name: str) -> Any:
    jobs[name].stop()
    return gr.Timer(active=True)


def _resume(jobs: Jobs, name: str) -> Any:
    jobs.resume(name)
    return gr.Timer(active=True)
