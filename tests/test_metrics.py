"""Metrics are what their formulas say, and say what they should of data whose quality is known."""

from __future__ import annotations

from math import log, pi
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor

from conftest import InMemory
from ganvas.abilities import Ability, Bounds
from ganvas.abilities.autoencoding import PrincipalComponents
from ganvas.abilities.bounding import IndependentCoordinates
from ganvas.abilities.sampling import HeldSamples, sample_coordinates, with_noise
from ganvas.core import Batch, Continuous, Evidence, Tokens, seeded_generator
from ganvas.core.statistics import bootstrap_mean, frechet_distance
from ganvas.data.images.modality import Images
from ganvas.evaluation.features.learned import Learned
from ganvas.evaluation.metrics.class_accuracy import class_accuracy
from ganvas.evaluation.metrics.frechet import frechet, kernel_distance
from ganvas.evaluation.metrics.likelihood import likelihood
from ganvas.evaluation.metrics.memorisation import memorisation
from ganvas.evaluation.metrics.precision_recall import precision_recall
from ganvas.evaluation.metrics.reconstruction import reconstruction
from ganvas.runtime import registry


def images_of(classes: int) -> Images:
    """Images of so many classes."""
    return Images(28, 1, tuple(map(str, range(classes))))


def normal(n: int, d: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> Tensor:
    return shift + scale * torch.randn(n, d, generator=seeded_generator(seed), dtype=torch.float64)


def flat(x: Tensor) -> Tensor:
    return x.flatten(1).float()


def evidence(train: Tensor, held: Tensor, **more: object) -> Evidence:
    return Evidence(
        Batch(train), Batch(held), **({"asked": None, "features": flat, "classify": None} | more)
    )


def test_frechet_distance_is_the_formula() -> None:
    a, b = normal(300, 6, 0), normal(200, 6, 1, 0.5, 2.0)
    s, t = np.cov(a.T.numpy()), np.cov(b.T.numpy())
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum().item() + np.trace(s + t - 2 * sqrtm(s @ t).real)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_of_a_shift_is_its_square() -> None:
    a = normal(500, 4, 0)
    assert frechet_distance(a, a + 3.0) == pytest.approx(4 * 9.0, rel=1e-6)


def test_kernel_distance_is_unbiased() -> None:
    """Of two sets from one distribution it is zero on average, and the double sum of its
    definition."""
    same = [kernel_distance(normal(100, 3, i), normal(100, 3, i + 1000)) for i in range(60)]
    assert abs(np.mean(same)) < 3 * np.std(same) / 60**0.5
    a, b = normal(7, 3, 0), normal(7, 3, 1, 1.0)

    def k(p: Tensor, q: Tensor) -> float:
        return ((p @ q).item() / 3 + 1) ** 3

    within = sum(k(x[i], x[j]) for x in (a, b) for i in range(7) for j in range(7) if i != j) / 42
    between = sum(k(p, q) for p in a for q in b) / 49
    assert kernel_distance(a, b) == pytest.approx(within - 2 * between)


def test_precision_recall_density_coverage_are_their_definitions() -> None:
    real, made = normal(60, 3, 0).float(), normal(60, 3, 1, 0.7).float()
    got = precision_recall(HeldSamples(made, None), evidence(real, real)).numbers

    def radius(x: Tensor, i: int) -> float:
        return sorted((x[i] - other).norm().item() for j, other in enumerate(x) if j != i)[4]

    balls = [[(r - m).norm().item() <= radius(real, i) for m in made] for i, r in enumerate(real)]
    reverse = [[(r - m).norm().item() <= radius(made, j) for j, m in enumerate(made)] for r in real]
    assert got["precision"].value == pytest.approx(np.any(balls, axis=0).mean())
    assert got["recall"].value == pytest.approx(np.any(reverse, axis=1).mean())
    assert got["density"].value == pytest.approx(np.sum(balls) / (5 * 60))
    assert got["coverage"].value == pytest.approx(np.any(balls, axis=1).mean())


def test_a_collapsed_model_has_precision_and_no_recall() -> None:
    real = normal(200, 4, 0).float()
    collapsed = HeldSamples(real.mean(0, keepdim=True) + 0.01 * normal(200, 4, 1).float(), None)
    got = precision_recall(collapsed, evidence(real, real)).numbers
    assert got["precision"].value > 0.99
    assert got["recall"].value < 0.05
    assert got["coverage"].value < 0.5


def test_copies_are_found_and_fresh_samples_are_not() -> None:
    train, held, fresh = (normal(300, 3, seed).float() for seed in range(3))
    copied = memorisation(HeldSamples(train + 1e-4, None), evidence(train, held)).numbers
    honest = memorisation(HeldSamples(fresh, None), evidence(train, held)).numbers
    assert copied["near duplicates"].value == 1
    assert copied["DCR share"].value > 0.99
    assert honest["near duplicates"].value < 0.05
    assert honest["DCR share"].low < 0.5 < honest["DCR share"].high


def test_class_accuracy_counts_what_was_asked() -> None:
    asked = torch.arange(40).unsqueeze(1) % 4
    x = asked.float().expand(40, 2).clone()
    x[asked.squeeze(1) == 3] = 0.0  # the class that the model cannot make
    found = class_accuracy(
        HeldSamples(x, Tokens(1, 4)),
        evidence(x, x, asked=asked, classify=lambda made: made[:, 0].long()),
    ).numbers
    assert found["class accuracy"].value == pytest.approx(0.75)
    assert found["class accuracy, worst class"].value == 0
    assert class_accuracy(HeldSamples(x, None), evidence(x, x)).numbers == {}


class Unpacked(Bounds):
    """Knows the density: a standard normal."""

    space = Continuous((3,), "gaussian")

    def bound(self, x: Tensor, samples: int = 1) -> Tensor:
        return (x.square() + log(2 * pi)).sum(1) / 2


def test_likelihood_of_a_known_density_is_its_entropy() -> None:
    x = normal(4000, 3, 0).float()
    got = likelihood(Unpacked(), evidence(x, x)).numbers["-ELBO (nats)"]
    assert got.low < 1.5 * log(2 * pi * np.e) < got.high


def test_reconstruction_by_components_is_the_variance_they_leave() -> None:
    x = normal(500, 6, 0).float() * torch.tensor([0.4, 0.3, 0.2, 0.05, 0.05, 0.05])
    x = x.clamp(-1, 1) - x.clamp(-1, 1).mean(0)
    got = reconstruction(PrincipalComponents(x, 3), evidence(x, x)).numbers
    spectrum = torch.linalg.svdvals(x).square()
    assert got["mean squared error"].value == pytest.approx(
        spectrum[3:].sum().item() / x.numel(), rel=0.02
    )
    assert got["PSNR (dB)"].value == pytest.approx(
        10 * np.log10(4 / got["mean squared error"].value), rel=1e-6
    )
    assert reconstruction(PrincipalComponents(x, 6), evidence(x, x)).numbers["PSNR (dB)"].value > 60


def test_ssim_of_a_image_with_itself_is_one() -> None:
    class ImageSet(PrincipalComponents):
        def encode(self, x: Tensor) -> Tensor:
            return x.flatten(1)

        def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
            return z.unflatten(1, self.shape)

    x = torch.rand(6, 1, 16, 16, generator=seeded_generator(0)) * 2 - 1
    assert reconstruction(ImageSet(x, 0), evidence(x, x)).numbers["SSIM"].value == pytest.approx(
        1, abs=1e-5
    )


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    inside = 0
    for seed in range(200):
        estimate = bootstrap_mean(normal(80, 1, seed).squeeze(1))
        inside += estimate.low <= 0 <= estimate.high
    assert 0.88 <= inside / 200 <= 0.99


def test_baselines_are_what_they_are_called() -> None:
    x = torch.rand(400, 1, 4, 4, generator=seeded_generator(0)) * 2 - 1
    assert 0 < (with_noise(x) - x).abs().mean() < 0.2
    drawn = sample_coordinates(x, 3000)
    assert torch.allclose(drawn.mean(0), x.mean(0), atol=0.1)
    space = Continuous((1, 4, 4), "bernoulli")
    alone = IndependentCoordinates(space, x).bound(x)
    assert alone.shape == (400,)
    assert alone.mean() <= space.nll(torch.zeros(400, 1, 4, 4), x).mean() + 1e-4


@pytest.mark.parametrize("labelled", [True, False])
def test_learned_features_learn_and_are_kept(
    labelled: bool, tmp_path: Path, fashion: tuple[Tensor, Tensor]
) -> None:
    x = fashion[0][:1500].float().div(127.5).sub(1).unsqueeze(1)
    data = InMemory(x, fashion[1][:1500].unsqueeze(1) if labelled else None)
    features = Learned.fit(data, images_of(10 if labelled else 0), tmp_path, steps=100)
    assert features.accuracy > (0.6 if labelled else 0.7)  # by chance: 0.1, 0.25
    assert features(x[:20]).shape == (20, 128)
    assert (features.classify(x[:20]) is not None) == labelled
    again = Learned.fit(data, images_of(10 if labelled else 0), tmp_path, steps=100)
    assert torch.equal(again(x[:20]), features(x[:20]))
    assert again.accuracy == features.accuracy
    assert len(list(tmp_path.iterdir())) == 1


def test_distance_grows_with_damage(tmp_path: Path, fashion: tuple[Tensor, Tensor]) -> None:
    x = fashion[0][:2000].float().div(127.5).sub(1).unsqueeze(1)
    features = Learned.fit(
        InMemory(x[:1000], fashion[1][:1000].unsqueeze(1)), images_of(10), tmp_path, steps=60
    )
    judged = [x[:1000], with_noise(x[:1000]), sample_coordinates(x[:1000], 1000)]
    found = [
        frechet(HeldSamples(one, None), evidence(x[:1000], x[1000:], features=features)).numbers[
            "Fréchet distance"
        ]
        for one in judged
    ]
    assert found[0].high < found[1].low
    assert found[1].high < found[2].low


@pytest.mark.parametrize("name", registry.names("metrics"))
def test_every_metric_says_what_it_measures(name: str) -> None:
    metric = registry.load("metrics", name)
    assert registry.summary("metrics", name).endswith(".")
    assert issubclass(registry.needs(metric), Ability)
    assert metric.__doc__
