"""GANomaly: how far the latent of a reconstruction is from the latent it was made from."""

from pathlib import Path

import ganvas
from ganvas.data.samples import FASHION


def main(out: Path = Path("runs/example-ganomaly"), **options: object) -> None:
    run = ganvas.train("ganomaly", FASHION, out=out, latent=64, **options)
    answer = run.detect(FASHION / "t10k-images-idx3-ubyte.gz", alpha=0.05)
    print(answer.sort_values("p").head(10))


if __name__ == "__main__":
    main()
