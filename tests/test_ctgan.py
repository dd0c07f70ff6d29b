"""CTGAN practises as its paper says: rare categories as often as their logarithm, each with a row
that has it."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from conftest import InMemory
from ganvas.core import Batch, InputError, Mixed, Tokens
from ganvas.models.ctgan import CTGAN
from ganvas.nn.losses import gradient_penalty

SPACE = Mixed((1, 3, 2, 4))  # a number within three modes, and two categories


def rows(n: int = 400) -> Tensor:
    """Rows of which one in a hundred has the second level of the first category."""
    torch.manual_seed(0)
    rare = torch.arange(n) % 100 == 0
    codes = [torch.randint(3, (n,)), rare.long(), torch.randint(4, (n,))]
    hot = [F.one_hot(code, width).float() for code, width in zip(codes, (3, 2, 4), strict=True)]
    return torch.cat([torch.rand(n, 1) * 2 - 1, *hot], 1)


def ctgan(pac: int = 10) -> CTGAN:
    torch.manual_seed(0)
    return CTGAN(SPACE, latent=4, width=16, pac=pac)


def test_modes_are_not_asked_for() -> None:
    model = ctgan()
    assert model.places.tolist() == [4, 5, 6, 7, 8, 9]
    assert model.column.tolist() == [0, 0, 1, 1, 1, 1]


def test_training_by_sampling() -> None:
    x, model = rows(), ctgan()
    batches = list(islice(model.batches(InMemory(x), 100, seed=3), 200))
    asked = torch.cat([batch.y for batch in batches if batch.y is not None]).squeeze(1)
    drawn = torch.cat([batch.x for batch in batches])
    assert (drawn[torch.arange(len(drawn)), model.places[asked]] == 1).all()
    weights = torch.tensor([397.0, 5.0]).log()
    expected = weights / weights.sum() / 2
    assert torch.allclose(asked.bincount(minlength=6)[:2] / len(asked), expected, atol=0.02)
    assert model.frequencies[:2].tolist() == [396, 4]
    later = next(iter(model.batches(InMemory(x), 100, seed=3, start=7)))
    assert torch.equal(later.x, batches[7].x)


def test_what_held_out_rows_are_asked_for_they_have() -> None:
    x, model = rows(), ctgan()
    asked = model._conditions(Batch(x))
    assert torch.equal(asked.sum(1), torch.ones(len(x)))
    assert ((asked == 1) <= (x[:, model.places] == 1)).all()


def test_a_generator_that_gives_what_is_asked_misses_nothing() -> None:
    x, model = rows(), ctgan()
    asked = model._conditions(Batch(x))
    assert model._condition_loss(100 * x, asked)["missed"] < 1e-4
    assert model._condition_loss(0 * x, asked)["missed"] > 0.6


def test_packs_hold_every_row_once_and_fill_up_with_the_first() -> None:
    x, model = rows(13), ctgan(pac=5)
    packed = model._pack(x, model._conditions(Batch(x))).view(15, -1)[:, : x.shape[1]]
    assert torch.equal(packed[:13], x)
    assert torch.equal(packed[13:], x[:2])


def test_the_penalty_of_a_linear_critic_is_known() -> None:
    weights = torch.tensor([3.0, 4.0])
    penalty = gradient_penalty(lambda x: x @ weights, torch.randn(6, 2), torch.randn(6, 2))
    assert torch.allclose(penalty, torch.full((6,), 16.0))


def test_it_refuses_what_are_no_rows() -> None:
    with pytest.raises(InputError, match="rows of a table"):
        CTGAN(Tokens(3, 4))
