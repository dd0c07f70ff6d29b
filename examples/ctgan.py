"""CTGAN: a generator of rows that is asked for one category at a time."""

from pathlib import Path

import ganvas
from ganvas.data.samples import ADULT


def main(out: Path = Path("runs/example-ctgan"), **options: object) -> None:
    run = ganvas.train("ctgan", ADULT / "train.csv", out=out, **options)
    rows = run.sample(n=1000, seed=0)
    rows.to_parquet(out / "new.parquet")
    print(rows["education"].value_counts(normalize=True))


if __name__ == "__main__":
    main()
