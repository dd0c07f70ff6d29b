"""Step 3: a run is used for all that its model is able to do, and for nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from ...runtime import registry
from ...runtime.errors import InputError
from . import explore_step
from . import task_results as using
from .components import form
from .errors import HIDDEN, told
from .errors import words as words_of
from .forms import Field, filled_in
from .latent_explorer import explorable
from .task_results import Shown
from .train_step import TrainStep
from .training_status import run_at, trained

EXPLORE, REPORT = "explore", "report"
FIRST = "sample"
FEW = 12  # images that are shown larger


def build(page: gr.Blocks, runs: Path, train: TrainStep, tab: gr.Tab) -> None:
    """Draws the step and connects it."""
    answer = gr.State(None)
    gr.Markdown("## Use a run")
    run = gr.Dropdown([], label="Run", elem_id="run", filterable=True, interactive=True)
    task = gr.Radio(
        [], label="What to do with it", elem_classes="g-tasks", elem_id="task", interactive=True
    )

    @gr.render(inputs=[run, task], triggers=[run.change, task.change])
    def room(name: str | None, doing: str | None) -> None:
        try:
            folder = run_at(runs, name)
            if doing not in _able(folder):
                return
            if doing == EXPLORE:
                explore_step.build(folder)
            elif doing == REPORT:
                _report(folder, runs, answer)
            else:
                _form(folder, doing, runs, answer)
        except InputError as error:
            gr.Markdown(words_of(error))

    @gr.render(inputs=[answer])
    def result(shown: Shown | None) -> None:
        if shown is not None:
            show(shown)

    fresh = {"fn": partial(_runs, runs), "inputs": [train.watched, run], "outputs": run, **HIDDEN}
    tab.select(**fresh)
    page.load(**fresh)
    gr.on([run.change, task.change], lambda: None, None, answer, **HIDDEN)
    run.change(told(partial(_tasks, runs)), [run, task], task, **HIDDEN)


def _runs(runs: Path, watched: str | None, chosen: str | None) -> Any:
    """Runs that can be used; that which was just trained is chosen."""
    names = trained(runs)
    first = next((one for one in (watched, chosen) if one in names), names[0] if names else None)
    return gr.Dropdown(names, value=first)


def _able(run: Path) -> dict[str, str]:
    """What a run can be used for, in words, by name; what is done most comes first."""
    known = using.opened(run)
    names = sorted(known.tasks, key=lambda name: name != FIRST)
    able = {name: registry.summary("tasks", name).rstrip(".") for name in names}
    more = (
        {EXPLORE: "Walk through what it can make, on a map and by sliders"}
        if explorable(known)
        else {}
    )
    return able | more | {REPORT: "Read its report, or judge it on data it has not seen"}


def _tasks(runs: Path, name: str | None, chosen: str | None) -> Any:
    able = _able(run_at(runs, name)) if name else {}
    value = chosen if chosen in able else next(iter(able), None)
    return gr.Radio([(words, task) for task, words in able.items()], value=value)


def _form(run: Path, task: str, runs: Path, answer: gr.State) -> None:
    """The form of a task, made of its signature."""
    words = registry.summary("tasks", task)
    gr.Markdown(f"### {words.rstrip('.')}")
    files = [
        gr.File(
            file_count="multiple",
            height=140,
            elem_id=f"source-{name}",
            label=(
                f"Files to work on{'' if must else ', if you like'}: single ones, or a folder as"
                " a zip"
            ),
        )
        for name, must in using.sources(task)
    ]
    fields = using.asked(task, using.opened(run))
    components = form(fields)
    go = gr.Button(words.split(",")[0].split(":")[0].rstrip("."), variant="primary", elem_id="do")
    go.click(
        told(partial(_do, run, task, runs, len(files), fields)),
        [*files, *components],
        answer,
        concurrency_id="tasks",
        concurrency_limit=2,
        **HIDDEN,
    )


def _do(
    run: Path, task: str, runs: Path, sources: int, fields: Sequence[Field], *values: Any
) -> Shown:
    """Does a task with what was filled in."""
    given = [[one] if isinstance(one, str) else one or [] for one in values[:sources]]
    for (name, must), files in zip(using.sources(task), given, strict=True):
        if must and not files:
            raise InputError(
                f"{task} needs something to work on; hand in files{f' for {name}' * (sources > 1)}"
            )
    return using.do(run, task, given, filled_in(fields, values[sources:]), runs)


def _report(run: Path, runs: Path, answer: gr.State) -> None:
    gr.Markdown("### The report")
    with gr.Row():
        read = gr.Button("Read it", variant="primary", elem_id="do")
        judge = gr.Button("Judge it on data it has not seen (takes a minute or more)")
    read.click(told(partial(using.report, run, runs)), None, answer, **HIDDEN)
    judge.click(
        told(partial(using.judged, run, runs)),
        None,
        answer,
        concurrency_id="tasks",
        concurrency_limit=2,
        **HIDDEN,
    )


def show(shown: Shown) -> None:
    """Draws an answer: only what there is of it."""
    gr.Markdown("### What came of it")
    if shown.words:
        gr.Markdown(shown.words)
    for before, after in shown.pairs[:6]:
        both = Image.open(before), Image.open(after)
        gr.ImageSlider(
            both, label=f"{before.name}: before and after", max_height=420, interactive=False
        )
    if shown.images:
        named = [(str(file), file.stem) for file in shown.images]
        gr.Gallery(
            named,
            label="Images",
            columns=min(8, len(named)),
            interactive=False,
            show_label=False,
            object_fit="contain",
            elem_classes="g-grew" if len(named) <= FEW else None,
            elem_id="answer",
            buttons=["download", "fullscreen"],
        )
    for film in shown.films[:6]:
        gr.Video(str(film), label=film.name, interactive=False)
    if shown.page:
        gr.HTML(
            '<div class="g-page"><iframe title="a page of its own" sandbox="allow-scripts" '
            f'srcdoc="{escape(shown.page, quote=True)}"></iframe></div>',
            padding=False,
        )
    if shown.table is not None:
        gr.Dataframe(shown.table, label="The first rows", interactive=False, max_height=420)
    if shown.chart:
        gr.HTML(shown.chart, elem_id="quality")
    gr.File(
        [str(file) for file in shown.files], label="Download", elem_id="download", interactive=False
    )
