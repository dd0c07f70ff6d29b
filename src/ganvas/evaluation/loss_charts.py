"""Losses over steps, as charts for a page: SVG in one piece, nothing fetched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import cycle
from math import ceil
from typing import Any, NamedTuple

from .figures import format_number

COLOURS = ("#3066be", "#d1495b", "#2e933c", "#b8860b", "#7d53de", "#00798c")
WIDE, HIGH, LEFT, BOTTOM = 460, 220, 56, 24  # of a chart, and the room for its axes
POINTS = 300  # of a curve, at most
TICKS = (0, 0.25, 0.5, 0.75, 1)

Point = tuple[float, float]
Range = tuple[float, float]
Log = Sequence[Mapping[str, Any]]


class Curve(NamedTuple):
    """One term of one player.

    dash: How the line is broken, as SVG says it; empty for a whole one.
    points: (step, value), the oldest first.
    """

    label: str
    colour: str
    dash: str
    points: list[Point]


def draw_losses(log: Log) -> str:
    """One chart a player: its terms over the steps, and the same terms on held-out data,
    dashed."""
    players: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for line in log for name in line):
        if _is_loss(name):
            players.setdefault(name.partition("/")[0], []).append(name)
    charts = "".join(_draw_chart(player, names, log) for player, names in players.items())
    return f'<div class="charts">{charts}</div>' if charts else ""


def _is_loss(name: str) -> bool:
    """Whether a column of the log is a term of a loss in training."""
    if name in ("step", "seconds") or name.endswith("/gradient"):
        return False
    return not name.startswith(("held_out/", "seen/"))


def _read_curves(names: Sequence[str], log: Log) -> Iterator[Curve]:
    """Terms of a player that were logged twice or more."""
    for name, colour in zip(names, cycle(COLOURS), strict=False):
        term = name.partition("/")[2]
        trained, held_out = _read_points(name, log), _read_points(f"held_out/{name}", log)
        if len(trained) > 1:
            yield Curve(term, colour, "", _thin_out(trained))
        if len(held_out) > 1:
            yield Curve(f"{term}, held out", colour, "5 4", _thin_out(held_out))


def _read_points(name: str, log: Log) -> list[Point]:
    return [(line["step"], line[name]) for line in log if name in line]


def _draw_chart(player: str, names: Sequence[str], log: Log) -> str:
    curves = list(_read_curves(names, log))
    if not curves:
        return ""
    points = [point for curve in curves for point in curve.points]
    steps = [step for step, _ in points]
    x, y = (min(steps), max(steps)), _find_range([value for _, value in points])
    lines = "".join(_draw_curve(curve, x, y) for curve in curves)
    ticks = "".join(_draw_tick(y[0] + (y[1] - y[0]) * part, part) for part in TICKS)
    key = "".join(_draw_key(curve) for curve in curves)
    return (
        f'<figure><svg viewBox="0 0 {WIDE} {HIGH}" role="img"'
        f' aria-label="{escape(player)}">{ticks}{_draw_steps(x)}{lines}</svg>'
        f'<figcaption>{escape(player)} over steps<div class="key">{key}</div></figcaption></figure>'
    )


def _draw_curve(curve: Curve, x: Range, y: Range) -> str:
    across = (WIDE - LEFT - 8) / max(x[1] - x[0], 1e-12)
    up = (HIGH - BOTTOM - 10) / max(y[1] - y[0], 1e-12)
    places = []
    for step, value in curve.points:
        inside = min(max(value, y[0]), y[1])
        left, top = LEFT + (step - x[0]) * across, HIGH - BOTTOM - (inside - y[0]) * up
        places.append(f"{left:.1f},{top:.1f}")
    return (
        f'<polyline points="{" ".join(places)}" fill="none" stroke="{curve.colour}"'
        f' stroke-width="1.5" stroke-dasharray="{curve.dash}"/>'
    )


def _draw_steps(x: Range) -> str:
    """The first and the last step, below the chart."""
    ends = (LEFT, "start", x[0]), (WIDE - 8, "end", x[1])
    return "".join(
        f'<text x="{left}" y="{HIGH - 6}" text-anchor="{anchor}">{step:,.0f}</text>'
        for left, anchor, step in ends
    )


def _draw_tick(value: float, part: float) -> str:
    y = HIGH - BOTTOM - part * (HIGH - BOTTOM - 10)
    return (
        f'<line x1="{LEFT}" x2="{WIDE - 8}" y1="{y:.1f}" y2="{y:.1f}" stroke="#8884"'
        f' stroke-width=".6"/><text x="{LEFT - 6}" y="{y + 4:.1f}"'
        f' text-anchor="end">{format_number(value)}</text>'
    )


def _draw_key(curve: Curve) -> str:
    line = "┄" if curve.dash else "—"
    return f'<span><b style="color:{curve.colour}">{line}</b> {escape(curve.label)}</span>'


def _find_range(values: Sequence[float]) -> Range:
    """A range that shows all but the wildest hundredth of the values at either end."""
    ordered = sorted(values)
    cut = len(ordered) // 100
    low, high = ordered[cut], ordered[-1 - cut]
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _thin_out(points: Sequence[Point]) -> list[Point]:
    """Means over neighbouring points, so that a curve has no more than it can show."""
    size = ceil(len(points) / POINTS)
    return [_average(points[i : i + size]) for i in range(0, len(points), size)]


def _average(points: Sequence[Point]) -> Point:
    steps, values = zip(*points, strict=True)
    return sum(steps) / len(points), sum(values) / len(points)
