"""Spaces say what an error costs; the cost is the one on paper."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from conftest import SPACES, examples
from ganvas.core import Continuous, Mixed, Tokens
from ganvas.core.space import HALF_BIN
from ganvas.nn.losses import (
    discriminator_loss,
    kl_standard_normal,
    minimax_generator_loss,
    non_saturating_generator_loss,
)

LEVELS = torch.arange(256) / 127.5 - 1


@given(st.floats(-3, 3), st.floats(-6, 1))
def test_logistic_masses_of_all_levels_sum_to_one(mean: float, log_scale: float) -> None:
    space = Continuous((1,), "logistic")
    raw = torch.tensor([[mean, log_scale]]).expand(256, 2)
    assert space.nll(raw, LEVELS.unsqueeze(1)).neg().exp().sum().item() == pytest.approx(
        1, abs=1e-3
    )


@given(st.floats(-0.4, 0.4), st.floats(-4, -2.5))
def test_gaussian_bins_sum_to_one(mean: float, log_scale: float) -> None:
    space = Continuous((1,), "gaussian")
    raw = torch.tensor([[math.atanh(mean), log_scale]]).expand(256, 2)
    assert space.nll(raw, LEVELS.unsqueeze(1)).neg().exp().sum().item() == pytest.approx(
        1, abs=1e-2
    )


def test_bernoulli_is_the_expected_cost_of_binarised_values() -> None:
    space = Continuous((1, 2, 2), "binary")
    x, raw = examples(space, 1), torch.randn(1, 1, 2, 2)
    many = x.expand(40_000, *x.shape[1:])
    torch.manual_seed(0)
    drawn = space.observe(many)
    assert set(drawn.unique().tolist()) == {-1.0, 1.0}
    measured = space.nll(raw.expand_as(many), drawn).mean()
    torch.testing.assert_close(measured, space.nll(raw, x)[0], rtol=0.01, atol=0.01)


def test_dequantised_values_stay_in_their_bins() -> None:
    x = LEVELS.expand(50, 256)
    moved = Continuous((256,), "gaussian").observe(x)
    assert (moved - x).abs().max() <= HALF_BIN
    assert (moved - x).std().item() == pytest.approx(HALF_BIN / 3**0.5, rel=0.05)


@pytest.mark.parametrize("likelihood", ["squared", "bernoulli", "binary", "gaussian", "logistic"])
def test_the_marginal_is_the_best_constant_answer(likelihood: str) -> None:
    """No nearby constant describes the data better."""
    torch.manual_seed(0)
    space = Continuous((4,), likelihood)
    x = (torch.randn(4000, 4) * torch.tensor([0.05, 0.1, 0.2, 0.3])).clamp(-0.99, 0.99)
    best = space.marginal(x)
    assert best.shape == (1, *space.raw)

    def cost(raw: torch.Tensor) -> float:
        return space.nll(raw.expand(len(x), -1), x).mean().item()

    for move in torch.eye(best.shape[1]) * 0.15:
        assert cost(best) <= cost(best + move) + 5e-3
        assert cost(best) <= cost(best - move) + 5e-3


def test_levels_have_logits_of_their_own() -> None:
    """Masses sum to one; of all constants, frequencies cost least: the entropy."""
    space = Continuous((1, 2, 2), "softmax")
    assert space.raw == (256, 1, 2, 2)
    raw = torch.randn(1, *space.raw)
    every = LEVELS.view(256, 1, 1, 1).expand(256, 1, 2, 2)
    masses = space.costs(raw.expand(256, *space.raw), every).neg().exp().sum(0)
    torch.testing.assert_close(masses, torch.ones(1, 2, 2))
    torch.testing.assert_close(
        space.activate(raw), (raw.softmax(1) * LEVELS.view(1, 256, 1, 1, 1)).sum(1)
    )
    x = LEVELS[torch.arange(8000) % 5 * 9].view(2000, 1, 2, 2)
    entropy = space.nll(space.marginal(x).expand(len(x), *space.raw), x).mean().item()
    assert entropy == pytest.approx(4 * math.log(5), abs=0.02)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_what_is_drawn_lives_in_the_space(space: object) -> None:
    raw = torch.randn(7, *space.raw)
    for drawn in (space.draw(raw), space.likeliest(raw)):
        assert drawn.shape == (7, *space.shape)
        assert space.nll(raw, drawn).shape == (7,)
        if isinstance(space, Mixed):
            parts = [p for p in drawn.split(space.columns, -1) if p.shape[-1] > 1]
            assert all(torch.equal(p.sort(-1).values[:, -1], torch.ones(7)) for p in parts)
        if isinstance(space, Tokens):
            assert 0 <= drawn.min() <= drawn.max() < space.vocabulary


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_nothing_drawn_is_likelier_than_the_likeliest(space: object) -> None:
    raw = torch.randn(7, *space.raw)
    assert (space.nll(raw, space.likeliest(raw)) <= space.nll(raw, space.draw(raw)) + 1e-6).all()
    assert torch.equal(space.likeliest(raw), space.likeliest(raw))


def test_row_likelihood_is_the_sum_over_columns() -> None:
    space = Mixed((1, 3))
    raw, x = torch.tensor([[0.2, 1.0, 2.0, 3.0]]), torch.tensor([[0.5, 0.0, 1.0, 0.0]])
    expected = (math.tanh(0.2) - 0.5) ** 2 - torch.tensor([1.0, 2.0, 3.0]).log_softmax(0)[1].item()
    assert space.nll(raw, x).item() == pytest.approx(expected, rel=1e-6)


def test_numbers_of_a_row_may_have_a_gaussian_each() -> None:
    space = Mixed((1, 3, 1)).under("gaussian")
    raw = torch.tensor([[0.2, 1.0, 2.0, 3.0, -0.4, -1.0, -2.0]])
    x = torch.tensor([[0.5, 0.0, 1.0, 0.0, -0.3]])
    normal = torch.distributions.Normal(raw[0, [0, 4]].tanh(), raw[0, 5:].exp())
    expected = (
        -normal.log_prob(x[0, [0, 4]]).sum() - torch.tensor([1.0, 2.0, 3.0]).log_softmax(0)[1]
    )
    torch.testing.assert_close(space.nll(raw, x)[0], expected)
    drawn = space.draw(raw.expand(20_000, -1))[:, [0, 4]]
    torch.testing.assert_close(drawn.mean(0), normal.mean, atol=0.02, rtol=0)
    torch.testing.assert_close(drawn.std(0), normal.stddev, atol=0.02, rtol=0)


def test_the_marginal_of_rows_is_the_best_constant_answer() -> None:
    torch.manual_seed(0)
    space = Mixed((1, 2)).under("gaussian")
    x = torch.cat([torch.randn(4000, 1) * 0.2, F.one_hot((torch.rand(4000) < 0.3).long(), 2)], 1)
    best = space.marginal(x)
    for move in torch.eye(best.shape[1]) * 0.15:
        for other in (best + move, best - move):
            assert (
                space.nll(best.expand(4000, -1), x).mean()
                <= space.nll(other.expand(4000, -1), x).mean() + 1e-3
            )


def test_kl_equals_monte_carlo() -> None:
    torch.manual_seed(0)
    mean, logvar = torch.tensor([[0.7, -1.0]]), torch.tensor([[0.3, -0.8]])
    z = mean + (logvar / 2).exp() * torch.randn(400_000, 2)
    log_q = torch.distributions.Normal(mean, (logvar / 2).exp()).log_prob(z)
    log_p = torch.distributions.Normal(0.0, 1.0).log_prob(z)
    torch.testing.assert_close(
        kl_standard_normal(mean, logvar)[0], (log_q - log_p).mean(0), rtol=0.01, atol=0.01
    )


def test_gan_losses_are_those_of_the_paper() -> None:
    real, fake = torch.randn(64), torch.randn(64)
    d, g = discriminator_loss(real, fake), minimax_generator_loss(fake)
    value = real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean()
    torch.testing.assert_close(-(d["real"] + d["fake"]), value)
    torch.testing.assert_close(g["fool"], (1 - fake.sigmoid()).log().mean())
    torch.testing.assert_close(
        non_saturating_generator_loss(fake)["fool"], -fake.sigmoid().log().mean()
    )
