"""The figures in words: what is good, what to distrust, whether anything was memorised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .figures import Figure

EXPECTED = {
    "DCR share": 0.5,
    "near duplicates": 0.01,
    "exact duplicates beyond chance": 0.0,
    "membership inference (AUC)": 0.5,
}
"""Figures of privacy, and what they are where nothing was memorised."""

SLACK = 0.03  # by which a figure of privacy may exceed that before it is worth a warning
CLOSE, POOR = 0.9, 0.5  # shares of the way from the best baseline to real data
NEAR = 0.05  # of real data's figure: a baseline that comes so near to it is no yardstick


def verdict(figures: Sequence[Figure]) -> tuple[str, ...]:
    """One sentence each for what is close to real data, what is to be distrusted, and privacy;
    those that apply.

    A figure is good where it has come nine tenths of the way from the best baseline to real
    data, or cannot be distinguished from real data; it is to be distrusted where it has come less
    than half of it. Where a baseline is as good as real data, a figure is good within 2 % of both
    and to be distrusted beyond 10 %. Privacy is in doubt where a figure lies above what it would be
    without memorisation, beyond its interval.
    """
    good: list[str] = []
    poor: list[str] = []
    for figure in figures:
        reached = _reached(figure)
        if reached is not None and not POOR <= reached < CLOSE:
            (poor if reached < POOR else good).append(figure.name)
    return tuple(_sentences(good, poor, [f for f in figures if f.name in EXPECTED]))


def _sentences(good: list[str], poor: list[str], private: list[Figure]) -> Iterator[str]:
    if good:
        yield f"Close to real data: {', '.join(good)}."
    if poor:
        yield f"Distrust what depends on: {', '.join(poor)}."
    doubtful = [f for f in private if f.value.low > EXPECTED[f.name] + SLACK]
    if doubtful:
        names = ", ".join(
            f"{f.name} {f.value.value:.2f}, without memorisation {EXPECTED[f.name]:g}"
            for f in doubtful
        )
        yield f"Privacy: samples reveal training data ({names}); do not share them."
    elif private:
        yield (
            "Privacy: no sign of memorisation; that is no proof that no training example could be"
            " inferred."
        )


def _reached(figure: Figure) -> float | None:
    """How far from the best baseline, 0, to real data, 1, a figure has come; None where that
    means nothing."""
    baselines = [e.value for name, e in figure.beside.items() if name != "real data"]
    if (
        "real data" not in figure.beside
        or not baselines
        or figure.larger_is_better is None
        or figure.name in EXPECTED
    ):
        return None
    sign = 1 if figure.larger_is_better else -1
    real, best = sign * figure.beside["real data"].value, max(sign * value for value in baselines)
    value = sign * figure.value.value
    within = figure.value.low <= figure.beside["real data"].value <= figure.value.high
    if within or value >= real:
        return 1.0
    if real - best < NEAR * abs(
        real
    ):  # the baseline is as good as real data, so that only the distance counts
        return 1 - 5 * (real - value) / abs(real)
    return (value - best) / (real - best)
