"""Detectors are what their papers say: identities of f-AnoGAN, GANomaly and the likelihood regret
of a VAE."""

from __future__ import annotations

import json
from itertools import islice, repeat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from conftest import ROW, SPACES, examples
from ganvas.apps import cli
from ganvas.core import Batch, InputError, Space, Tokens
from ganvas.models.fanogan import FAnoGAN
from ganvas.models.ganomaly import GANomaly
from ganvas.models.vae import VAE
from ganvas.training.engine import Engine

SMOOTH = {name: space for name, space in SPACES.items() if not isinstance(space, Tokens)}


def trained(model: VAE | FAnoGAN | GANomaly, x: Tensor, steps: int = 10) -> None:
    list(islice(Engine(model).steps(repeat(Batch(x))), steps))
    model.eval()


def vae(space: Space) -> VAE:
    torch.manual_seed(0)
    return VAE(space, latent=4, width=8 if len(space.shape) == 3 else 16, depth=1, score="regret")


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
def test_regret_is_what_the_posterior_of_one_example_gains(space: Space) -> None:
    model, x = vae(space), examples(space)
    trained(model, x)
    with torch.no_grad():
        nothing, (few, attribution), (many, _) = (
            model.regret(x, 0)[0],
            model.regret(x, 10),
            model.regret(x, 40),
        )
        assert torch.equal(nothing, torch.zeros(len(x)))
        assert (few >= 0).all()
        assert (few > 1e-4).any()
        assert many.mean() > few.mean()
        assert (attribution.flatten(1).sum(1) <= few + 1e-3).all()
        assert torch.equal(model.score(x), model.regret(x)[0])
        assert torch.allclose(
            model.score(x)[3:5], model.score(x[3:5]), rtol=1e-3, atol=1e-3
        )  # no example sees another


def test_regret_leaves_the_model_alone() -> None:
    model, x = vae(SPACES["vector"]), examples(SPACES["vector"])
    before, random = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    with torch.no_grad():
        model.score(x)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)


def test_regret_does_not_see_how_much_an_example_costs_anyway() -> None:
    """What no latent can change costs, and is not regretted: the ELBO ranks by it, the regret does
    not."""
    model, x = vae(SPACES["vector"]), examples(SPACES["vector"])
    for p in model.decoder.parameters():
        torch.nn.init.zeros_(p)
    torch.nn.init.zeros_(model.encoder.layers[-1].weight)
    torch.nn.init.zeros_(model.encoder.layers[-1].bias)
    assert model.regret(x)[0].max() < 1e-4


@pytest.mark.parametrize("space", SMOOTH.values(), ids=SMOOTH.keys())
def test_the_critic_pays_the_penalty_of_its_formula(space: Space) -> None:
    torch.manual_seed(0)
    model, x = FAnoGAN(space, latent=4, width=8, penalty=7.0), examples(space)
    torch.manual_seed(1)
    loss = next(model.turns(Batch(x))).loss["penalty"]
    torch.manual_seed(1)
    fake = space.activate(model.generator(model.prior(len(x)))).detach()
    share = torch.rand(len(x), *[1] * (x.dim() - 1))
    between = (x + share * (fake - x)).requires_grad_()
    slopes = [
        torch.autograd.grad(model.discriminator(between)[i], between)[0][i].norm()
        for i in range(len(x))
    ]
    assert torch.allclose(loss, 7 * (torch.stack(slopes) - 1).square().mean(), rtol=1e-4)


def test_the_encoder_moves_nobody_but_itself() -> None:
    def weights(rate: float) -> dict[str, Tensor]:
        torch.manual_seed(0)
        model = FAnoGAN(ROW, latent=4, width=16)
        list(islice(Engine(model, lr={"encoder": rate}).steps(repeat(Batch(examples(ROW)))), 5))
        return {k: v.detach() for k, v in model.named_parameters()}

    still, fast = weights(0.0), weights(0.1)
    for name, value in still.items():
        assert torch.equal(value, fast[name]) != name.startswith("encoder"), name


