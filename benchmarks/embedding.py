"""Linear-probe accuracy on Fashion-MNIST: logistic regression on 16 latents, beside 16 principal
components, a random projection to 16 numbers, and all 784 pixels.

Representations and probes are fitted on training images alone, and measured on the 10,000 test
images. Which autoencoder is best, and how strong the probe's penalty is, is decided on training
images held out for it (a twelfth).

python benchmarks/embedding.py /usr/share/datasets/fashion-mnist --seeds 0 1 2 --epochs 30
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from _common import FASHION, report, spread
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.random_projection import GaussianRandomProjection

import ganvas
from ganvas.core import Batch
from ganvas.data.images.modality import Images

LATENT = 16
PENALTIES = (0.01, 1.0)
"""Values of C, scikit-learn's inverse strength, that are tried on the held-out part."""
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "autoencoder": ("ae", {"network": "perceptron"}),
    "denoising autoencoder, gaussian": (
        "ae",
        {"network": "perceptron", "corrupt": "gaussian", "strength": 1.0},
    ),
    "denoising autoencoder, masking": (
        "ae",
        {"network": "perceptron", "corrupt": "masking", "strength": 0.5},
    ),
    "VAE": ("vae", {"network": "perceptron"}),
}

Encode = Callable[[np.ndarray], np.ndarray]


def flat(photos: Batch) -> tuple[np.ndarray, np.ndarray]:
    assert photos.y is not None
    return photos.x.flatten(1).numpy(), photos.y.squeeze(1).numpy()


def trained(name: str, pixels: np.ndarray, seed: int, epochs: float, folder: Path) -> Encode:
    """The latents of a model that learned from these images, for their embedding."""
    model, options = MODELS[name]
    levels = ((pixels.reshape(-1, 28, 28) + 1) * 127.5).round().astype(np.uint8)
    run = ganvas.train(
        model,
        levels,
        out=folder / f"{name}-{seed}",
        seed=seed,
        epochs=epochs,
        latent=LATENT,
        held_out=0.0,
        quiet=True,
        **options,
    )

    def encode(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            parts = torch.from_numpy(x).view(-1, 1, 28, 28).split(1000)
            return torch.cat(
                [run.model.encode(part.to(run.model.device)).float().cpu() for part in parts]
            ).numpy()

    return encode


def encoders(
    pixels: np.ndarray, seed: int, epochs: float, folder: Path
) -> dict[str, Callable[[], Encode]]:
    """By name, what fits a representation."""
    ours = {
        name: (lambda name=name: trained(name, pixels, seed, epochs, folder)) for name in MODELS
    }
    return ours | {
        "principal components": lambda: PCA(LATENT, random_state=seed).fit(pixels).transform,
        "random projection": lambda: (
            GaussianRandomProjection(LATENT, random_state=seed).fit(pixels).transform
        ),
        "pixels, all 784": lambda: lambda x: x,
    }


def probe(z: np.ndarray, y: np.ndarray, to: tuple[np.ndarray, np.ndarray], penalty: float) -> float:
    """Accuracy on `to` of a logistic regression on standardised latents."""
    fitted = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=200)).fit(z, y)
    return float(fitted.score(*to))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folder", type=Path, nargs="?", default=FASHION, help="Fashion-MNIST as IDX files"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=float, default=30)
    parser.add_argument("--images", type=int, help="training images, if not all")
    given = parser.parse_args()
    reader = Images(28, 1, tuple(map(str, range(10))))
    x, y = flat(reader.read(given.folder / "train-images-idx3-ubyte.gz").gather(given.images))
    test = flat(reader.read(given.folder / "t10k-images-idx3-ubyte.gz").gather())
    choose = np.arange(len(x)) % 12 == 0
    runs = []
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as folder:
            for name, fit in encoders(x[~choose], seed, given.epochs, Path(folder)).items():
                start = perf_counter()
                encode = fit()
                seconds = perf_counter() - start
                z, z_test = encode(x), encode(test[0])
                part = (z[~choose], y[~choose], (z[choose], y[choose]))
                held_out = {c: probe(*part, c) for c in PENALTIES}
                best = max(held_out, key=held_out.__getitem__)
                accuracy = probe(z[~choose], y[~choose], (z_test, test[1]), best)
                runs.append(
                    {
                        "seed": seed,
                        "name": name,
                        "held_out": held_out[best],
                        "penalty": best,
                        "accuracy": accuracy,
                        "seconds": seconds,
                    }
                )
                print(runs[-1], flush=True)
    names = list(dict.fromkeys(r["name"] for r in runs))
    of = {
        name: {
            key: spread([r[key] for r in runs if r["name"] == name])
            for key in ("held_out", "accuracy")
        }
        for name in names
    }
    chosen = max(MODELS, key=lambda name: of[name]["held_out"]["median"])
    report(
        "embedding",
        {
            "latent": LATENT,
            "epochs": given.epochs,
            "images": len(x),
            "chosen on held-out training images": chosen,
            "accuracy of the chosen": of[chosen]["accuracy"]["median"],
            "all": of,
            "runs": runs,
        },
    )


if __name__ == "__main__":
    main()
