"""scikit-learn: imputation, dimensionality reduction before a classifier, anomaly detection and new
rows with their labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from ganvas.data.samples import ADULT
from ganvas.sklearn import AnomalyDetector, Embedder, Imputer, Synthesizer


def main(
    out: Path = Path("runs/example-estimators"), steps: int | None = None, **options: Any
) -> None:
    learn, test = (pd.read_csv(ADULT / f"{name}.csv") for name in ("train", "held_out"))
    y, truth = learn.pop("salary"), test.pop("salary")
    common: dict[str, Any] = {"steps": steps, "random_state": 0, "options": options}
    classifier = make_pipeline(
        Imputer(**common), Embedder(**common, latent=16), LogisticRegression(max_iter=1000)
    )
    print(f"accuracy through 16 numbers: {classifier.fit(learn, y).score(test, truth):.3f}")
    detector = AnomalyDetector(**common).fit(learn)
    print(test.assign(p=detector.p_values(test)).nsmallest(5, "p"))
    detector.save(out)  # `ganvas detect` opens it too
    rows, labels = Synthesizer(**common, target="salary").fit(learn, y).sample(5, where="age > 40")
    print(rows.assign(salary=labels))


if __name__ == "__main__":
    main()
