"""Differential privacy: what is clipped, what is added, and what is promised."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ganvas import InputError, api
from ganvas.apps import cli
from ganvas.core import Tokens
from ganvas.core.privacy import Promise
from ganvas.data.tables.modality import Tables
from ganvas.models.made import CLIP, MADE
from ganvas.nn.losses import clip_costs, gaussian_noise
from ganvas.training import privacy

SPACE = Tokens(3, 5, (2, 5, 3))


def small(**options: float) -> MADE:
    torch.manual_seed(0)
    return MADE(SPACE, width=12, depth=2, **options)


def rows(n: int) -> torch.Tensor:
    return torch.stack([torch.randint(size, (n,)) for size in SPACE.sizes], 1)


def gradients(model: MADE, x: torch.Tensor, position: torch.Tensor) -> list[torch.Tensor]:
    """Of each row alone, all parameters' gradients as one vector."""
    parameters = list(model.parameters())
    costs = SPACE.nll(model.logits(x, position), x)
    return [
        torch.cat([g.flatten() for g in torch.autograd.grad(c, parameters, retain_graph=True)])
        for c in costs
    ]


@pytest.mark.parametrize("position", [[0, 1, 2], [2, 0, 1]])
def test_norms_in_closed_form_are_those_of_each_rows_gradient(position: list[int]) -> None:
    model, x, at = small(), rows(6), torch.tensor(position)
    for parameter in model.parameters():  # blocks begin as nothing
        torch.nn.init.normal_(parameter, std=0.3)
    tape: list = []
    costs = SPACE.nll(model.logits(x, at, tape), x)
    slopes = torch.autograd.grad(costs.sum(), [product.y for product in tape])
    squared = sum(product.squared_norms(slope) for product, slope in zip(tape, slopes, strict=True))
    torch.testing.assert_close(
        squared.sqrt(), torch.stack([g.norm() for g in gradients(model, x, at)])
    )


def test_the_private_loss_has_the_gradient_of_the_paper() -> None:
    """Without noise: the sum of gradients that were clipped one by one, over the size that was
    expected."""
    model, x, at = small(), rows(8), torch.arange(3)
    model.promise, model.expected = Promise(1, 1e-5, 0.0), 5
    turn = model._private_turn(x, None, model.promise)
    sum(turn.loss.values()).backward()
    found = torch.cat([p.grad.flatten() for p in model.parameters()])
    expected = sum(g * min(1, CLIP / g.norm()) for g in gradients(model, x, at)) / 5
    torch.testing.assert_close(found, expected)


def test_no_cost_has_a_long_gradient() -> None:
    costs = torch.ones(3, requires_grad=True)
    assert clip_costs(costs, torch.tensor([0.5, 2.0, 0.0]), 1.0).tolist() == [1.0, 0.5, 1.0]


def test_noise_is_a_gradient_and_no_seed_brings_it_back() -> None:
    parameter = torch.zeros(20_000, requires_grad=True)
    drawn = []
    for _ in range(2):
        torch.manual_seed(0)
        (slope,) = torch.autograd.grad(gaussian_noise([parameter], 3.0), parameter)
        drawn.append(slope)
    assert drawn[0].std() == pytest.approx(3, rel=0.03)
    assert not torch.equal(*drawn)


def test_every_example_takes_part_with_the_same_probability() -> None:
    frame = pd.DataFrame({"a": np.arange(400) % 2, "b": np.arange(400) % 3})
    data = Tables.learn(frame, numbers="bins").read(frame)
    model = MADE(data.tables.space, width=8, depth=1, epsilon=1.0)
    model.protect(Promise(1, 1e-5, 1.0), 40)
    sizes = torch.tensor(
        [float(len(batch)) for batch in islice(model.batches(data, 40, seed=0), 300)]
    )
    assert sizes.mean() == pytest.approx(40, abs=4 * 6 / 300**0.5)
    assert sizes.std() == pytest.approx((400 * 0.1 * 0.9) ** 0.5, rel=0.2)


def test_a_round_without_examples_is_a_round_of_noise() -> None:
    model = small(epsilon=1.0)
    model.protect(Promise(1, 1e-5, 1.0), 1)
    turn = model._private_turn(rows(0), None, model.promise)
    assert turn.loss["clipped"] == 0
    sum(turn.loss.values()).backward()
    assert all((p.grad != 0).any() for p in model.parameters())


@pytest.mark.parametrize(
    ("epsilon", "batch", "steps"), [(0.5, 50, 40), (3.0, 200, 500), (8.0, 1000, 10)]
)
def test_what_is_promised_is_what_was_asked(epsilon: float, batch: int, steps: int) -> None:
    promise = privacy.privacy_promise(epsilon, 0, 1000, batch, steps)
    assert 0.8 * epsilon < promise.epsilon <= epsilon
    assert promise.delta == pytest.approx(1000**-1.1)
    assert privacy.privacy_promise(epsilon / 2, 0, 1000, batch, steps).noise > promise.noise


def test_a_run_says_what_it_promised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    pd.DataFrame({"a": random.integers(0, 3, 300), "b": random.choice(["x", "y"], 300)}).to_csv(
        tmp_path / "t.csv"
    )
    run = str(tmp_path / "run")
    asked = ["--epsilon", "2", "--width", "16", "--steps", "20", "--batch", "64"]
    assert cli.run(["train", "made", str(tmp_path / "t.csv"), "--out", run, *asked]) == 0
    state = json.loads((tmp_path / "run" / "state.json").read_text())
    assert 1.5 < state["privacy"]["epsilon"] <= 2
    spent = f"epsilon {state['privacy']['epsilon']:.2f}"
    assert spent in capsys.readouterr().err
    assert "best" not in state
    assert spent in (tmp_path / "run" / "report.html").read_text()
    assert cli.run(["show", run]) == 0
    assert spent in capsys.readouterr().out
    assert len(api.load(run).sample(n=5)) == 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epsilon": -1.0}, "epsilon is above 0"),
        ({"epsilon": 1.0, "minutes": 1}, "minutes="),
    ],
)
def test_a_promise_that_cannot_be_kept_is_refused(
    options: dict, words: str, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"a": np.arange(100) % 3, "b": np.arange(100) % 2})
    with pytest.raises(InputError, match=words):
        api.train(
            "made",
            frame,
            out=tmp_path / "run",
            quiet=True,
            **{"steps": None, "width": 8, **options},
        )


def test_noise_has_an_end() -> None:
    with pytest.raises(InputError, match="endless noise"):
        privacy.privacy_promise(1e-9, 0, 10**6, 1000, 1000)
