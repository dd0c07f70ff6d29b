"""A run on one page: what was trained, how it went, how good it is, and how to use it. One file,
nothing fetched."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import cycle
from math import ceil
from pathlib import Path
from typing import Any

from ..runs.run import Run
from ..runtime.files import write_atomically
from .figures import Evaluation, direction_arrow, format_interval, format_number

COLOURS = ("#3066be", "#d1495b", "#2e933c", "#b8860b", "#7d53de", "#00798c")
WIDE, HIGH, LEFT, BOTTOM = 460, 220, 56, 24  # of a chart, and the room for its axes

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
    card = run.config
    sections = [
        ("", _summary(run)),
        ("What it makes", _images(images)),
        ("How good it is", _figures(evaluation, run)),
        ("Health", _health(run)),
        ("How it learned", charts(run.read_log())),
        ("How to use it", _usage(run, tasks)),
    ]
    body = "".join(
        f"<h2>{title}</h2>{content}" if title else content for title, content in sections if content
    )
    title = (
        f"{card['model']} on {Path(card['source']).name if card['source'] else 'data in memory'}"
    )
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport"'
        ' content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1>{body}</html>\n"
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, page.encode())
    return target


def _summary(run: Run) -> str:
    card, state = run.config, run.state
    done = "" if state["finished"] else " (not finished)"
    training = {
        k: v for k, v in card["training"].items() if v is not None and v is not False and v != {}
    }
    rows = {
        "learned from": card["source"] or "data in memory",
        "trained": f"{state['step']:,} steps in {_clock(state['seconds'])}{done}",
        "options": _listed(card["options"]) or "all as they are by default",
        "training": _listed(training),
        "versions": _listed(card["versions"], " "),
    }
    if run.promise:
        rows["privacy"] = str(run.promise)
    items = "".join(f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in rows.items())
    return f"<dl>{items}</dl>"


def _health(run: Run) -> str:
    """What was wrong, since when, what to do about it, and what was done."""
    if "diagnoses" not in run.state:
        return ""
    ills = "".join(
        f"<li><b>{escape(one.kind)}</b>{escape(str(one).removeprefix(one.kind))}</li>"
        for one in run.diagnoses
    )
    done = "".join(
        f"<li class=soft>treated in {escape(str(one))}</li>" for one in run.interventions
    )
    return f"<ul>{ills}{done}</ul>" if ills or done else "<p>Nothing was seen to be wrong.</p>"


def _images(images: Sequence[Image]) -> str:
    shown = ""
    for image in images:
        words, content = escape(image.caption), _embedded(image.file)
        shown += (
            f'<figure><img src="{content}" alt="{words}"><figcaption>{words}</figcaption></figure>'
        )
    return f'<div class="images">{shown}</div>' if shown else ""


def _figures(evaluation: Evaluation | None, run: Run) -> str:
    if evaluation is None:
        return f"<p>Not judged yet: <code>ganvas evaluate {escape(str(run.path))}</code></p>"
    tables = "".join(_table(rivals, figures) for rivals, figures in evaluation.groups())
    notes = "".join(f"<li>{escape(note)}</li>" for note in evaluation.notes)
    verdict = "".join(f"<p><b>{escape(sentence)}</b></p>" for sentence in evaluation.verdict)
    return f"{verdict}{tables}<ul class=soft>{notes}</ul>"


def _table(rivals: list[str], figures: Iterable[Any]) -> str:
    head = "".join(
        f"<th>{escape(name)}</th>" for name in ("", "this model", "95 % interval", *rivals)
    )
    rows = ""
    for f in figures:
        beside = "".join(f"<td>{format_number(f.beside[rival].value)}</td>" for rival in rivals)
        name, value = escape(f"{f.name} {direction_arrow(f)}"), format_number(f.value.value)
        rows += (
            f"<tr><td>{name}</td><td><b>{value}</b></td><td"
            f" class=soft>{format_interval(f.value)}</td>{beside}</tr>"
        )
    return f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>'


def charts(log: list[dict[str, Any]]) -> str:
    """One chart a player: its terms over the steps, and the same terms on held-out data,
    dashed."""
    players: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for line in log for name in line):
        if (
            name not in ("step", "seconds")
            and not name.startswith(("held_out/", "seen/"))
            and not name.endswith("/gradient")
        ):
            players.setdefault(name.partition("/")[0], []).append(name)
    charts = "".join(_chart(player, names, log) for player, names in players.items())
    return f'<div class="charts">{charts}</div>' if charts else ""


def _chart(player: str, names: list[str], log: list[dict[str, Any]]) -> str:
    curves: list[tuple[str, str, str, list[tuple[float, float]]]] = []
    for name, colour in zip(names, cycle(COLOURS), strict=False):
        term = name.partition("/")[2]
        for key, label, dash in (
            (name, term, ""),
            (f"held_out/{name}", f"{term}, held out", "5 4"),
        ):
            points = [(line["step"], line[key]) for line in log if key in line]
            if len(points) > 1:
                curves.append((label, colour, dash, _thinned(points)))
    if not curves:
        return ""
    xs, ys = ([point[axis] for *_, points in curves for point in points] for axis in (0, 1))
    low, high = _most(ys)
    drawn = "".join(
        _curve(points, colour, dash, (min(xs), max(xs)), (low, high))
        for _, colour, dash, points in curves
    )
    ticks = "".join(_tick(low + (high - low) * part, part) for part in (0, 0.25, 0.5, 0.75, 1))
    steps = "".join(
        f'<text x="{x}" y="{HIGH - 6}" text-anchor="{a}">{v:,.0f}</text>'
        for x, a, v in ((LEFT, "start", min(xs)), (WIDE - 8, "end", max(xs)))
    )
    key = "".join(
        f'<span><b style="color:{colour}">{"┄" if dash else "—"}</b> {escape(label)}</span>'
        for label, colour, dash, _ in curves
    )
    return (
        f'<figure><svg viewBox="0 0 {WIDE} {HIGH}" role="img"'
        f' aria-label="{escape(player)}">{ticks}{steps}{drawn}</svg><figcaption>{escape(player)}'
        f' over steps<div class="key">{key}</div></figcaption></figure>'
    )


def _curve(
    points: list[tuple[float, float]],
    colour: str,
    dash: str,
    x: tuple[float, float],
    y: tuple[float, float],
) -> str:
    across = (WIDE - LEFT - 8) / max(x[1] - x[0], 1e-12)
    up = (HIGH - BOTTOM - 10) / max(y[1] - y[0], 1e-12)
    base = HIGH - BOTTOM
    path = " ".join(
        f"{LEFT + (p - x[0]) * across:.1f},{base - (min(max(q, y[0]), y[1]) - y[0]) * up:.1f}"
        for p, q in points
    )
    return (
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"'
        f' stroke-dasharray="{dash}"/>'
    )


def _tick(value: float, part: float) -> str:
    y = HIGH - BOTTOM - part * (HIGH - BOTTOM - 10)
    return (
        f'<line x1="{LEFT}" x2="{WIDE - 8}" y1="{y:.1f}" y2="{y:.1f}" stroke="#8884"'
        f' stroke-width=".6"/><text x="{LEFT - 6}" y="{y + 4:.1f}"'
        f' text-anchor="end">{format_number(value)}</text>'
    )


def _most(values: list[float]) -> tuple[float, float]:
    """A range that shows all but the wildest hundredth of the values at either end."""
    ordered = sorted(values)
    cut = len(ordered) // 100
    low, high = ordered[cut], ordered[-1 - cut]
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _thinned(points: list[tuple[float, float]], most: int = 300) -> list[tuple[float, float]]:
    """Means over neighbouring points, so that a curve has no more than it can show."""
    size = ceil(len(points) / most)
    parts = [points[i : i + size] for i in range(0, len(points), size)]
    return [
        (sum(p for p, _ in part) / len(part), sum(q for _, q in part) / len(part)) for part in parts
    ]


def _usage(run: Run, tasks: Sequence[str]) -> str:
    path = str(run.path)
    lines = [f"ganvas {task} {path} --out {task}/" for task in tasks]
    lines += [f"ganvas evaluate {path} other-images/", f"ganvas train --resume {path}"]
    python = f'import ganvas\n\nrun = ganvas.load("{path}")\n' + "\n".join(
        f"run.{task}(…)" for task in tasks
    )
    return f"<pre>{escape(chr(10).join(lines))}</pre><pre>{escape(python)}</pre>"


def _embedded(file: Path) -> str:
    kind = {".gif": "gif", ".png": "png"}[file.suffix]
    return f"data:image/{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"


def _listed(values: Mapping[str, Any], join: str = "=") -> str:
    return ", ".join(f"{name}{join}{value}" for name, value in values.items())


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"
