"""Transformers: what they are told by, that they remember, that chances sum to one, how they are
steered."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from conftest import SPACES, examples
from ganvas.core import Batch, Continuous, InputError, Tokens
from ganvas.core.decoding import DecodingOptions
from ganvas.models.textvae import TextVAE
from ganvas.models.transformer import Transformer

SMALL = Tokens(3, 4)
EVERY = torch.tensor(list(product(range(4), repeat=3)))
ENDING = Tokens(3, 4, end=0)
CODES, LABELS, CAPTIONS = SPACES["codes"], Tokens(1, 3), Tokens(4, 6)


def made(space: Tokens, condition: Tokens | None = None, **options: object) -> Transformer:
    """A model whose weights say something."""
    torch.manual_seed(0)
    model = Transformer(space, condition, **{"width": 32, "depth": 2, **options})  # type: ignore[arg-type]
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3) if weight.dim() > 1 else None
    return model.eval()


@pytest.mark.parametrize("condition", [None, LABELS, CAPTIONS])
def test_what_is_remembered_is_what_would_be_worked_out_again(condition: Tokens | None) -> None:
    model, x = made(SPACES["text"], condition), examples(SPACES["text"])
    y = None if condition is None else torch.randint(condition.vocabulary, (16, condition.length))
    whole = model.network.logits(model.network(x, y))
    for known in (0, 3):
        for place, logits in model.network.unfold(x, y, known):
            torch.testing.assert_close(logits, whole[:, place], rtol=1e-4, atol=1e-5)


def test_a_place_is_told_by_those_before_it_alone() -> None:
    model, x = made(SPACES["text"]), examples(SPACES["text"])
    other = x.clone()
    other[:, 5] = (x[:, 5] + 1) % 11
    a, b = (model.network(one, None) for one in (x, other))
    assert torch.equal(a[:, :6], b[:, :6])
    assert not torch.allclose(a[:, 6:], b[:, 6:])


@pytest.mark.parametrize("order", ["causal", "masked"])
def test_probabilities_of_all_examples_sum_to_one(order: str) -> None:
    assert made(SMALL, order=order).score(EVERY).neg().exp().sum().item() == pytest.approx(
        1, abs=1e-4
    )


def test_probabilities_of_all_that_ends_sum_to_one() -> None:
    distinct = ENDING.fill_after_end(EVERY).unique(dim=0)
    assert len(distinct) < len(EVERY)
    assert made(ENDING).score(distinct).neg().exp().sum().item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("order", ["causal", "masked"])
def test_codes_keep_to_their_alphabets_and_to_what_is_allowed(order: str) -> None:
    model, allowed = (
        made(CODES, order=order),
        {1: torch.tensor([False, True]), 2: torch.arange(4) < 2},
    )
    x, known = examples(CODES, 64), torch.zeros(64, 3, dtype=torch.bool)
    known[:32, 0] = True
    filled = model.complete(x, known, allowed)
    assert torch.equal(filled[known], x[known])
    assert (filled[:, 1] == 1).all()
    assert (filled[:, 2] < 2).all()
    assert (model.sample(64) < torch.tensor(CODES.alphabets)).all()


def test_samples_are_as_frequent_as_they_are_likely() -> None:
    model = made(Tokens(2, 3))
    every = torch.tensor(list(product(range(3), repeat=2)))
    torch.manual_seed(1)
    counts = torch.bincount(model.sample(4000) @ torch.tensor([3, 1]), minlength=9) / 4000
    assert (counts - model.score(every).neg().exp()).abs().max() < 0.03


def test_guidance_leads_away_from_what_is_said_without_a_condition() -> None:
    given, free = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.0]])
    both = torch.cat([given, free])
    assert torch.equal(DecodingOptions(guidance=1).apply_guidance(both, 1), given)
    assert torch.equal(
        DecodingOptions(guidance=3).apply_guidance(both, 1), torch.tensor([[2.0, 0.0]])
    )
    model, y = made(SPACES["text"], LABELS), torch.ones(4, 1, dtype=torch.long)
    torch.manual_seed(3)
    assert model.sample_tokens(4, y, DecodingOptions(guidance=2.0)).shape == (4, 8)


def test_steering_leaves_what_it_says() -> None:
    logits = torch.tensor([[3.0, 2.0, 1.0, 0.0]])
    kept = lambda how: how.adjust_logits(logits).isfinite().sum().item()  # noqa: E731
    assert kept(DecodingOptions(top_k=2)) == 2
    assert kept(DecodingOptions(top_p=0.01)) == 1
    assert kept(DecodingOptions(top_p=0.7)) == 2
    assert kept(DecodingOptions()) == 4
    torch.testing.assert_close(DecodingOptions(temperature=0.5).adjust_logits(logits), 2 * logits)


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": 0.0}, {"top_p": 0.0}, {"top_p": 1.5}, {"top_k": -1}, {"decoding_steps": -1}],
)
def test_steering_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(InputError, match=f"{name}= is .*; it must be"):
        DecodingOptions(**wrong)  # type: ignore[arg-type]


def test_what_cannot_be_heeded_is_refused() -> None:
    with pytest.raises(InputError, match="order='masked'"):
        made(SMALL).sample_tokens(2, None, DecodingOptions(decoding_steps=4))
    with pytest.raises(InputError, match="guidance= strengthens a label"):
        made(SMALL).sample_tokens(2, None, DecodingOptions(guidance=2))
    with pytest.raises(InputError, match="learns tokens"):
        Transformer(Continuous((3,)))
    with pytest.raises(InputError, match="no multiple"):
        Transformer(SMALL, width=30, heads=4)


def test_a_grid_tells_its_rows_and_columns_apart() -> None:
    model = made(Tokens(6, 4, grid=(2, 3)))
    assert [tuple(axis.shape) for axis in model.network.axes] == [(2, 32), (3, 32)]
    places = model.network._embed_places(0, 6)
    torch.testing.assert_close(places[4], model.network.axes[0][1] + model.network.axes[1][1])


def test_nothing_after_the_end_is_learned_from() -> None:
    model = made(ENDING).train()
    a, b = (
        next(model.turns(Batch(torch.tensor([row])))).loss["nll"] for row in ([1, 0, 0], [1, 0, 3])
    )
    assert torch.equal(a, b)


def test_what_a_latent_costs_is_what_its_places_cost() -> None:
    torch.manual_seed(0)
    model, x = TextVAE(ENDING, latent=2, width=16, depth=1).eval(), EVERY
    costs = model.costs(torch.randn(len(x), 2), x)
    assert (costs[~ENDING.valid_places(x)] == 0).all()
    bounds = [model.bound(x, samples).mean().item() for samples in (1, 64)]
    assert bounds[1] <= bounds[0] + 0.02
    z = model.encode(x[:5])
    assert torch.equal(model.decode(z), model.decode(z)), (
        "the likeliest symbols are no matter of chance"
    )
