"""A transformer on lines of text: new ones, going on with a beginning, and which lines are
anomalous."""

from pathlib import Path

import ganvas

COLOURS, THINGS = ("red", "green", "blue", "small", "large"), ("apple", "kite", "boat", "lamp")


def main(out: Path = Path("runs/example-transformer"), **options: object) -> None:
    lines = [
        f"the {colour} {thing} is {other}"
        for colour in COLOURS
        for thing in THINGS
        for other in COLOURS
    ]
    run = ganvas.train(
        "transformer", lines, out=out, tokenizer="bytes", width=64, depth=2, **options
    )
    print(run.sample(n=3, temperature=0.8, seed=0))
    print(run.complete(["the red"], seed=0))
    print(run.detect(["the red boat is small", "xyzzy 0x7f"])[["score", "p"]])


if __name__ == "__main__":
    main()
