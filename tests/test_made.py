"""MADE is a distribution: it sums to one in every order, and what it completes follows from it."""

from __future__ import annotations

from itertools import product

import pandas as pd
import pytest
import torch
from torch import Tensor

from ganvas.core import InputError, Tokens
from ganvas.evaluation.metrics.c2st import c2st_auc
from ganvas.evaluation.metrics.columns import _kolmogorov, _trend, _variation
from ganvas.models.made import MADE

SIZES = (2, 3, 4)
EVERY = torch.tensor(list(product(*map(range, SIZES))))


def made() -> MADE:
    torch.manual_seed(0)
    model = MADE(Tokens(3, 4, SIZES), width=12, depth=2)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5)
    return model.eval()


@pytest.mark.parametrize("position", [[0, 1, 2], [2, 0, 1], [1, 2, 0]])
def test_probabilities_of_all_rows_sum_to_one(position: list[int]) -> None:
    model = made()
    nll = model.space.nll(model.logits(EVERY, torch.tensor(position)), EVERY)
    assert torch.isclose((-nll).exp().sum(), torch.tensor(1.0), atol=1e-5)


@pytest.mark.parametrize("position", [[0, 1, 2], [2, 0, 1]])
def test_a_place_depends_on_those_before_it_and_on_no_other(position: list[int]) -> None:
    model = made()
    logits = model.space.places(model.logits(EVERY, torch.tensor(position)))
    for place, own in enumerate(logits):
        before = [k for k in range(3) if position[k] < position[place]]
        for row in range(len(EVERY)):
            same = (EVERY[:, before] == EVERY[row, before]).all(1)
            assert torch.allclose(own[same], own[row].expand(int(same.sum()), -1), atol=1e-5)
        if before:
            assert own.std(0).max() > 0.01


def _frequencies(x: Tensor) -> Tensor:
    weights = torch.tensor([12, 4, 1])
    return torch.bincount((x * weights).sum(1), minlength=24) / len(x)


def test_samples_are_as_frequent_as_they_are_likely() -> None:
    model = made()
    with torch.no_grad():
        made_rows, likely = model.sample(40_000), (-model.score(EVERY)).exp()
    assert (_frequencies(made_rows) - likely).abs().max() < 0.01


@pytest.mark.parametrize("given", [[2], [0, 2], [1, 2]])
def test_completing_draws_from_the_conditional(given: list[int]) -> None:
    model = made()
    x, known = (
        torch.tensor([1, 0, 2]),
        torch.zeros(3, dtype=torch.bool).index_fill(0, torch.tensor(given), True),
    )
    order = given + [k for k in range(3) if k not in given]
    with torch.no_grad():
        filled = model.complete(x.expand(40_000, 3), known.expand(40_000, 3))
        likely = (-model.space.nll(model.logits(EVERY, torch.tensor(order).argsort()), EVERY)).exp()
    likely = torch.where((EVERY[:, given] == x[given]).all(1), likely, 0)
    assert (filled[:, given] == x[given]).all()
    assert (_frequencies(filled) - likely / likely.sum()).abs().max() < 0.01


def test_it_refuses_what_changes_smoothly() -> None:
    from conftest import IMAGE

    with pytest.raises(InputError, match="learns tokens"):
        MADE(IMAGE)


def test_distances_of_columns_are_what_they_are_named_after() -> None:
    a, b = torch.randn(500).numpy(), torch.randn(400).numpy() + 1
    grid = sorted([*a, *b])
    assert _kolmogorov(a, b) == pytest.approx(
        max(abs((a <= g).mean() - (b <= g).mean()) for g in grid)
    )
    assert _kolmogorov(a, a) == 0
    x, y = torch.tensor([0, 0, 1, 2]).double().numpy(), torch.tensor([0, 1, 1, 1]).double().numpy()
    assert _variation(x, y) == pytest.approx((0.25 + 0.5 + 0.25) / 2)
    pair = torch.randn(500, 2).double().numpy()
    assert _trend(pair.copy(), pair.copy(), False, False) == 0
    assert _trend(pair.copy(), pair.copy(), True, False) == 0


def test_trees_tell_apart_what_differs_alone() -> None:
    torch.manual_seed(0)
    frame = pd.DataFrame({"a": torch.randn(800).numpy(), "b": ["x", "y"] * 400})
    assert c2st_auc(frame[:400], frame[400:]).value == pytest.approx(0.5, abs=0.06)
    other = frame[400:].assign(a=frame["a"] + 3)
    assert c2st_auc(frame[:400], other).value > 0.95