@pytest.mark.parametrize("space", SMOOTH.values(), ids=SMOOTH.keys())
def test_the_score_of_fanogan_is_what_its_encoder_minimises(space: Space) -> None:
    torch.manual_seed(0)
    model, x = FAnoGAN(space, latent=4, width=8, kappa=0.3).eval(), examples(space)
    last = list(model.turns(Batch(x)))[-1]
    with torch.no_grad():
        score, attribution = model.score_with_attribution(x)
        score, attribution = score / attribution[0].numel(), attribution / attribution[0].numel()
        assert torch.allclose(score.mean(), sum(last.loss.values()), rtol=1e-4)
        assert torch.equal(
            model.score(x), model.score(x)
        )  # nothing is left to chance, of categories neither
        remade = space.mean(model.generator(model.encoder(x)))
        apart = model.discriminator.features(x) - model.discriminator.features(remade)
        if space.shape != ROW.shape:
            assert torch.allclose(
                score, (x - remade).square().flatten(1).mean(1) + 0.3 * apart.square().mean(1)
            )
        assert torch.allclose(
            score - attribution.flatten(1).sum(1), 0.3 * apart.square().mean(1), atol=1e-6
        )


@pytest.mark.parametrize("space", SMOOTH.values(), ids=SMOOTH.keys())
def test_the_score_of_ganomaly_is_the_distance_of_latents_and_is_given_to_places(
    space: Space,
) -> None:
    torch.manual_seed(0)
    model, x = GANomaly(space, latent=4, width=8).eval(), examples(space)
    with torch.no_grad():
        z = model.encode(x)
        again = model.generator["again"](space.mean(model.generator["decoder"](z)))
        score, attribution = model.score_with_attribution(x)
        assert torch.allclose(score, (z - again).abs().sum(1))
        assert torch.allclose(attribution.flatten(1).sum(1), score)
        model.generator["again"].load_state_dict(model.generator["encoder"].state_dict())
        model.generator["decoder"].register_forward_hook(lambda *_: x.atanh())
        if space.shape != ROW.shape:
            assert model.score(x).max() < 1e-4  # what is given back exactly is not anomalous


def test_category_means_are_what_draws_come_to() -> None:
    torch.manual_seed(0)
    raw = torch.randn(1, *ROW.raw)
    draws = ROW.draw(raw.expand(20_000, -1)).mean(0)
    assert torch.allclose(ROW.mean(raw)[0], draws, atol=0.02)


@pytest.mark.parametrize("make", [FAnoGAN, GANomaly])
@pytest.mark.parametrize("space", SMOOTH.values(), ids=SMOOTH.keys())
def test_they_learn_in_bf16(space: Space, make: type[FAnoGAN] | type[GANomaly]) -> None:
    torch.manual_seed(0)
    engine = Engine(make(space, latent=4, width=8), precision=torch.bfloat16)
    for log in islice(engine.steps(repeat(Batch(examples(space)))), 2):
        assert all(torch.isfinite(value) for value in log.values())


@pytest.mark.parametrize("make", [FAnoGAN, GANomaly])
def test_they_refuse_tokens(make: type[FAnoGAN] | type[GANomaly]) -> None:
    with pytest.raises(InputError, match="change smoothly"):
        make(Tokens(3, 4))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """normal.csv: b goes with a, and the kind with both. anomalous.csv: forty such rows, then forty
    where it does not."""
    folder, random = tmp_path_factory.mktemp("rows"), np.random.default_rng(0)

    def frame(n: int, sign: int) -> pd.DataFrame:
        a = random.normal(0, 1, n)
        b = sign * a + random.normal(0, 0.1, n)
        return pd.DataFrame({"a": a, "b": b, "kind": np.where(a > 0, "up", "down")})

    frame(1500, 1).to_csv(folder / "normal.csv", index=False)
    pd.concat([frame(40, 1), frame(40, -1)]).to_csv(folder / "anomalous.csv", index=False)
    return folder


@pytest.mark.parametrize(
    ("model", "least"), [("fanogan", 0.6), ("ganomaly", 0.5), ("vae --score regret", 0.6)]
)
def test_what_is_anomalous_in_rows_is_stranger(
    rows: Path, model: str, least: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--steps", "250", "--width", "48", "--latent", "2", "--quiet"]
    name, *options = model.split()
    assert (
        cli.run(
            [
                "train",
                name,
                str(rows / "normal.csv"),
                "--out",
                str(tmp_path / "run"),
                *options,
                *small,
            ]
        )
        == 0
    )
    out = tmp_path / "scores.csv"
    assert (
        cli.run(
            [
                "detect",
                str(tmp_path / "run"),
                str(rows / "anomalous.csv"),
                "--out",
                str(out),
                "--json",
            ]
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["files"] == [str(out)]
    scores = pd.read_csv(out)["score"].to_numpy()
    above = (scores[40:, None] > scores[None, :40]).mean()  # the area under the ROC curve
    assert above > least, above
