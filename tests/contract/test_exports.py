"""What every model promises of files that run without Ganvas: one does the same, or a sentence says
why none does."""

from __future__ import annotations

import pytest
import torch
from test_models import SMALL, build

from conftest import SPACES
from ganvas.apps import onnx
from ganvas.core import Generates, InputError, Model
from ganvas.runtime import registry


def small(name: str) -> Model:
    """A small model, of the first space that it takes."""
    for space in SPACES.values():
        try:
            model = build(name, space)
        except pytest.skip.Exception:
            continue
        return model.eval()
    raise AssertionError(f"{name} takes no space of these")


def traced(part: onnx.Part, name: str) -> torch.export.ExportedProgram | str:
    """The part as a program, or why there is none."""
    try:
        return onnx.traced(part, name)
    except InputError as refusal:
        return str(refusal)


@pytest.fixture(autouse=True)
def _shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs take as long as they are deep."""
    monkeypatch.setitem(SMALL, "depth", 1)


@pytest.mark.parametrize("name", registry.names("models"))
def test_a_program_does_the_same_or_there_is_a_reason(name: str) -> None:
    model = small(name)
    can = onnx.exportable(model)
    if not can:
        return
    part = onnx.Part(model, can[0])
    # free sides take three times as long; an upscaler is tried with them in test_exporting
    part.any_size = False
    program = traced(part, name)
    if isinstance(program, str):
        assert name in program
        assert "\n" not in program
        return
    network = program.module()
    assert (
        onnx.compare_outputs(part, lambda given: network(*given.values()), "the program")
        <= onnx.TOLERANCE
    )


@pytest.mark.parametrize("name", registry.names("models"))
def test_noise_is_what_a_file_says_it_is(name: str) -> None:
    model = small(name)
    if isinstance(model, Generates):
        z = onnx.Part(model, "sampler").given(4000)["z"]
        assert abs(z.mean()) < 0.05
        assert abs(z.std() - 1) < 0.05
        assert z.dtype == torch.float32
