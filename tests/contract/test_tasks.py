"""What every task promises: it asks for one ability, explains its options, and gives back a small
named type."""

from __future__ import annotations

import inspect
from typing import get_args, get_type_hints

import pytest

from ganvas.abilities import Ability
from ganvas.core import Result
from ganvas.runtime import registry


@pytest.mark.parametrize("name", registry.names("tasks"))
def test_a_task_is_a_function_of_one_ability(name: str) -> None:
    task = registry.load("tasks", name)
    assert issubclass(registry.needs(task), Ability)
    answer = get_type_hints(task)["return"]
    assert all(issubclass(kind, Result) for kind in get_args(answer) or [answer])
    assert all(option.help for option in registry.options(task))
    assert registry.summary("tasks", name).endswith(".")
    assert all(
        p.default is not p.empty
        for p in inspect.signature(task).parameters.values()
        if p.kind is p.KEYWORD_ONLY
    )


@pytest.mark.parametrize("name", registry.names("modalities"))
def test_a_modality_is_frozen_plain_values_with_explained_options(name: str) -> None:
    modality = registry.load("modalities", name)
    assert modality.__dataclass_params__.frozen
    assert all(option.help for option in registry.options(modality.learn))
    assert all(ending.startswith(".") and ending == ending.lower() for ending in modality.endings)


@pytest.mark.parametrize("name", registry.names("features"))
def test_features_say_what_they_are(name: str) -> None:
    assert registry.summary("features", name).endswith(".")
    assert not inspect.isabstract(registry.load("features", name))
