"""MADE: a table that can be shared, rows by constraint, and missing values filled."""

from pathlib import Path

import pandas as pd

import ganvas
from ganvas.data.samples import ADULT


def main(out: Path = Path("runs/example-made"), **options: object) -> None:
    run = ganvas.train("made", ADULT / "train.csv", out=out, **options)
    run.sample(n=1000, seed=0).to_parquet(out / "new.parquet")
    print(run.sample(n=5, where="age > 40 AND salary = '>50K'", seed=0))
    incomplete = pd.read_csv(ADULT / "held_out.csv").head(5).assign(occupation=None)
    print(run.complete(incomplete, seed=0)["occupation"])
    print("\n".join(run.evaluate(ADULT / "held_out.csv", target="salary", size=500).verdict))


if __name__ == "__main__":
    main()
