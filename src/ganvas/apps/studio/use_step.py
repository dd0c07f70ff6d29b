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
from . import explore_step, task_results
from .components import form
from .errors import HIDDEN, show_errors
from .errors import words as words_of
from .forms import Field, filled_in
from .latent_explorer import is_explorable
from .task_results import Shown
from .train_step import TrainStep
from .training_status import find_run, list_runs

EXPLORE, REPORT = "explore", "report"
FIRST = "sample"
FEW = 12  # images that are shown larger
QUEUE: dict[str, Any] = {"concurrency_id": "tasks", "concurrency_limit": 2, **HIDDEN}
"""Of what keeps a model busy: two at once."""


def build(page: gr.Blocks, runs: Path, train: TrainStep, tab: gr.Tab) -> None:
    """Draws the step and connects it."""
    answer = gr.State(None)
    gr.Markdown("## Trained run")
    run = gr.Dropdown([], label="Run", elem_id="run", filterable=True, interactive=True)
    task = gr.Radio([], label="Task", elem_classes="g-tasks", elem_id="task", interactive=True)

    def draw_task(name: str | None, task: str | None) -> None:
        try:
            _draw_task(find_run(runs, name), task, runs, answer)
        except InputError as error:
            gr.Markdown(words_of(error))

    def draw_answer(shown: Shown | None) -> None:
        if shown is not None:
            show(shown)

    gr.render(inputs=[run, task], triggers=[run.change, task.change])(draw_task)
    gr.render(inputs=[answer])(draw_answer)
    update_runs = partial(_update_runs, runs)
    fresh = {"fn": update_runs, "inputs": [train.watched, run], "outputs": run, **HIDDEN}
    tab.select(**fresh)
    page.load(**fresh)
    gr.on([run.change, task.change], lambda: None, None, answer, **HIDDEN)
    run.change(show_errors(partial(_update_tasks, runs)), [run, task], task, **HIDDEN)


def _draw_task(run: Path, task: str | None, runs: Path, answer: gr.State) -> None:
    """The room for what is done with a run; nothing where it cannot do that."""
    if task is None or task not in _list_tasks(run):
        return
    if task == EXPLORE:
        explore_step.build(run)
    elif task == REPORT:
        _draw_report(run, runs, answer)
    else:
        _draw_form(run, task, runs, answer)


def _update_runs(runs: Path, watched: str | None, chosen: str | None) -> Any:
    """Runs that can be used; that which was just trained is chosen."""
    names = list_runs(runs)
    wanted = [name for name in (watched, chosen, *names) if name in names]
    return gr.Dropdown(names, value=wanted[0] if wanted else None)


def _list_tasks(run: Path) -> dict[str, str]:
    """What a run can be used for, in words, by name; what is done most comes first."""
    trained = task_results.open_run(run)
    names = sorted(trained.tasks, key=lambda name: name != FIRST)
    tasks = {name: registry.summary("tasks", name).rstrip(".") for name in names}
    if is_explorable(trained):
        tasks[EXPLORE] = "Latent space: a map, sliders, and interpolation"
    tasks[REPORT] = "Evaluation: the report, and figures on held-out data"
    return tasks


def _update_tasks(runs: Path, name: str | None, chosen: str | None) -> Any:
    tasks = _list_tasks(find_run(runs, name)) if name else {}
    value = chosen if chosen in tasks else next(iter(tasks), None)
    return gr.Radio([(words, task) for task, words in tasks.items()], value=value)


def _draw_form(run: Path, task: str, runs: Path, answer: gr.State) -> None:
    """The form of a task, made of its signature."""
    name, _, sentence = registry.summary("tasks", task).rstrip(".").partition(": ")
    gr.Markdown(f"### {name}\n\n{sentence[:1].upper()}{sentence[1:]}.")
    files = [_draw_source(source, needed) for source, needed in task_results.sources(task)]
    fields = task_results.asked(task, task_results.open_run(run))
    components = form(fields)
    start = gr.Button("Run", variant="primary", elem_id="do")
    start.click(
        show_errors(partial(_run_task, run, task, runs, len(files), fields)),
        [*files, *components],
        answer,
        **QUEUE,
    )


def _draw_source(name: str, needed: bool) -> gr.File:
    optional = "" if needed else " (optional)"
    return gr.File(
        file_count="multiple",
        height=140,
        elem_id=f"source-{name}",
        label=f"Files to work on{optional}: single ones, or a folder as a zip",
    )


def _run_task(
    run: Path, task: str, runs: Path, sources: int, fields: Sequence[Field], *values: Any
) -> Shown:
    """Does a task with what was filled in."""
    given = [[one] if isinstance(one, str) else one or [] for one in values[:sources]]
    for (name, needed), files in zip(task_results.sources(task), given, strict=True):
        if needed and not files:
            which = f" for {name}" if sources > 1 else ""
            raise InputError(f"{task} needs something to work on; hand in files{which}")
    return task_results.do(run, task, given, filled_in(fields, values[sources:]), runs)


def _draw_report(run: Path, runs: Path, answer: gr.State) -> None:
    gr.Markdown("### Evaluation")
    with gr.Row():
        read = gr.Button("Open the report", variant="primary", elem_id="do")
        evaluate = gr.Button("Evaluate on held-out data (takes a minute or more)")
    read.click(show_errors(partial(task_results.report, run, runs)), None, answer, **HIDDEN)
    evaluate.click(show_errors(partial(task_results.judged, run, runs)), None, answer, **QUEUE)


def show(shown: Shown) -> None:
    """Draws an answer: only what there is of it."""
    gr.Markdown("### Result")
    if shown.words:
        gr.Markdown(shown.words)
    for before, after in shown.pairs[:6]:
        both = Image.open(before), Image.open(after)
        gr.ImageSlider(
            both, label=f"{before.name}: before and after", max_height=420, interactive=False
        )
    if shown.images:
        _draw_gallery(shown.images)
    for film in shown.films[:6]:
        gr.Video(str(film), label=film.name, interactive=False)
    if shown.page:
        gr.HTML(
            '<div class="g-page"><iframe title="a page of its own" sandbox="allow-scripts" '
            f'srcdoc="{escape(shown.page, quote=True)}"></iframe></div>',
            padding=False,
        )
    if shown.table is not None:
        gr.Dataframe(shown.table, label="First rows", interactive=False, max_height=420)
    if shown.chart:
        gr.HTML(shown.chart, elem_id="quality")
    gr.File(
        [str(file) for file in shown.files], label="Download", elem_id="download", interactive=False
    )


def _draw_gallery(images: Sequence[Path]) -> None:
    named = [(str(file), file.stem) for file in images]
    gr.Gallery(
        named,
        label="Images",
        columns=min(8, len(named)),
        interactive=False,
        show_label=False,
        object_fit="contain",
        elem_classes="g-large" if len(named) <= FEW else None,
        elem_id="answer",
        buttons=["download", "fullscreen"],
    )
