"""Data of which every mode is known: Gaussians on a ring and on a grid, triples of digits as one
colour image; how samples of them are judged, and what papers report.

ring, grid  Srivastava et al. (2017, VEEGAN), Lin et al. (2018, PacGAN): 2,500 samples are judged. A
sample within three
            standard deviations of a centre is of high quality; a mode is found where it is the
            nearest of such a sample. Reverse KL: of the shares of samples nearest each mode from
            equal shares.
stacked     Metz et al. (2017): 1,000 modes, each a triple of classes; 26,000 samples, named by a
classifier. Triples
            that are drawn evenly have a KL of about 999 / 52,000 = 0.019 from equal shares, so many
            as there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _common import fashion
from PIL import Image
from sklearn.datasets import load_digits

from ganvas.data.images.modality import Images
from ganvas.evaluation.features.learned import Learned

SIDE = 28
MOST = 26_000  # samples that a stack of digits is judged by

POINTS_PAPERS = {
    "ring": {
        "GAN (PacGAN, table 1)": {"modes": 6.3, "high_quality": 0.982, "reverse_kl": 0.45},
        "ALI (PacGAN, table 1)": {"modes": 6.6, "high_quality": 0.976, "reverse_kl": 0.36},
        "Minibatch discrimination (PacGAN, table 1)": {
            "modes": 4.3,
            "high_quality": 0.366,
            "reverse_kl": 1.93,
        },
        "PacGAN2 (PacGAN, table 1)": {"modes": 7.9, "high_quality": 0.956, "reverse_kl": 0.07},
        "PacGAN3 (PacGAN, table 1)": {"modes": 7.8, "high_quality": 0.977, "reverse_kl": 0.10},
        "PacGAN4 (PacGAN, table 1)": {"modes": 7.8, "high_quality": 0.959, "reverse_kl": 0.07},
        "VEEGAN (VEEGAN, table 1)": {"modes": 8.0, "high_quality": 0.529},
    },
    "grid": {
        "GAN (PacGAN, table 1)": {"modes": 17.3, "high_quality": 0.948, "reverse_kl": 0.70},
        "ALI (PacGAN, table 1)": {"modes": 24.1, "high_quality": 0.957, "reverse_kl": 0.14},
        "Minibatch discrimination (PacGAN, table 1)": {
            "modes": 23.8,
            "high_quality": 0.799,
            "reverse_kl": 0.17,
        },
        "PacGAN2 (PacGAN, table 1)": {"modes": 23.8, "high_quality": 0.913, "reverse_kl": 0.13},
        "PacGAN3 (PacGAN, table 1)": {"modes": 24.6, "high_quality": 0.942, "reverse_kl": 0.06},
        "PacGAN4 (PacGAN, table 1)": {"modes": 24.8, "high_quality": 0.936, "reverse_kl": 0.04},
        "VEEGAN (VEEGAN, table 1)": {"modes": 24.6, "high_quality": 0.40},
    },
}
"""Means over ten trainings (PacGAN) and five (VEEGAN); high quality as a share.

