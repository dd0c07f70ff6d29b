"""Whether what is learned from samples holds for real rows (train on synthetic, test on real;
Esteban et al., 2017)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from ...abilities import Samples
from ...core import Estimate, Evidence, InputError, Measured
from ...core.statistics import bootstrap_rows
from .c2st import as_numbers

DRAWS = 200
CLASSES = 20  # a number with more values than this is predicted as a number


def tstr(model: Samples, evidence: Evidence) -> Measured:
    """Boosted trees learn to predict a column from samples and are judged by held-out rows; beside
    it, from real rows.

    Two classes: area under the curve, 1 is ideal and 0.5 a guess. Classes: F1, averaged over them.
    A number: R^2. The column is the target that was asked for, or else the last. Intervals are over
    held-out rows.

    Raises InputError where no column is called what was asked for.
    """
    real = evidence.frame(evidence.held_out.x)
    made = evidence.frame(model.sample(len(evidence.held_out), evidence.asked))
    if real is None or made is None or len(real.columns) < 2:
        return Measured({}, {})
    target = evidence.target or str(real.columns[-1])
    if target not in real:
        raise InputError(
            f"no column that was learned is called {target!r}; there are {', '.join(real.columns)}"
        )
    made, real = (frame[frame[target].notna()].reset_index(drop=True) for frame in (made, real))
    both = pd.concat([made, real], ignore_index=True)
    x, categories = as_numbers(both.drop(columns=target))
    (y,), (named,) = as_numbers(both[[target]])[0].T, as_numbers(both[[target]])[1]
    split = len(made)
    if named or len(np.unique(y)) <= CLASSES:
        numbers = _classes(x[:split], y[:split], x[split:], y[split:], categories)
    else:
        numbers = {"R²": _regression(x[:split], y[:split], x[split:], y[split:], categories)}
    numbers = {f"TSTR {name} of {target}": value for name, value in numbers.items()}
    return Measured(numbers, dict.fromkeys(numbers, True))


def _classes(
    x: np.ndarray, y: np.ndarray, unseen: np.ndarray, truth: np.ndarray, categories: list[bool]
) -> dict[str, Estimate]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import f1_score, roc_auc_score

    levels = np.unique(truth)
    chances = np.zeros((len(truth), len(levels)))
    if len(np.unique(y)) > 1:
        trees = HistGradientBoostingClassifier(categorical_features=categories, random_state=0).fit(
            x, y
        )
        known = np.isin(trees.classes_, levels)
        chances[:, np.searchsorted(levels, trees.classes_[known])] = trees.predict_proba(unseen)[
            :, known
        ]
    guessed = levels[chances.argmax(1)]
    numbers = {
        "F1": _interval(lambda i: f1_score(truth[i], guessed[i], average="macro"), len(truth))
    }
    if len(levels) == 2:
        rarer = levels[int((truth == levels[1]).mean() <= 0.5)]
        score = chances[:, list(levels).index(rarer)]
        numbers = {
            "AUC": _interval(
                lambda i: _area(roc_auc_score, truth[i] == rarer, score[i]), len(truth)
            )
        } | numbers
    return numbers


def _area(auc: Callable[..., float], y: np.ndarray, score: np.ndarray) -> float:
    return auc(y, score) if 0 < y.mean() < 1 else 0.5


def _regression(
    x: np.ndarray, y: np.ndarray, unseen: np.ndarray, truth: np.ndarray, categories: list[bool]
) -> Estimate:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.metrics import r2_score

    trees = HistGradientBoostingRegressor(categorical_features=categories, random_state=0).fit(x, y)
    guessed = trees.predict(unseen)
    return _interval(lambda i: r2_score(truth[i], guessed[i]), len(truth))


def _interval(statistic: Callable[[np.ndarray], float], n: int) -> Estimate:
    return bootstrap_rows(statistic, n, DRAWS)
