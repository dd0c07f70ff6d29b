"""What every model promises, over every model there is and every space it takes."""

from __future__ import annotations

import inspect
from itertools import islice, repeat

import pytest
import torch

from conftest import LABELS, OTHER, SPACES, examples
from ganvas.core import (
    Batch,
    Bounds,
    Completes,
    Decodes,
    Encodes,
    Generates,
    InputError,
    Model,
    Predicts,
    Restores,
    Samples,
    Scores,
    Space,
    StartsConditionally,
    Stylises,
    Tokenizes,
    Tokens,
    Translates,
    Upscales,
)
from ganvas.runtime import registry
from ganvas.training.engine import Engine

SMALL = {
    "width": 16,
    "latent": 4,
    "channels": 8,
    "depth": 2,
    "codes": 16,
    "warmup": 2,
    "discriminator_start": 3,
    "discriminator_channels": 8,
}
SMALL |= {"blocks": 1}


def asked(make: type[Model], space: Space) -> Space:
    """What goes with an example of a space: a label, or for a model that translates or stylises a
    image of that size."""
    if issubclass(make, Stylises):
        return space
    return OTHER[space] if issubclass(make, Translates) and space in OTHER else LABELS


def build(name: str, space: Space) -> Model:
    """A small model of any kind, or a skip where it does not take the space."""
    make = registry.load("models", name)
    options = {o.name: SMALL[o.name] for o in registry.options(make) if o.name in SMALL}
    if options.get("width") and len(space.shape) == 3:
        options["width"] = 8
    condition = [asked(make, space)] if "condition" in inspect.signature(make).parameters else []
    torch.manual_seed(0)
    try:
        return make(space, *condition, **options)
    except InputError as refusal:
        pytest.skip(str(refusal))


@pytest.fixture(
    params=[(m, s) for m in registry.names("models") for s in SPACES],
    ids=lambda p: f"{p[0]}-{p[1]}",
)
def case(request: pytest.FixtureRequest) -> tuple[Model, Batch]:
    name, space = request.param[0], SPACES[request.param[1]]
    model = build(name, space)
    given = isinstance(model, Translates | Stylises)
    y = examples(model.condition, seed=1) if given else torch.arange(16).unsqueeze(1) % 3
    return model, Batch(examples(space), y)


def test_every_player_moves_and_every_parameter_learns(case: tuple[Model, Batch]) -> None:
    model, batch = case
    before = {name: p.clone() for name, p in model.named_parameters()}
    logs = list(
        islice(Engine(model).steps(repeat(batch)), 6)
    )  # WGAN's generator moves in the fifth
    assert all(torch.isfinite(value) for log in logs for value in log.values())
    assert {name.split("/")[0] for log in logs for name in log} == set(model.players)
    still = [name for name, p in model.named_parameters() if torch.equal(p, before[name])]
    assert not still, f"never learned: {still}"


