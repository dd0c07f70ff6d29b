"""Small models of every kind, of every space they take, and what each of them can do: what the
contract is tested on."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import pytest
import torch

from conftest import LABELS, OTHER, SPACES, examples
from ganvas.abilities import Stylises, Translates
from ganvas.core import Batch, InputError, Model, Space
from ganvas.runtime import registry

SMALL = {
    "width": 16,
    "latent": 4,
    "channels": 8,
    "depth": 2,
    "codes": 16,
    "warmup": 2,
    "discriminator_start": 3,
    "discriminator_channels": 8,
    "blocks": 1,
}


def asked(make: type[Model], space: Space) -> Space:
    """What goes with an example of a space: a label, or for a model that translates or stylises an
    image of that size."""
    if issubclass(make, Stylises):
        return space
    return OTHER[space] if issubclass(make, Translates) and space in OTHER else LABELS


def build(name: str, space: Space, **more: Any) -> Model:
    """A small model of any kind. Raises InputError where it does not take the space."""
    make = registry.load("models", name)
    small = SMALL | more
    options = {o.name: small[o.name] for o in registry.options(make) if o.name in small}
    if options.get("width") and len(space.shape) == 3:
        options["width"] = 8
    condition = [asked(make, space)] if "condition" in inspect.signature(make).parameters else []
    torch.manual_seed(0)
    return make(space, *condition, **options)


@cache
def spaces_of(name: str) -> tuple[str, ...]:
    """The names of the spaces that a kind of models takes."""
    return tuple(space for space in SPACES if _takes(name, space))


def _takes(name: str, space: str) -> bool:
    try:
        build(name, SPACES[space])
    except InputError:
        return False
    return True


def models_with(*needed: type) -> list[str]:
    """The names of models that have all of some abilities."""
    kinds = {name: registry.load("models", name) for name in registry.names("models")}
    return [name for name, make in kinds.items() if all(issubclass(make, one) for one in needed)]


def cases(*needed: type) -> list[Any]:
    """(model, space) of all that goes together, as parameters of a test: of models that have all of
    some abilities."""
    return [
        pytest.param(name, space, id=f"{name}-{space}")
        for name in models_with(*needed)
        for space in spaces_of(name)
    ]


def first_cases(*needed: type) -> list[Any]:
    """The same, of each model the first space that it takes."""
    return [
        pytest.param(name, spaces_of(name)[0], id=f"{name}-{spaces_of(name)[0]}")
        for name in models_with(*needed)
    ]


def batch_for(model: Model) -> Batch:
    """Random examples of a model's space, and what goes with them."""
    given = isinstance(model, Translates | Stylises)
    y = examples(model.condition, seed=1) if given else torch.arange(16).unsqueeze(1) % 3
    return Batch(examples(model.space), y)
