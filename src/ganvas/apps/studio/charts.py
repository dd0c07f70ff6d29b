"""Real beside synthetic, column by column, as an image of bars that can be read aloud."""

from __future__ import annotations

from html import escape
from itertools import pairwise

import numpy as np
import pandas as pd

BINS = 16
LEVELS = 12
WIDE, HIGH, FOOT = 300, 110, 16
REAL, MADE = "var(--g-real)", "var(--g-made)"


def compared(real: pd.DataFrame, made: pd.DataFrame, called: str = "real") -> str:
    """A chart for each column that both have: how often each value comes, and the share that would
    have to move.

    called: What the real ones are.

    That share is the total variation distance: 0 where both are alike, 1 where they have nothing in
    common.
    """
    shared = [name for name in real.columns if name in made.columns]
    drawn = [_column(str(name), *_counted(real[name], made[name])) for name in shared]
    key = (
        f'<p class=soft><b style="color:{REAL}">■</b> {called} <b style="color:{MADE}">■</b>'
        " synthetic; the number is the share of synthetic values that would have to be others.</p>"
    )
    return f'{key}<div class="g-columns">{"".join(drawn)}</div>' if drawn else ""


def _counted(real: pd.Series, made: pd.Series) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names of bars, and the share of real and of synthetic values in each."""
    if pd.api.types.is_numeric_dtype(real) and real.nunique() > LEVELS:
        low, high = real.quantile([0.005, 0.995])
        widths = np.linspace(low, high if high > low else low + 1, BINS + 1)
        names = [f"{low:,.4g} to {high:,.4g}" for low, high in pairwise(widths)]
        inside = [
            np.clip(pd.to_numeric(one, errors="coerce").dropna(), widths[0], widths[-1])
            for one in (real, made)
        ]
        counts = [np.histogram(one, widths)[0] / max(len(one), 1) for one in inside]
        return names, counts[0], counts[1]
    levels = [str(level) for level in real.astype(str).value_counts().index[:LEVELS]]
    shares = [
        one.astype(str).value_counts(normalize=True).reindex(levels, fill_value=0).to_numpy()
        for one in (real, made)
    ]
    return levels, shares[0], shares[1]


def _column(name: str, names: list[str], real: np.ndarray, made: np.ndarray) -> str:
    apart = abs(real - made).sum() / 2
    top, step = max(real.max(initial=0), made.max(initial=0), 1e-9), WIDE / max(len(names), 1)
    bars = "".join(
        _bar(
            i * step + step * (0.08 + 0.43 * j),
            step * 0.41,
            value / top,
            colour,
            f"{words}: {value:.1%}",
        )
        for i, words in enumerate(names)
        for j, (value, colour) in enumerate(((real[i], REAL), (made[i], MADE)))
    )
    foot = "".join(
        f'<text x="{x}" y="{HIGH - 3}" text-anchor="{a}">{escape(words)}</text>'
        for x, a, words in ((2, "start", names[0][:22]), (WIDE - 2, "end", names[-1][:22]))
    )
    words = f"{name}: {apart:.1%} of synthetic values would have to be others"
    drawn = (
        f'<svg viewBox="0 0 {WIDE} {HIGH}" role="img"'
        f' aria-label="{escape(words)}">{bars}{foot}</svg>'
    )
    return (
        f"<figure><figcaption><b>{escape(name)}</b>"
        f" <span>{apart:.1%}</span></figcaption>{drawn}</figure>"
    )


def _bar(x: float, width: float, height: float, colour: str, words: str) -> str:
    high = height * (HIGH - FOOT - 4)
    return (
        f'<rect x="{x:.1f}" y="{HIGH - FOOT - high:.1f}" width="{width:.1f}" height="{high:.1f}"'
        f' rx="1.5" fill="{colour}"><title>{escape(words)}</title></rect>'
    )
