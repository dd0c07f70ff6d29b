"""SimVP: how clothes that drift and bounce go on, five frames from five."""

from pathlib import Path

import ganvas
from ganvas.data.samples.moving import moving_clothes


def main(out: Path = Path("runs/example-simvp"), **options: object) -> None:
    clips = moving_clothes()
    run = ganvas.train("simvp", clips, as_="videos", out=out, channels=8, translator=32, **options)
    print(len(run.complete(clips[:2])), "clips go on")


if __name__ == "__main__":
    main()
