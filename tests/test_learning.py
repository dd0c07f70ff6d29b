"""Each model has one proof that it learns, on real images, in seconds: what `ganvas selftest`
runs."""

from __future__ import annotations

import json

import pytest
import torch

from ganvas.apps import cli
from ganvas.runtime import registry
from ganvas.training import selftest

LONG = {"esrgan", "fanogan", "lsgan", "pixelcnn", "textvae", "wgan"}
"""Models whose proof takes over ten seconds of a core: `make proofs`, or `ganvas selftest`."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name in LONG))
        for name in registry.names("models")
    ],
)
def test_it_learns(name: str) -> None:
    proof = selftest.prove(name)
    print(proof)
    assert proof.learned, proof


def test_a_model_whose_training_does_nothing_is_found_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The peer's defect: backward() commented out, every shape right, every test green."""
    monkeypatch.setattr(
        "ganvas.training.engine.Engine._step_optimizer", lambda self, player: torch.zeros(())
    )
    monkeypatch.setattr("ganvas.training.selftest.STEPS", (60, 125))
    assert cli.run(["selftest", "vae", "--json"]) == 2
    (proof,) = json.loads(capsys.readouterr().out)
    assert not proof["learned"]
