"""Detector: what lies apart, and what does not go together."""

from pathlib import Path

import ganvas
from ganvas.data.samples import ADULT


def main(out: Path = Path("runs/example-detector"), **options: object) -> None:
    run = ganvas.train("detector", ADULT / "train.csv", out=out, **options)
    answer = run.detect(ADULT / "held_out.csv", alpha=0.01)
    print(answer.sort_values("p")[["name", "score", "p", "why"]].head(10))


if __name__ == "__main__":
    main()
