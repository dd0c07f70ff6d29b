"""Whether a classifier can tell generated rows from real ones (classifier two-sample test,
Lopez-Paz & Oquab, 2017)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...abilities import Samples
from ...core import Estimate, Evidence, Measured
from ...core.statistics import auc_interval

FOLDS = 5


def c2st(model: Samples, evidence: Evidence) -> Measured:
    """Area under the curve of boosted trees that tell held-out rows from as many samples: 0.5 is
    ideal, 1 a giveaway.

    Every row is judged by trees that were fitted to the other four fifths of both.
    """
    real = evidence.frame(evidence.held_out.x)
    made = evidence.frame(model.sample(len(evidence.held_out), evidence.asked))
    if real is None or made is None:
        return Measured({}, {})
    return Measured({"C2ST AUC": c2st_auc(real, made)}, {"C2ST AUC": False})


def c2st_auc(real: pd.DataFrame, made: pd.DataFrame) -> Estimate:
    """The area, and its interval."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    x, categories = as_numbers(pd.concat([real, made], ignore_index=True))
    y = np.repeat([0, 1], [len(real), len(made)])
    trees = HistGradientBoostingClassifier(categorical_features=categories, random_state=0)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return auc_interval(y, cross_val_predict(trees, x, y, cv=folds, method="predict_proba")[:, 1])


def as_numbers(frame: pd.DataFrame, most: int = 250) -> tuple[np.ndarray, list[bool]]:
    """A frame as float64 (N, columns), nan where missing, and which columns hold categories.

    most: Levels of a category that are told apart, the most frequent ones; their numbers are their
        ranks.
    """
    columns: list[np.ndarray] = []
    categories = []
    for name in frame:
        values = frame[name]
        number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        if number:
            columns.append(values.astype("Float64").to_numpy(float, na_value=np.nan))
        elif pd.api.types.is_datetime64_any_dtype(values):
            columns.append(
                values.astype("int64").where(values.notna()).to_numpy(float, na_value=np.nan)
            )
        else:
            ranks = (
                values.astype(str)
                .value_counts()
                .rank(ascending=False, method="first")
                .sub(1)
                .clip(upper=most)
            )
            columns.append(values.astype(str).map(ranks).where(values.notna()).to_numpy(float))
        categories.append(not (number or pd.api.types.is_datetime64_any_dtype(values)))
    return np.stack(columns, 1), categories
