"""The judge of synthetic tables in benchmarks; figures of different judges cannot be compared.

python judge_tables.py TRAIN.parquet HELD_OUT.parquet SYNTHETIC.parquet TARGET POSITIVE

Needs pandas, scikit-learn and sdmetrics, in an environment of its own. Prints JSON:

TRTR, TSTR: ROC-AUC on held-out real rows of boosted trees trained on real, on synthetic rows; _f1
likewise.
C2ST: cross-validated ROC-AUC of telling held-out real rows from as many synthetic ones; 0.5 is
perfect.
sdm, shapes, pairs: SDMetrics' quality score and its two parts.
copying: share of synthetic rows nearer to a training row than to a held-out row, equal sizes; 0.5
    is ideal.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors

MOST = 254  # levels of a category


def known(values: pd.Series) -> pd.Index:
    """Levels that trees can tell apart: all, or the most frequent where there are too many; the
    others become -1."""
    return pd.Index(
        values.unique() if values.nunique() <= MOST else values.value_counts().index[:MOST]
    )


def encode(
    *frames: pd.DataFrame, target: str | None = None
) -> tuple[list[pd.DataFrame], list[bool]]:
    """Frames with categories as numbers, the same in all; and which columns those are."""
    columns = [c for c in frames[0].columns if c != target]
    category = [not pd.api.types.is_numeric_dtype(frames[0][c]) for c in columns]
    levels = {
        c: known(pd.concat([f[c].astype(str) for f in frames]))
        for c, is_category in zip(columns, category, strict=True)
        if is_category
    }
    encoded = [
        pd.DataFrame(
            {
                c: levels[c].get_indexer(f[c].astype(str)) if c in levels else pd.to_numeric(f[c])
                for c in columns
            }
        )
        for f in frames
    ]
    return encoded, category


def trees(category: list[bool]) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        categorical_features=[i for i, is_category in enumerate(category) if is_category],
        random_state=0,
    )


def usefulness(
    train: pd.DataFrame, test: pd.DataFrame, made: pd.DataFrame, target: str, positive: str
) -> dict:
    """Trained on real, tested on real; trained on synthetic, tested on real."""
    (a, b, s), category = encode(train, test, made, target=target)
    answer = lambda frame: (frame[target].astype(str) == positive).astype(int).to_numpy()  # noqa: E731
    found = {}
    for name, x, y in (("TRTR", a, answer(train)), ("TSTR", s, answer(made))):
        if y.min() == y.max():
            found[name] = float("nan")
            continue
        chance = trees(category).fit(x, y).predict_proba(b)[:, 1]
        found[name] = round(roc_auc_score(answer(test), chance), 4)
        found[f"{name}_f1"] = round(f1_score(answer(test), chance > 0.5), 4)
    return found


def detection(test: pd.DataFrame, made: pd.DataFrame) -> float:
    (t, s), category = encode(test, made.sample(len(test), random_state=0))
    x, y = pd.concat([t, s]), np.r_[np.ones(len(t)), np.zeros(len(s))]
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return round(
        roc_auc_score(
            y, cross_val_predict(trees(category), x, y, cv=folds, method="predict_proba")[:, 1]
        ),
        4,
    )


def quality(train: pd.DataFrame, made: pd.DataFrame) -> dict:
    from sdmetrics.reports.single_table import QualityReport

    kind = lambda c: "numerical" if pd.api.types.is_numeric_dtype(train[c]) else "categorical"  # noqa: E731
    report = QualityReport()
    columns = {"columns": {c: {"sdtype": kind(c)} for c in train.columns}}
    report.generate(
        train.reset_index(drop=True), made.reset_index(drop=True), columns, verbose=False
    )
    shapes, pairs = (round(score, 4) for score in report.get_properties()["Score"])
    return {"sdm": round(report.get_score(), 4), "shapes": shapes, "pairs": pairs}


def copying(train: pd.DataFrame, test: pd.DataFrame, made: pd.DataFrame, n: int = 4000) -> float:
    n = min(n, len(test))
    (a, b, s), category = encode(*(f.sample(n, random_state=0) for f in (train, test, made)))
    scale = np.where(category, 1, a.std().replace(0, 1))
    highest = np.max([f.max().to_numpy() for f in (a, b, s)], axis=0)

    def vectors(frame: pd.DataFrame) -> np.ndarray:
        columns = [frame.iloc[:, i].to_numpy()[:, None] for i in range(frame.shape[1])]
        return np.hstack(
            [
                (v == np.arange(highest[i] + 1)[None]) * 0.7071 if category[i] else v / scale[i]
                for i, v in enumerate(columns)
            ]
        )

    near = [
        NearestNeighbors(n_neighbors=1).fit(vectors(f)).kneighbors(vectors(s))[0][:, 0]
        for f in (a, b)
    ]
    return round(float((near[0] < near[1]).mean() + 0.5 * (near[0] == near[1]).mean()), 4)


def load(path: str, columns: list[str] | None = None) -> pd.DataFrame:
    """A table whose text columns are objects."""
    frame = pd.read_parquet(path, columns=columns)
    return frame.astype({c: object for c in frame if not pd.api.types.is_numeric_dtype(frame[c])})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("train", "held_out", "synthetic", "target", "positive"):
        parser.add_argument(name)
    given = parser.parse_args()
    train = load(given.train)
    test, made = (load(path, list(train.columns)) for path in (given.held_out, given.synthetic))
    figures = usefulness(train, test, made, given.target, given.positive) | {
        "C2ST": detection(test, made)
    }
    print(json.dumps(figures | quality(train, made) | {"copying": copying(train, test, made)}))


if __name__ == "__main__":
    main()