def test_abilities_keep_their_shapes(case: tuple[Model, Batch]) -> None:
    model, batch = case
    model.eval()
    shape = batch.x.shape
    with torch.no_grad():
        if isinstance(model, Samples):
            assert model.sample(5).shape == (5, *shape[1:])
            y = torch.ones(5, 1, dtype=torch.long)
            assert model.sample(5, y if model.condition else None, truncation=0.5).shape == (
                5,
                *shape[1:],
            )
        if isinstance(model, Generates):
            assert model.prior(4, truncation=0.7).abs().max() <= 0.7
        if isinstance(model, Tokenizes):
            z = model.encode(batch.x)
            assert z.shape == (16, *model.latents.shape)
            assert not isinstance(model.latents, Tokens) or (
                z.dtype == torch.int64 and z.max() < model.latents.vocabulary
            )
        if isinstance(model, Encodes) and isinstance(model, Decodes):
            assert model.decode(model.encode(batch.x)).shape == shape
        if isinstance(model, Completes):
            known = torch.rand(batch.x.shape) < 0.5
            if isinstance(model, Predicts):
                known[:, :, : model.given] = True
                assert torch.equal(
                    model.complete(batch.x, known)[~known], model.continued(batch.x)[~known]
                )
            filled = model.complete(batch.x, known)
            assert torch.equal(filled[known], batch.x[known])
        if isinstance(model, StartsConditionally):
            none = {0: torch.arange(model.space.sizes[0]) == 1}
            filled = model.complete(batch.x, known, none)
            assert (filled[~known[:, 0], 0] == 1).all()
            begun = model.conditional_start(5, none)
            assert (begun.x[:, 0] == 1).all()
            assert begun.known.sum() == 5
            assert (begun.keep <= 1.001).all()
        if isinstance(model, Scores):
            assert model.score(batch.x).shape == (16,)
            _, attribution = model.score_with_attribution(batch.x)
            assert len(attribution) == 16
            assert (attribution.flatten(1).sum(1) <= model.score(batch.x) + 1e-3).all()
        if isinstance(model, Restores):
            damaged = model.degrade(batch.x)
            assert damaged.shape == model.restore(damaged).shape == shape
        if isinstance(model, Upscales):
            low = model.degrade(batch.x)
            assert low.shape[2:] == tuple(n // model.scale for n in shape[2:])
            assert all(model.upscale(low, fidelity).shape == shape for fidelity in (0.0, 0.3, 1.0))
        if isinstance(model, Translates):
            assert model.translate(batch.y).shape == shape
            assert all(x.abs().max() <= 1 for x in model.shown(batch.x[:2], batch.y[:2]))
            if model.both_ways:
                assert model.translate(batch.x, back=True).shape == batch.y.shape
            if model.any_size:
                assert model.translate(batch.y[:2, :, :13, :11]).shape == (2, shape[1], 13, 11)
        if isinstance(model, Stylises):
            assert model.stylise(batch.y, batch.x[:1]).shape == batch.y.shape
            assert model.stylise(batch.y[:2, :, :13, :11], batch.x[:2], 0.5).shape == (
                2,
                shape[1],
                13,
                11,
            )
            assert all(x.abs().max() <= 1 for x in model.shown(batch.x[:2], batch.y[:2]))
        if isinstance(model, Bounds):
            assert model.bound(batch.x, samples=3).shape == (16,)


def test_using_a_model_changes_nothing(case: tuple[Model, Batch]) -> None:
    model, batch = case
    model.eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with torch.no_grad():
        if isinstance(model, Samples):
            model.sample(3)
        if isinstance(model, Encodes):
            model.encode(batch.x)
        if isinstance(model, Stylises):
            model.stylise(batch.y, batch.x)
        if isinstance(model, Translates | Stylises):
            list(model.turns(batch))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize("name", registry.names("models"))
def test_every_option_is_documented_and_every_model_cites_its_paper(name: str) -> None:
    make = registry.load("models", name)
    assert all(option.help for option in registry.options(make)), (
        "an option has no line in the docstring"
    )
    assert any(year in registry.summary("models", name) for year in map(str, range(1980, 2030)))
    assert not inspect.isabstract(make)


@pytest.mark.parametrize("name", registry.names("models"))
def test_a_loaded_copy_does_the_same(name: str) -> None:
    space = SPACES["image"]
    model, copy = build(name, space), build(name, space)
    given = isinstance(model, Translates | Stylises)
    y = examples(model.condition) if given else torch.zeros(16, 1, dtype=torch.long)
    list(islice(Engine(model).steps(repeat(Batch(examples(space), y))), 2))
    copy.load_state_dict(model.state_dict())
    for one in (model, copy):
        one.eval()
    if isinstance(model, Samples):
        torch.manual_seed(5)
        expected = model.sample(3)
        torch.manual_seed(5)
        assert torch.equal(expected, copy.sample(3))
    if isinstance(model, Encodes):
        x = examples(SPACES["image"], 3)
        assert torch.equal(model.encode(x), copy.encode(x))
    if isinstance(model, Translates):
        assert torch.equal(model.translate(y), copy.translate(y))
    if isinstance(model, Stylises):
        assert torch.equal(model.stylise(y, y[:1]), copy.stylise(y, y[:1]))
