"""Games: what players minimise, and what holds a discriminator back."""

from __future__ import annotations

from itertools import islice, repeat
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import ganvas
from conftest import LABELS, SPACES, examples
from ganvas.abilities import EstimatesDensityRatio
from ganvas.apps import cli
from ganvas.core import Batch, Continuous, InputError, Mixed, Tokens
from ganvas.data.samples import ADULT, FASHION
from ganvas.models.dcgan import DCGAN
from ganvas.models.gan import GAN
from ganvas.nn.losses import GAMES, Loss, ordering
from ganvas.nn.perceptron import MinibatchStandardDeviation
from ganvas.runtime import registry
from ganvas.tasks.sample.discriminator_rejection import with_rejection
from ganvas.training.engine import Engine

IMAGE, VECTOR = SPACES["image"], SPACES["vector"]


@pytest.mark.parametrize("loss", GAMES)
def test_a_discriminator_gains_by_telling_apart_and_a_generator_by_being_taken_for_real(
    loss: Loss,
) -> None:
    game, apart = GAMES[loss], torch.tensor(0.3)
    low, high = torch.zeros(4), torch.full((4,), 0.5)

    def total(terms: dict[str, Tensor]) -> Tensor:
        return torch.stack([*terms.values()]).sum()

    def fooled(fake: Tensor) -> Tensor:
        return total(game.generator(fake, high) if game.relative else game.generator(fake))

    assert total(game.discriminator(high, low)) < total(game.discriminator(low, high))
    assert fooled(low + apart) < fooled(low)
    shifted = total(game.discriminator(high + 1, low + 1)) - total(game.discriminator(high, low))
    assert game.unanchored == (shifted.abs() < 1e-6).item()


@pytest.mark.parametrize("loss", GAMES)
def test_every_loss_and_every_restraint_is_an_option_of_every_model(loss: Loss) -> None:
    restraints = {
        "r1": 0.1,
        "r2": 0.1,
        "gradient_penalty": 0.1,
        "consistency": 0.1,
        "spectral": True,
        "lazy": 2,
    }
    torch.manual_seed(0)
    model = DCGAN(
        IMAGE,
        LABELS,
        latent=4,
        channels=8,
        loss=loss,
        augment="adaptive",
        minibatch_std=True,
        **restraints,
    )
    batch = Batch(examples(IMAGE), torch.arange(16).unsqueeze(1) % 3)
    logs = list(islice(Engine(model).steps(repeat(batch)), 4))
    assert all(torch.isfinite(value) for log in logs for value in log.values())
    penalties = {
        f"discriminator/{name}" for name in ("r1", "r2", "gradient_penalty", "consistency")
    }
    assert [penalties <= set(log) for log in logs] == [False, True, False, True]
    for name in ("gan", "cgan", "dcgan", "lsgan", "wgan"):
        own = {option.name for option in registry.options(registry.load("models", name))}
        assert own >= {"loss", "augment", "discriminator_steps", *restraints}


def test_ordering_is_the_area_under_the_curve() -> None:
    real, fake = torch.tensor([2.0, 0.0, 1.0]), torch.tensor([0.0, -1.0])
    assert ordering(real, fake).item() == pytest.approx(5.5 / 6)
    assert ordering(fake, real).item() == pytest.approx(0.5 / 6)


def test_lazy_penalties_weigh_as_much_over_time() -> None:
    def penalty(lazy: int) -> float:
        torch.manual_seed(0)
        model = GAN(VECTOR, latent=4, width=16, depth=1, r1=1.0, lazy=lazy)
        log = list(
            islice(
                Engine(model, lr={"discriminator": 0.0, "generator": 0.0}).steps(repeat(batch)),
                4,
            )
        )
        return sum(line.get("discriminator/r1", torch.zeros(())).item() for line in log)

    batch = Batch(examples(VECTOR))
    assert penalty(4) == pytest.approx(penalty(1), rel=1e-5)


def test_spectral_normalisation_makes_the_largest_singular_value_one() -> None:
    model = GAN(VECTOR, latent=4, width=16, depth=2, spectral=True)
    list(islice(Engine(model).steps(repeat(Batch(examples(VECTOR)))), 30))
    weights = [m.weight for m in model.discriminator.modules() if isinstance(m, nn.Linear)]
    assert len(weights) == 3
    for weight in weights:
        assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, abs=0.05)


