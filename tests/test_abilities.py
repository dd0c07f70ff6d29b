"""What a room knows of an ability stands with the ability: whoever loops over those of a model
finds a new one too."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganvas import abilities
from ganvas.abilities import (
    Ability,
    Autoencodes,
    Decodes,
    Encodes,
    ErrorMeasure,
    Generates,
    Preview,
    Samples,
    Signature,
)
from ganvas.apps import onnx
from ganvas.core import Continuous, Model
from ganvas.runtime import registry

OURS = [
    one for one in vars(abilities).values() if isinstance(one, type) and issubclass(one, Ability)
]
EXTRAS = ("preview", "error", "export")


class Segments(Ability):
    """Says where in an image something is: an ability that Ganvas has not."""

    preview = Preview("masks", "Images and masks.", lambda model, x, y: (x, model.segment(x)), 0)
    error = ErrorMeasure("error of masks", lambda *_: 1.0, lambda *_: 2.0, 0)
    export = Signature(
        "segmenter",
        lambda model, x: {"mask": model.segment(x)},
        lambda model, n: {"x": torch.rand(n, *model.space.shape)},
        0,
    )

    @abstractmethod
    def segment(self, x: Tensor) -> Tensor:
        """Where it is, like x."""


class Halves(Model, Segments, Encodes):
    """One half of an image is one thing."""

    players = {}

    def __init__(self) -> None:
        super().__init__(Continuous((1, 4, 4)))
        self.scale = nn.Parameter(torch.ones(1))

    def segment(self, x: Tensor) -> Tensor:
        return (x > x.mean((2, 3), keepdim=True)) * self.scale

    def encode(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def turns(self, batch: Any) -> Any:
        raise NotImplementedError


def test_a_new_ability_is_found_without_a_word_of_it_elsewhere() -> None:
    model = Halves()
    assert abilities.of(model) == [Segments, Encodes]
    (preview,) = abilities.previews(model)
    assert preview.name == "masks"
    assert len(preview.rows(model, torch.rand(2, 1, 4, 4), None)) == 2
    assert abilities.error_measure(model).words == "error of masks"
    assert [*onnx.exportable(model)] == ["segmenter", "encoder"]
    assert onnx.Part(model, "segmenter").given(3)["x"].shape == (3, 1, 4, 4)


def test_what_an_ability_builds_on_counts_once() -> None:
    class Both(Model, Generates, Autoencodes):
        """Two abilities that build on a third."""

    assert abilities.of(Both) == [Generates, Samples, Autoencodes, Encodes, Decodes]
    assert [*abilities.signatures(Both)] == ["sampler", "encoder", "decoder"]


@pytest.mark.parametrize("extra", EXTRAS)
def test_it_is_plain_which_extra_comes_first(extra: str) -> None:
    """Where a model has several, by their ranks; where two have the same name, they may be one."""
    own = [vars(one)[extra] for one in OURS if vars(one).get(extra)]
    assert len({one.rank for one in own}) == len(own)


@pytest.mark.parametrize("name", registry.names("models"))
def test_every_model_can_be_proved_to_learn(name: str) -> None:
    make = registry.load("models", name)
    assert abilities.error_measure(make).words
