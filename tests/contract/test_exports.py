"""What every model promises of files that run without Ganvas: one does the same, or a sentence says
why none does."""

from __future__ import annotations

import pytest
import torch
from _cases import build, first_cases

from conftest import SPACES
from ganvas.abilities import Generates
from ganvas.apps import onnx
from ganvas.core import InputError, Model


def small(name: str, space: str) -> Model:
    """A small model whose graphs are shallow: these take as long as they are deep."""
    return build(name, SPACES[space], depth=1).eval()


def exportable() -> list[object]:
    """(model, space) of models of which something can be exported."""
    return [case for case in first_cases() if onnx.exportable(small(*map(str, case.values)))]


def traced(part: onnx.Part, name: str) -> torch.export.ExportedProgram | str:
    """The part as a program, or why there is none."""
    try:
        return onnx.traced(part, name)
    except InputError as refusal:
        return str(refusal)


@pytest.mark.parametrize(("name", "space"), exportable())
def test_a_program_does_the_same_or_there_is_a_reason(name: str, space: str) -> None:
    model = small(name, space)
    part = onnx.Part(model, next(iter(onnx.exportable(model))))
    # free sides take three times as long; an upscaler is tried with them in test_exporting
    part.any_size = False
    program = traced(part, name)
    if isinstance(program, str):
        assert name in program
        assert "\n" not in program
        return
    network = program.module()
    apart = onnx.compare_outputs(part, lambda given: network(*given.values()), "the program")
    assert apart <= onnx.TOLERANCE


@pytest.mark.parametrize(("name", "space"), first_cases(Generates))
def test_noise_is_what_a_file_says_it_is(name: str, space: str) -> None:
    z = onnx.Part(small(name, space), "sampler").given(4000)["z"]
    assert abs(z.mean()) < 0.05
    assert abs(z.std() - 1) < 0.05
    assert z.dtype == torch.float32