def test_batch_deviation_tells_a_collapsed_batch() -> None:
    x = torch.randn(64, 5, 2, 2)
    assert MinibatchStandardDeviation()(x).shape == (64, 6, 2, 2)
    assert MinibatchStandardDeviation()(x)[0, -1, 0, 0].item() == pytest.approx(1, abs=0.2)
    assert MinibatchStandardDeviation()(x[:1].expand(64, -1, -1, -1))[:, -1].max() < 1e-3


def test_what_cannot_be_is_refused_in_a_sentence() -> None:
    with pytest.raises(InputError, match="augment="):
        GAN(VECTOR, augment="fixed")
    with pytest.raises(InputError, match="r1= is -1"):
        GAN(VECTOR, r1=-1.0)
    with pytest.raises(InputError, match="lazy= is 0"):
        GAN(VECTOR, lazy=0)


def test_words_that_are_none_are_refused_in_python_too() -> None:
    with pytest.raises(InputError, match="loss= is one of"):
        GAN(VECTOR, loss="bogus")
    with pytest.raises(InputError, match="spectral="):
        registry.load("models", "r3gan")(IMAGE, spectral=True)
    with pytest.raises(InputError, match="fourier_features= is -1"):
        GAN(VECTOR, fourier_features=-1.0)
    with pytest.raises(InputError, match="depth=0"):
        GAN(VECTOR, depth=0, minibatch_std=True)


@pytest.mark.parametrize("words", ["dcgan", "r3gan", "wgan", "lsgan"])
@pytest.mark.parametrize("shape", [(1, 15, 15), (1, 32, 16), (1, 257, 257), (32,)])
def test_images_of_other_sizes_are_refused_alike(words: str, shape: tuple[int, ...]) -> None:
    model = registry.load("models", words)
    with pytest.raises(
        InputError, match=rf"{words} generates square images of 16 to 256 pixels, not .*size="
    ):
        model(Continuous(shape))


def test_residual_networks_make_oblong_images_too() -> None:
    r3gan = registry.load("models", "r3gan")
    small = {"networks": "residual", "channels": 8, "most": 8, "latent": 4}
    assert r3gan(Continuous((1, 32, 16)), **small).sample(2).shape == (2, 1, 32, 16)
    with pytest.raises(InputError, match="r3gan generates images of 16 to 256 pixels"):
        r3gan(Continuous((1, 32, 15)), **small)


@pytest.mark.parametrize("words", ["ctgan", "fanogan", "ganomaly"])
def test_every_discriminator_says_how_often_it_is_right(words: str) -> None:
    """The area under its curve: of a head that is turned step, one minus it."""
    space = Mixed((1, 2, 3)) if words == "ctgan" else VECTOR
    model = registry.load("models", words)(space)
    x = torch.cat([torch.zeros(20, 1), *[torch.eye(k)[torch.arange(20) % k] for k in (2, 3)]], 1)
    batch = Batch(x if words == "ctgan" else examples(VECTOR, 20))
    told = []
    for sign in (1, -1):
        for p in [*model.discriminator.parameters()][-1:]:
            p.data *= sign
        torch.manual_seed(0)
        with torch.no_grad():
            told.append(next(iter(model.eval().turns(batch))).notes["ordering"].item())
    assert sum(told) == pytest.approx(1)


@pytest.mark.parametrize("words", ["wgan", "ctgan"])
def test_networks_that_are_differentiated_twice_are_not_compiled(
    words: str, tmp_path: Path
) -> None:
    source = ADULT / "train.csv" if words == "ctgan" else FASHION
    with pytest.raises(InputError, match="compile="):
        ganvas.train(words, source, out=tmp_path / "run", steps=1, compile=True, quiet=True)


