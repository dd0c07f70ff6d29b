"""f-AnoGAN: learn what is normal, then find the images that are not."""

from pathlib import Path

import ganvas
from ganvas.data.samples import FASHION


def main(out: Path = Path("runs/example-fanogan"), **options: object) -> None:
    run = ganvas.train("fanogan", FASHION, out=out, **options)
    answer = run.detect(FASHION / "t10k-images-idx3-ubyte.gz", alpha=0.05)
    print(answer.sort_values("p").head(10))


if __name__ == "__main__":
    main()
