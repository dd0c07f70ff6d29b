"""What every model promises, over every model there is and every space it takes."""

from __future__ import annotations

import inspect
from itertools import islice, repeat
from typing import Any

import pytest
import torch
from _cases import batch_for, build, cases, first_cases, models_with
from torch import Tensor

from conftest import SPACES, examples
from ganvas import abilities
from ganvas.abilities import (
    Bounds,
    Completes,
    Decodes,
    Encodes,
    Generates,
    Predicts,
    Restores,
    Samples,
    Scores,
    StartsConditionally,
    Stylises,
    Tokenizes,
    Translates,
    Upscales,
)
from ganvas.core import Batch, Tokens
from ganvas.runtime import registry
from ganvas.training.engine import Engine

every_case = pytest.mark.parametrize(("name", "space"), cases())


def cases_of(*needed: type) -> pytest.MarkDecorator:
    """A test of every model that has all of some abilities, on every space it takes."""
    return pytest.mark.parametrize(("name", "space"), cases(*needed))


def evaluating(name: str, space: str) -> tuple[Any, Batch]:
    """A model as it is used, with examples."""
    model = build(name, SPACES[space]).eval()
    return model, batch_for(model)


@every_case
def test_every_player_moves_and_every_parameter_learns(name: str, space: str) -> None:
    model = build(name, SPACES[space])
    before = {name: p.clone() for name, p in model.named_parameters()}
    steps = Engine(model).steps(repeat(batch_for(model)))
    logs = list(islice(steps, 6))  # WGAN's generator moves in the fifth
    assert all(torch.isfinite(value) for log in logs for value in log.values())
    assert {name.split("/")[0] for log in logs for name in log} == set(model.players)
    still = [name for name, p in model.named_parameters() if torch.equal(p, before[name])]
    assert not still, f"never learned: {still}"


@cases_of(Samples)
@torch.no_grad()
def test_samples_have_the_shape_of_examples(name: str, space: str) -> None:
    model, batch = evaluating(name, space)
    shape = (5, *batch.x.shape[1:])
    assert model.sample(5).shape == shape
    y = torch.ones(5, 1, dtype=torch.long) if model.condition else None
    assert model.sample(5, y, truncation=0.5).shape == shape


@cases_of(Generates)
@torch.no_grad()
def test_priors_are_truncated(name: str, space: str) -> None:
    model, _ = evaluating(name, space)
    assert model.prior(4, truncation=0.7).abs().max() <= 0.7


@cases_of(Tokenizes)
@torch.no_grad()
def test_latents_are_what_a_tokenizer_says(name: str, space: str) -> None:
    model, batch = evaluating(name, space)
    z = model.encode(batch.x)
    assert z.shape == (16, *model.latents.shape)
    assert not isinstance(model.latents, Tokens) or (
        z.dtype == torch.int64 and z.max() < model.latents.vocabulary
    )


@cases_of(Encodes, Decodes)
@torch.no_grad()
def test_what_comes_back_has_the_shape_of_what_went(name: str, space: str) -> None:
    model, batch = evaluating(name, space)
    assert model.decode(model.encode(batch.x)).shape == batch.x.shape


def some_known(model: Any, x: Tensor) -> Tensor:
    """Which places are told to a model, boolean, like x."""
    known = torch.rand(x.shape) < 0.5
    if isinstance(model, Predicts):
        known[:, :, : model.given] = True
    return known


@cases_of(Completes)
@torch.no_grad()
def test_completing_keeps_what_is_known(name: str, space: str) -> None:
    model, batch = evaluating(name, space)
    known = some_known(model, batch.x)
    filled = model.complete(batch.x, known)
    assert torch.equal(filled[known], batch.x[known])


@cases_of(Predicts)
@torch.no_grad()
def test_completing_a_clip_is_predicting_its_frames(name: str, space: str) -> None:
    model, batch = evaluating(name, space)
    known = some_known(model, batch.x)
    assert torch.equal(model.complete(batch.x, known)[~known], model.continued(batch.x)[~known])


@cases_of(StartsConditionally)
@torch.no_grad()
def test_conditional_starts_are_among_what_is_allowed(name: str, space: str) -> None:
    model, batch = evaluating(name, space)
    one = {0: torch.arange(model.space.sizes[0]) == 1}
    known = torch.rand(batch.x.shape) < 0.5
    assert (model.complete(batch.x, known, one)[~known[:, 0], 0] == 1).all()
    begun = model.conditional_start(5, one)
    assert (begun.x[:, 0] == 1).all()
    assert begun.known.sum() == 5
    assert (begun.keep <= 1.001).all()


@cases_of(Scores)
@torch.no_grad()
def test_attribution_adds_up_to_no_more_than_the_score(name: str, space: str) -> None:
    model, batch = evaluating(name, space)
    assert model.score(batch.x).shape == (16,)
    _, attribution = model.score_with_attribution(batch.x)
    assert len(attribution) == 16
    assert (attribution.flatten(1).sum(1) <= model.score(batch.x) + 1e-3).all()


