"""Step 2: a training is started, watched, stopped and gone on with. It is a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from shlex import join
from typing import Any

import gradio as gr

from .. import api, plugins
from ..errors import InputError
from ..jobs import Jobs
from .asking import form
from .data_step import DataStep
from .forms import Field, field, filled_in
from .saying import HIDDEN, told
from .sight import Fit, Sight
from .watching import Moment, moment

DECIDED = frozenset({"out", "as_", "through", "to", "minutes", "quiet", "tensorboard", "save_every", "query"})
"""Options that the page decides, or asks for elsewhere."""

EVERY = 1.0  # seconds between looks
SAVE_EVERY = 20.0  # seconds: what is saved can be used while it goes on


@dataclass(frozen=True)
class TrainStep:
    """What the next step needs of this one: the run that is watched."""

    watched: gr.BrowserState
    onward: gr.Button


def build(page: gr.Blocks, jobs: Jobs, data: DataStep) -> TrainStep:
    """Draws the step and connects it."""
    watched, seen = gr.BrowserState("", storage_key="ganvas-training"), gr.State(())
    gr.Markdown("## How long?")
    minutes = gr.Slider(0.5, 240, 2, step=0.5, label="Minutes to train", elem_id="minutes", interactive=True,
                        info="More makes it better. You may stop at any time, use what there is, and go on.")  # fmt: skip
    start = gr.Button("Start training", variant="primary", elem_id="start")
    with gr.Accordion("Advanced options", open=False) as advanced:
        name = gr.Textbox("", label="Name of the run", interactive=True, info="Letters, digits, dots and dashes; by default of model and data")

        @gr.render(inputs=[data.sight, data.model])
        def options(sight: Sight | None, model: str | None) -> None:
            if sight is None or not model:
                gr.Markdown("Choose data and a model first.")
                return
            asked = _fields(sight, model)
            with gr.Group():
                components = form(asked, len(asked))
            start.click(
                told(partial(_start, jobs, asked)), [data.sight, data.model, minutes, name, *components],
                [watched, timer], **HIDDEN,
            )  # fmt: skip

    with gr.Column(visible=False) as live:
        state = gr.HTML(elem_id="state")
        with gr.Row():
            stop = gr.Button("Stop", visible=False, elem_id="stop")
            resume = gr.Button("Go on", visible=False, elem_id="resume")
            onward = gr.Button("Use it", variant="primary", visible=False, elem_id="use-it")
        preview = gr.Image(label="What it makes now", interactive=False, visible=False, buttons=["download", "fullscreen"],
                           elem_id="preview", alt_text="What the model makes now")  # fmt: skip
        grew = gr.Gallery(label="How it grew", columns=8, height="auto", visible=False, interactive=False, buttons=[])
        with gr.Accordion("Losses", open=True):
            curves = gr.HTML(elem_id="curves")
        command = gr.Textbox(label="The same from the command line", interactive=False, buttons=["copy"], elem_id="command")
    with gr.Accordion("Other trainings", open=False):
        other = gr.Dropdown([], value=None, label="Watch", elem_id="other", interactive=True)
    timer = gr.Timer(EVERY, active=False)

    shown = [seen, live, state, preview, grew, curves, command, stop, resume, onward, timer]
    look = {"fn": partial(_look, jobs), "inputs": [watched, seen], "outputs": shown, "show_progress": "hidden", **HIDDEN}
    timer.tick(**look)
    watched.change(**{**look, "fn": partial(_look_anew, jobs)})
    page.load(partial(_reopened, jobs), watched, [watched, other, timer], **HIDDEN).then(**{**look, "fn": partial(_look_anew, jobs)})
    other.input(lambda name: (name, gr.Timer(active=True)), other, [watched, timer], **HIDDEN)
    stop.click(told(partial(_stop, jobs)), watched, timer, **HIDDEN).then(**look)
    resume.click(told(partial(_resume, jobs)), watched, timer, **HIDDEN).then(**look)
    data.fits.change(_minutes, data.fits, minutes, **HIDDEN)
    return TrainStep(watched, onward)


def _fields(sight: Sight, model: str) -> list[Field]:
    """All that can be said of a training, of the model first."""
    reader = plugins.load("modalities", sight.kind)
    options = {o.name: o for plug in (api.train, reader.learn, plugins.load("models", model)) for o in plugins.options(plug)}
    own = [*plugins.options(plugins.load("models", model)), *plugins.options(reader.learn), *plugins.options(api.train)]
    return [field(options[name]) for name in dict.fromkeys(o.name for o in own) if name not in DECIDED]


def _minutes(fits: Sequence[Fit]) -> Any:
    """The minutes that do for what is recommended."""
    return fits[0].minutes if fits else gr.skip()


def _start(
    jobs: Jobs, fields: Sequence[Field], sight: Sight | None, model: str, minutes: float, name: str, *values: Any
) -> tuple[Any, ...]:
    """Starts a training with what was filled in."""
    if sight is None:
        raise InputError("hand in data first")
    options = {**filled_in(fields, values), **sight.options, "minutes": minutes, "save_every": SAVE_EVERY}
    options |= {"as_": sight.kind} if sight.kind != api.guess(sight.source) else {}
    name = name.strip() or _free(jobs, f"{model}-{api.name_of(sight.source)}")
    return jobs.start(name, model, sight.source, options).name, gr.Timer(active=True)


def _free(jobs: Jobs, name: str) -> str:
    """The name, with a number where there is such a run already."""
    taken = {folder.name for folder in jobs.runs.iterdir()} | {job.name for job in jobs}
    return next(one for one in (name, *(f"{name}-{i}" for i in range(2, 10_000))) if one not in taken)


def _reopened(jobs: Jobs, watched: str | None) -> tuple[Any, ...]:
    """What was watched in this browser last, if it is still there."""
    names = [job.name for job in jobs]
    found = watched if watched in names else ""
    return found, gr.Dropdown(names, value=None), gr.Timer(active=bool(found))


def _look_anew(jobs: Jobs, name: str | None, _: Any) -> tuple[Any, ...]:
    return _look(jobs, name, ())


def _look(jobs: Jobs, name: str | None, seen: Any) -> tuple[Any, ...]:
    """What the page shows of a training; pictures only where they are new."""
    if not name or name not in [job.name for job in jobs]:
        return (), gr.Column(visible=False), *[gr.skip()] * 8, gr.Timer(active=False)
    job = jobs[name]
    now = moment(job)
    fresh = (name, now.previews)
    pictures = (gr.skip(), gr.skip()) if fresh == seen else _pictures(now)
    usable, working = (job.run / "state.json").is_file(), now.state == "training"
    return (
        fresh, gr.Column(visible=True), now.html, *pictures, now.curves, join(job.command),
        gr.Button(visible=working), gr.Button(visible=now.state == "stopped"), gr.Button(visible=usable and not working),
        gr.Timer(active=working),
    )  # fmt: skip


def _pictures(now: Moment) -> tuple[Any, Any]:
    """The newest preview, and those before it."""
    if not now.previews:
        return gr.Image(visible=False), gr.Gallery(visible=False)
    rounds = [(str(file), f"round {int(file.stem):,}") for file in now.previews]
    newest = gr.Image(rounds[-1][0], visible=True, label=f"What it makes now ({rounds[-1][1]})")
    return newest, gr.Gallery(rounds, visible=len(rounds) > 1)


def _stop(jobs: Jobs, name: str) -> Any:
    jobs[name].stop()
    return gr.Timer(active=True)


def _resume(jobs: Jobs, name: str) -> Any:
    jobs.resume(name)
    return gr.Timer(active=True)
