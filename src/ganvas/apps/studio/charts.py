"""Real beside synthetic, column by column, as bar charts that can be read aloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np
import pandas as pd

BINS = 16
LEVELS = 12
WIDE, HIGH, FOOT = 300, 110, 16
REAL, SYNTHETIC = "var(--g-real)", "var(--g-synthetic)"


@dataclass(frozen=True, eq=False)
class ColumnShares:
    """How often each value of a column comes.

    labels: What the bars stand for: ranges of numbers, or levels.
    real, synthetic: The share of values in each.
    """

    labels: list[str]
    real: np.ndarray
    synthetic: np.ndarray

    @property
    def distance(self) -> float:
        """Total variation distance: 0 where both are alike, 1 where they have nothing in common."""
        return float(abs(self.real - self.synthetic).sum() / 2)


def compare_columns(real: pd.DataFrame, synthetic: pd.DataFrame, label: str = "real") -> str:
    """A chart for each column that both have: how often each value comes, and the total variation
    distance.

    label: What the real ones are.
    """
    shared = [name for name in real.columns if name in synthetic.columns]
    charts = [
        _draw_column(str(name), _count_values(real[name], synthetic[name])) for name in shared
    ]
    key = (
        f'<p class=soft><b style="color:{REAL}">■</b> {label} <b style="color:{SYNTHETIC}">■</b>'
        " synthetic; the number is the total variation distance: the share of synthetic values"
        " that would have to be others.</p>"
    )
    return f'{key}<div class="g-columns">{"".join(charts)}</div>' if charts else ""


def _count_values(real: pd.Series, synthetic: pd.Series) -> ColumnShares:
    if pd.api.types.is_numeric_dtype(real) and real.nunique() > LEVELS:
        return _count_numbers(real, synthetic)
    levels = [str(level) for level in real.astype(str).value_counts().index[:LEVELS]]
    return ColumnShares(levels, _level_shares(real, levels), _level_shares(synthetic, levels))


def _count_numbers(real: pd.Series, synthetic: pd.Series) -> ColumnShares:
    low, high = real.quantile([0.005, 0.995])
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    labels = [f"{low:,.4g} to {high:,.4g}" for low, high in pairwise(edges)]
    return ColumnShares(labels, _bin_shares(real, edges), _bin_shares(synthetic, edges))


def _bin_shares(values: pd.Series, edges: np.ndarray) -> np.ndarray:
    numbers = pd.to_numeric(values, errors="coerce").dropna()
    counts = np.histogram(np.clip(numbers, edges[0], edges[-1]), edges)[0]
    shares: np.ndarray = counts / max(len(numbers), 1)
    return shares


def _level_shares(values: pd.Series, levels: list[str]) -> np.ndarray:
    shares = values.astype(str).value_counts(normalize=True)
    return shares.reindex(levels, fill_value=0).to_numpy()


def _draw_column(name: str, shares: ColumnShares) -> str:
    distance = f"{shares.distance:.1%}"
    words = escape(f"{name}: {distance} of synthetic values would have to be others")
    content = _draw_bars(shares) + _draw_ends(shares.labels)
    chart = f'<svg viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{words}">{content}</svg>'
    caption = f"<figcaption><b>{escape(name)}</b> <span>{distance}</span></figcaption>"
    return f"<figure>{caption}{chart}</figure>"


def _draw_bars(shares: ColumnShares) -> str:
    top = max(shares.real.max(initial=0), shares.synthetic.max(initial=0), 1e-9)
    step = WIDE / max(len(shares.labels), 1)
    bars = ""
    for i, label in enumerate(shares.labels):
        left = i * step + step * 0.08
        real, synthetic = float(shares.real[i]), float(shares.synthetic[i])
        bars += _draw_bar(left, step, real / top, REAL, f"{label}: {real:.1%}")
        right = left + step * 0.43
        bars += _draw_bar(right, step, synthetic / top, SYNTHETIC, f"{label}: {synthetic:.1%}")
    return bars


def _draw_bar(x: float, step: float, height: float, colour: str, words: str) -> str:
    high = height * (HIGH - FOOT - 4)
    return (
        f'<rect x="{x:.1f}" y="{HIGH - FOOT - high:.1f}" width="{step * 0.41:.1f}"'
        f' height="{high:.1f}" rx="1.5" fill="{colour}"><title>{escape(words)}</title></rect>'
    )


def _draw_ends(labels: Sequence[str]) -> str:
    """The first and the last label, below the bars."""
    ends = (2, "start", labels[0]), (WIDE - 2, "end", labels[-1])
    return "".join(
        f'<text x="{x}" y="{HIGH - 3}" text-anchor="{anchor}">{escape(label[:22])}</text>'
        for x, anchor, label in ends
    )