class Known(EstimatesDensityRatio):
    """Numbers about 0 or 1, of which the data has 3 to 7 and it makes 4 to 1; with labels, 1 to 1
    of the second."""

    def __init__(self, condition: Tokens | None = None) -> None:
        self.space, self.condition, self.asked = Continuous((1,)), condition, 0

    def prior(self, n: int, truncation: float | None = None) -> Tensor:
        return torch.rand(n, 1)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return (z > 0.8).float() + 0.1 * torch.randn(z.shape)

    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        self.asked += n
        return self.decode(self.prior(n))

    def log_density_ratio(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        wanted = torch.full((len(x),), 0.7) if y is None else torch.tensor([0.7, 0.5])[y.squeeze(1)]
        near = torch.distributions.Normal(0, 0.1).log_prob(torch.cat([x, x - 1], 1))
        made = (near + torch.tensor([0.8, 0.2]).log()).logsumexp(1)
        return (near + torch.stack([1 - wanted, wanted], 1).log()).logsumexp(1) - made + 5


@pytest.mark.parametrize("labelled", [False, True])
def test_samples_that_a_perfect_discriminator_leaves_are_distributed_as_the_data(
    labelled: bool,
) -> None:
    torch.manual_seed(0)
    model = Known(Tokens(1, 2) if labelled else None)
    x = with_rejection(model).sample(6000)
    for part, wanted in ((x[::2], 0.7), (x[1::2], 0.5 if labelled else 0.7)):
        ones = part[part > 0.5]
        assert len(ones) / len(part) == pytest.approx(wanted, abs=0.03)
        assert ones.mean().item() == pytest.approx(1, abs=0.01)
        assert ones.std().item() == pytest.approx(0.1, abs=0.01)


def test_a_discriminator_that_cannot_tell_rejects_nothing() -> None:
    model, fair = GAN(VECTOR, latent=4, width=8).eval(), examples(VECTOR)
    for p in [*model.discriminator.parameters()][-2:]:
        p.data.zero_()
    torch.manual_seed(3)
    kept = with_rejection(model).sample(50)
    torch.manual_seed(3)
    assert torch.equal(kept, model.sample(50))
    assert not model.log_density_ratio(fair).any()


@pytest.mark.parametrize("loss", GAMES)
def test_logits_are_odds_where_the_best_ones_are(loss: Loss) -> None:
    """Of 1 in 4 real examples that look alike, and 3 in 4 made ones, a discriminator that is told
    so learns log 1/3."""
    logits, game = (
        torch.zeros(2, requires_grad=True),
        GAMES[loss],
    )  # of what looks this way, and of what looks that way
    real, fake = torch.tensor([0, 1, 1, 1]), torch.tensor([0, 0, 0, 1])
    pairs = torch.cartesian_prod(real, fake)
    optimizer = torch.optim.SGD([logits], 3.0)
    for _ in range(200 if game.density_ratio else 1):
        optimizer.zero_grad()
        torch.stack(
            [*game.discriminator(logits[pairs[:, 0]], logits[pairs[:, 1]]).values()]
        ).sum().backward()
        optimizer.step()
    apart = (logits[1] - logits[0]).item()
    assert game.density_ratio == (
        apart == pytest.approx(2 * torch.tensor(3.0).log().item(), abs=0.01)
    )


def test_only_odds_can_reject(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = [
        "--steps",
        "3",
        "--batch",
        "8",
        "--latent",
        "2",
        "--width",
        "8",
        "--precision",
        "float32",
    ]
    for model, more in (("gan", []), ("gan", ["--loss", "hinge"]), ("ae", [])):
        run = tmp_path / "-".join([model, *more[1:]])
        assert cli.run(["train", model, str(images), "--out", str(run), *small, *more]) == 0
    sample = ["sample", "--n", "5", "--seed", "1", "--reject"]
    assert cli.run([*sample, str(tmp_path / "gan"), "--out", str(tmp_path / "made")]) == 0
    assert len([*(tmp_path / "made").glob("[0-9]*.png")]) == 5
    capsys.readouterr()
    assert cli.run([*sample, str(tmp_path / "gan-hinge"), "--out", str(tmp_path / "none")]) == 2
    assert "learned no density ratio" in capsys.readouterr().err
    assert cli.run([*sample, str(tmp_path / "ae"), "--out", str(tmp_path / "none")]) == 2
