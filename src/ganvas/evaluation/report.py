"""A run on one page: what was trained, how it went, how good it is, and how to use it. One file,
nothing fetched."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from ..runs.run import Run
from ..runs.summary import IN_MEMORY, NO_DIAGNOSIS, RunSummary, format_options
from ..runtime.files import write_atomically
from .figures import Evaluation, Figure, direction_arrow, format_interval, format_number
from .loss_charts import draw_losses

STYLE = """
:root { color-scheme: light dark; --ink: #1d2433; --paper: #fff; --soft: #5c667a;
  --line: #dfe3ea; --card: #f6f7f9 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaf0; --paper: #14171d; --soft: #9aa3b5; --line: #2b313c; --card: #1b2028 } }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1020px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem }
h1 { font-size: 1.9rem; margin: 0 0 .2rem } h2 { font-size: 1.2rem; margin: 2.6rem 0 .8rem }
p, li { max-width: 70ch } .soft, figcaption, th { color: var(--soft) }
figure { margin: 0 0 1rem } figcaption { font-size: .88rem; margin-top: .4rem; max-width: 70ch }
img { max-width: 100%; border-radius: 6px; border: 1px solid var(--line) }
.charts, .images { display: grid; gap: 1.2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)) }
svg { width: 100%; height: auto; background: var(--card); border-radius: 6px }
svg text { fill: var(--soft); font-size: 11px }
.key { font-size: .88rem } .key span { margin-right: 1rem; white-space: nowrap }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .92rem; margin-bottom: 1rem }
th, td { text-align: right; padding: .35rem .8rem;
  border-bottom: 1px solid var(--line); white-space: nowrap }
th:first-child, td:first-child { text-align: left }
td b { font-weight: 650 } th { font-weight: 500 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; margin: 1rem 0 }
dt { color: var(--soft) } dd { margin: 0; overflow-wrap: anywhere }
pre { background: var(--card); border-radius: 6px; padding: .9rem 1rem;
  overflow-x: auto; font-size: .88rem }
"""


@dataclass(frozen=True)
class Image:
    """A file to show, and the sentence under it."""

    file: Path
    caption: str


def write_report(
    run: Run,
    evaluation: Evaluation | None,
    images: Sequence[Image],
    tasks: Sequence[str],
    target: Path,
) -> Path:
    """Writes the page of a run. Images become part of it."""
    summary = RunSummary(run)
    sections = [
        ("", _summary(summary)),
        ("Examples", _images(images)),
        ("Evaluation", _figures(evaluation, run)),
        ("Diagnosis", _diagnosis(run, summary)),
        ("Losses", draw_losses(run.read_log())),
        ("Usage", _usage(run, tasks)),
    ]
    body = "".join(
        f"<h2>{title}</h2>{content}" if title else content for title, content in sections if content
    )
    title = f"{summary.model} on {summary.data_name or IN_MEMORY}"
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport"'
        ' content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1>{body}</html>\n"
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, page.encode())
    return target


def _summary(summary: RunSummary) -> str:
    rows = {
        "trained on": summary.data,
        "trained": summary.progress,
        "options": format_options(summary.options),
        "training": format_options(summary.training),
        "versions": format_options(summary.versions, " "),
    }
    if summary.privacy:
        rows["privacy"] = summary.privacy
    items = "".join(f"<dt>{name}</dt><dd>{escape(words)}</dd>" for name, words in rows.items())
    return f"<dl>{items}</dl>"


def _diagnosis(run: Run, summary: RunSummary) -> str:
    """What was wrong, since when, what to do about it, and what was done."""
    if "diagnoses" not in run.state:
        return ""
    lines = [
        f"<li><b>{escape(one.kind)}</b>{escape(str(one).removeprefix(one.kind))}</li>"
        for one in run.diagnoses
    ]
    lines += [f"<li class=soft>recovery in {escape(words)}</li>" for words in summary.interventions]
    return f"<ul>{''.join(lines)}</ul>" if lines else f"<p>{NO_DIAGNOSIS.capitalize()}.</p>"


def _images(images: Sequence[Image]) -> str:
    shown = "".join(_draw_image(image) for image in images)
    return f'<div class="images">{shown}</div>' if shown else ""


def _draw_image(image: Image) -> str:
    kind = {".gif": "gif", ".png": "png"}[image.file.suffix]
    content = base64.b64encode(image.file.read_bytes()).decode()
    words = escape(image.caption)
    return (
        f'<figure><img src="data:image/{kind};base64,{content}" alt="{words}">'
        f"<figcaption>{words}</figcaption></figure>"
    )


def _figures(evaluation: Evaluation | None, run: Run) -> str:
    if evaluation is None:
        return f"<p>Not evaluated yet: <code>ganvas evaluate {escape(str(run.path))}</code></p>"
    tables = "".join(_table(baselines, figures) for baselines, figures in evaluation.groups())
    notes = "".join(f"<li>{escape(note)}</li>" for note in evaluation.notes)
    verdict = "".join(f"<p><b>{escape(sentence)}</b></p>" for sentence in evaluation.verdict)
    return f"{verdict}{tables}<ul class=soft>{notes}</ul>"


def _table(baselines: list[str], figures: Iterable[Figure]) -> str:
    titles = ("", "this model", "95 % interval", *baselines)
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    rows = "".join(_row(figure, baselines) for figure in figures)
    return f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>'


def _row(figure: Figure, baselines: Sequence[str]) -> str:
    name = escape(f"{figure.name} {direction_arrow(figure)}")
    value = format_number(figure.value.value)
    numbers = [format_number(figure.beside[baseline].value) for baseline in baselines]
    beside = "".join(f"<td>{number}</td>" for number in numbers)
    return (
        f"<tr><td>{name}</td><td><b>{value}</b></td><td"
        f" class=soft>{format_interval(figure.value)}</td>{beside}</tr>"
    )


def _usage(run: Run, tasks: Sequence[str]) -> str:
    path = str(run.path)
    commands = [f"ganvas {task} {path} --out {task}/" for task in tasks]
    commands += [f"ganvas evaluate {path} other-images/", f"ganvas train --resume {path}"]
    calls = [f"run.{task}(…)" for task in tasks]
    python = ["import ganvas", "", f'run = ganvas.load("{path}")', *calls]
    blocks = ["\n".join(commands), "\n".join(python)]
    return "".join(f"<pre>{escape(block)}</pre>" for block in blocks)
