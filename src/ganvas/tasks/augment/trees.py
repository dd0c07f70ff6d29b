"""Whether new rows help boosted trees to tell classes apart, on rows that nobody learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...core import Estimate
from .comparison import compare

DRAWS = 200
STEPS = 100
NEW = "with new rows"

Cases = tuple[np.ndarray, np.ndarray]
"""Features (N, columns), nan where missing, and classes (N,)."""


def score_with_trees(
    learn: Cases, held: Cases, new: Cases, categories: Sequence[bool], rare: Sequence[int]
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Average precision on held-out rows of trees by what they learned from; and how much more new
    rows gave.

    rare: Classes whose average precision, each against all others, is averaged.
    """
    both = (np.concatenate([learn[0], new[0]]), np.concatenate([learn[1], new[1]]))
    sets = {"real rows alone": (learn, None), "classes weighted": (learn, "balanced")}
    if (smoted := _smoted(learn, new[1], categories)) is not None:
        sets["with SMOTE"] = (smoted, None)
    sets[NEW] = (both, None)
    scores = {
        name: _scores(cases, held[0], categories, weights, rare)[None]
        for name, (cases, weights) in sets.items()
    }
    return compare(scores, NEW, lambda rows, score: _precision(held[1][rows], score, rare), DRAWS)


def _scores(
    cases: Cases,
    held: np.ndarray,
    categories: Sequence[bool],
    weights: str | None,
    rare: Sequence[int],
) -> np.ndarray:
    """How likely trees that learned from some cases hold it that each held-out row is of each rare
    class."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    options = {"class_weight": weights, "categorical_features": list(categories)}
    trees = HistGradientBoostingClassifier(
        max_iter=STEPS, early_stopping=False, random_state=0, **options
    ).fit(*cases)
    place: Mapping[int, int] = {int(c): i for i, c in enumerate(trees.classes_)}
    likely = trees.predict_proba(held)
    return np.stack([likely[:, place[c]] if c in place else np.zeros(len(held)) for c in rare], 1)


def _precision(classes: np.ndarray, scores: np.ndarray, rare: Sequence[int]) -> float:
    from sklearn.metrics import average_precision_score

    there = [i for i, c in enumerate(rare) if (classes == c).any()]
    return float(
        np.mean(
            [average_precision_score(classes == rare[i], scores[:, i]) for i in there] or [np.nan]
        )
    )


def _smoted(learn: Cases, new: np.ndarray, categories: Sequence[bool]) -> Cases | None:
    """As many rows more as there are new ones, between neighbours of their class (Chawla et al.,
    2002)."""
    try:
        from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC
    except ImportError:
        return None
    x, y = learn
    there = np.asarray(~np.isnan(x).all(0))
    x = x[:, there]
    x = np.where(np.isnan(x), np.nanmedian(x, 0), x)
    kinds = np.asarray(categories)[there]
    counts, more = np.bincount(y), np.bincount(new, minlength=y.max() + 1)
    raised = {c: int(counts[c] + more[c]) for c in np.flatnonzero(more) if counts[c] > 1}
    if not raised:
        return None
    options = {
        "sampling_strategy": raised,
        "random_state": 0,
        "k_neighbors": min(5, min(counts[c] for c in raised) - 1),
    }
    mixed = {"categorical_features": np.flatnonzero(kinds).tolist()}
    tool = (
        SMOTEN(**options)
        if kinds.all()
        else SMOTENC(**mixed, **options)
        if kinds.any()
        else SMOTE(**options)
    )
    made, classes = tool.fit_resample(x, y)
    whole = np.full((len(made), len(there)), np.nan)
    whole[:, there] = made
    return whole, classes