Quoted from memory, as are those of stacks: none could be looked up. That PacGAN's tables 2 and 3
are of stacks, the second of networks as unrolled GANs have them, with the discriminator a quarter
of the generator, its authors' repository says (fjxmlzn/PacGAN,
stacked_MNIST_experiments/README.md), which shows both as images.
"""

STACKED_PAPERS = {
    "DCGAN (VEEGAN, table 2)": {"modes": 99.0, "kl": 3.40},
    "ALI (VEEGAN, table 2)": {"modes": 16.0, "kl": 5.40},
    "Unrolled GAN (VEEGAN, table 2)": {"modes": 48.7, "kl": 4.32},
    "VEEGAN (VEEGAN, table 2)": {"modes": 150.0, "kl": 2.95},
    "DCGAN (PacGAN, table 2)": {"modes": 78.9, "kl": 4.50},
    "PacDCGAN2 (PacGAN, table 2)": {"modes": 1000.0, "kl": 0.06},
    "PacDCGAN4 (PacGAN, table 2)": {"modes": 1000.0, "kl": 0.07},
    "R3GAN (Huang et al., 2024), seven hours on eight GPUs": {"modes": 1000.0, "kl": 0.029},
    "R3GAN, its ablation with small networks": {"modes": 1000.0, "kl": 0.078},
    "DCGAN, quarter-sized discriminator (Metz et al., 2017)": {"modes": 30.6, "kl": 5.99},
    "Unrolled GAN, 10 steps, quarter-sized discriminator (Metz et al., 2017)": {
        "modes": 327.2,
        "kl": 4.66,
    },
    "PacDCGAN4, quarter-sized discriminator (PacGAN, table 3)": {"modes": 667.0, "kl": 1.8},
}
"""On triples of MNIST. From memory, see above."""


@dataclass(frozen=True)
class Mixture:
    """Gaussians of equal share.

    centres: (K, 2).
    deviation: Of each, in each direction.
    """

    centres: np.ndarray
    deviation: float

    def draw(self, n: int, seed: int) -> np.ndarray:
        """Points (n, 2)."""
        random = np.random.default_rng(seed)
        return random.normal(
            self.centres[random.integers(len(self.centres), size=n)], self.deviation
        )

    def judged(self, points: np.ndarray) -> dict[str, float]:
        """How points (n, 2) cover the modes."""
        distances = np.linalg.norm(points[:, None] - self.centres, axis=2)
        nearest, good = distances.argmin(1), distances.min(1) <= 3 * self.deviation
        return {
            "modes": len(np.unique(nearest[good])),
            "high_quality": float(good.mean()),
            "reverse_kl": divergence(nearest, len(self.centres)),
        }


def _ring() -> Mixture:
    angles = np.arange(8) * np.pi / 4
    return Mixture(np.stack([np.cos(angles), np.sin(angles)], 1), 0.01)


def _grid() -> Mixture:
    places = np.linspace(-4, 4, 5)
    return Mixture(np.stack(np.meshgrid(places, places), -1).reshape(-1, 2), 0.05)


MIXTURES = {"ring": _ring(), "grid": _grid()}


def divergence(modes: np.ndarray, count: int) -> float:
    """KL(shares of modes 0 to count - 1 || equal shares), in nats."""
    shares = np.bincount(modes, minlength=count) / len(modes)
    shares = shares[shares > 0]
    return float((shares * np.log(shares * count)).sum())


def digits(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 (N, 28, 28), and their ten classes, (N,).

    kind: `digits`: the 1,797 handwritten ones of scikit-learn, 8 x 8 pixels enlarged. `fashion`:
        60,000 of Fashion-MNIST; of MNIST itself where FASHION_MNIST names a folder with its files.
    """
    if kind == "fashion":
        return fashion("train")
    small, classes = load_digits(return_X_y=True)
    small = (small.reshape(-1, 8, 8) * 255 / 16).round().astype(np.uint8)
    large = [Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for one in small]
    return np.stack([np.asarray(one) for one in large]), classes.astype(np.uint8)


def stacked(photos: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Colour images, uint8 (n, S, S, 3), each of three images drawn from (N, S, S)."""
    rows = np.random.default_rng(seed).integers(len(photos), size=(n, 3))
    return np.stack([photos[rows[:, channel]] for channel in range(3)], -1)


class FeatureDiscriminator:
    """Names the modes of stacks; a small network that learns nine tenths of the images, and is
    tried on the rest."""

    def __init__(
        self, photos: np.ndarray, classes: np.ndarray, cache: Path, steps: int = 2000
    ) -> None:
        source = (photos, classes.tolist())
        modality = Images.learn(source)
        self.network = Learned.fit(modality.read(source), modality, cache, steps)
        self.accuracy = self.network.accuracy

    @torch.no_grad()
    def modes(self, x: torch.Tensor) -> np.ndarray:
        """Which of the 1,000 modes colour images (B, 3, S, S) in [-1, 1] are of, (B,)."""
        names = [
            self.network.classify(x[:, channel : channel + 1].float().cpu()) for channel in range(3)
        ]
        return (names[0] * 100 + names[1] * 10 + names[2]).numpy()  # type: ignore[operator] # it learned classes

    def judged(self, parts: Any) -> dict[str, float]:
        """How colour images, in parts, cover the modes."""
        modes = np.concatenate([self.modes(part) for part in parts])
        return {
            "modes": len(np.unique(modes)),
            "kl": divergence(modes, 1000),
            "samples": len(modes),
        }