@cases_of(Restores)
@torch.no_grad()
def test_restoring_keeps_the_shape(name: str, space: str) -> None:
    model, batch = evaluating(name, space)
    damaged = model.degrade(batch.x)
    assert damaged.shape == model.restore(damaged).shape == batch.x.shape


@cases_of(Upscales)
@torch.no_grad()
def test_upscaling_undoes_the_size_of_degrading(name: str, space: str) -> None:
    model, batch = evaluating(name, space)
    shape = batch.x.shape
    low = model.degrade(batch.x)
    assert low.shape[2:] == tuple(n // model.scale for n in shape[2:])
    assert all(model.upscale(low, fidelity).shape == shape for fidelity in (0.0, 0.3, 1.0))


@cases_of(Translates)
@torch.no_grad()
def test_translations_have_the_shape_of_the_other_domain(name: str, space: str) -> None:
    model, batch = evaluating(name, space)
    shape = batch.x.shape
    assert model.translate(batch.y).shape == shape
    if model.both_ways:
        assert model.translate(batch.x, back=True).shape == batch.y.shape
    if model.any_size:
        assert model.translate(batch.y[:2, :, :13, :11]).shape == (2, shape[1], 13, 11)


@cases_of(Stylises)
@torch.no_grad()
def test_stylising_keeps_the_shape(name: str, space: str) -> None:
    model, batch = evaluating(name, space)
    x, y = batch.x, batch.y
    assert model.stylise(y, x[:1]).shape == y.shape
    assert model.stylise(y[:2, :, :13, :11], x[:2], 0.5).shape == (2, x.shape[1], 13, 11)


@cases_of(Bounds)
@torch.no_grad()
def test_there_is_a_bound_for_each_example(name: str, space: str) -> None:
    model, batch = evaluating(name, space)
    assert model.bound(batch.x, samples=3).shape == (16,)


@every_case
@torch.no_grad()
def test_using_a_model_changes_nothing(name: str, space: str) -> None:
    model, batch = evaluating(name, space)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    if isinstance(model, Samples):
        model.sample(3)
    if isinstance(model, Encodes):
        model.encode(batch.x)
    if isinstance(model, Stylises):
        model.stylise(batch.y, batch.x)
    if isinstance(model, Translates | Stylises):
        list(model.turns(batch))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def previewed() -> list[Any]:
    """(model, space, name of a preview) of all that is to be seen."""
    return [
        pytest.param(name, space, one.name, id=f"{name}-{space}-{one.name}")
        for name, space in (case.values for case in cases())
        for one in abilities.previews(build(name, SPACES[space]))
    ]


@pytest.mark.parametrize(("name", "space", "preview"), previewed())
@torch.no_grad()
def test_what_is_shown_of_a_model_are_examples_side_by_side(
    name: str, space: str, preview: str
) -> None:
    model, batch = evaluating(name, space)
    (shown,) = [one for one in abilities.previews(model) if one.name == preview]
    rows = shown.rows(model, batch.x[:2], batch.y[:2])
    assert len({row.shape for row in rows}) == 1
    assert all(len(row) == 2 for row in rows)
    if isinstance(model, Translates | Stylises):
        assert all(row.abs().max() <= 1 for row in rows)


@pytest.mark.parametrize("name", registry.names("models"))
def test_every_option_is_documented_and_every_model_cites_its_paper(name: str) -> None:
    make = registry.load("models", name)
    assert all(option.help for option in registry.options(make)), (
        "an option has no line in the docstring"
    )
    assert any(year in registry.summary("models", name) for year in map(str, range(1980, 2030)))
    assert not inspect.isabstract(make)


def trained_and_loaded(name: str, space: str) -> tuple[Any, Any, Batch]:
    """A model after two steps, another that has its weights, and examples."""
    model, copy = build(name, SPACES[space]), build(name, SPACES[space])
    batch = batch_for(model)
    list(islice(Engine(model).steps(repeat(batch)), 2))
    copy.load_state_dict(model.state_dict())
    return model.eval(), copy.eval(), batch


@pytest.mark.parametrize(("name", "space"), first_cases())
def test_a_loaded_copy_does_the_same(name: str, space: str) -> None:
    model, copy, batch = trained_and_loaded(name, space)
    if isinstance(model, Samples):
        torch.manual_seed(5)
        expected = model.sample(3)
        torch.manual_seed(5)
        assert torch.equal(expected, copy.sample(3))
    if isinstance(model, Encodes):
        x = examples(model.space, 3)
        assert torch.equal(model.encode(x), copy.encode(x))
    if isinstance(model, Translates):
        assert torch.equal(model.translate(batch.y), copy.translate(batch.y))
    if isinstance(model, Stylises):
        assert torch.equal(model.stylise(batch.y, batch.y[:1]), copy.stylise(batch.y, batch.y[:1]))


@pytest.mark.parametrize("ability", [Samples, Encodes, Completes, Scores, Bounds])
def test_abilities_that_tasks_ask_for_are_had(ability: type) -> None:
    assert models_with(ability)
