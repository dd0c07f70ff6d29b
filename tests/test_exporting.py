"""A file that does what a run's model does: it runs without Ganvas, or is not there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import SPACES
from ganvas import train
from ganvas.apps import cli, onnx
from ganvas.core import Continuous, InputError, Model
from ganvas.runs.run import Run
from ganvas.runtime import registry

onnxruntime = pytest.importorskip("onnxruntime")
TINY = {"steps": 2, "batch": 16, "size": 16, "quiet": True, "recover": False}


@pytest.fixture(scope="module")
def gan(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(
        "cgan", images, out=tmp_path_factory.mktemp("runs") / "gan", width=16, latent=4, **TINY
    ).run


@pytest.fixture(scope="module")
def detector(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(
        "detector", images, out=tmp_path_factory.mktemp("runs") / "detector", width=16, **TINY
    ).run


def test_a_sampler_is_run_by_others(
    gan: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "new" / "sampler.onnx"
    assert cli.run(["export", str(gan.path), "--out", str(file), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    session = onnxruntime.InferenceSession(str(file))
    held = json.loads(session.get_modelmeta().custom_metadata_map["ganvas"])
    assert held["what"] == said["what"] == "sampler"
    assert (
        [port["name"] for port in held["inputs"]]
        == ["z", "y"]
        == [port.name for port in session.get_inputs()]
    )
    assert held["classes"] == ["0", "1", "2"]
    z, y = torch.randn(5, 4), torch.tensor([[0], [1], [2], [0], [1]])
    (made,) = session.run(None, {"z": z.numpy(), "y": y.numpy()})
    assert np.abs(made - gan.model.decode(z, y).numpy()).max() < 1e-4
    assert [*file.parent.iterdir()] == [file]


def test_a_scorer_has_what_it_remembers(detector: Run, tmp_path: Path) -> None:
    exported = onnx.export(detector, "onnx", "scorer", tmp_path / "scorer.onnx")
    x = torch.rand(7, 3, 16, 16) * 2 - 1
    score, attribution = onnxruntime.InferenceSession(exported.file.read_bytes()).run(
        None, {"x": x.numpy()}
    )
    wanted, parts = detector.model.score_with_attribution(x)
    assert np.allclose(score, wanted, atol=1e-4)
    assert np.allclose(attribution, parts, atol=1e-4)
    assert "in  x: float32 ('batch', 3, 16, 16)" in str(exported)


def test_a_scorer_of_rows_weighs_symbols(tmp_path: Path) -> None:
    rows = pd.DataFrame({"age": range(60), "kind": ["a", "b"] * 30})
    run = train("made", rows, out=tmp_path / "rows", width=16, steps=2, batch=16, quiet=True).run
    exported = onnx.export(run, "onnx", None, tmp_path / "scorer.onnx")
    x = run.modality.read(rows).gather().x[:5]
    score, _ = onnxruntime.InferenceSession(exported.file.read_bytes()).run(None, {"x": x.numpy()})
    assert np.allclose(score, run.model.score_with_attribution(x)[0].detach(), atol=1e-3)


def test_an_upscaler_takes_images_of_any_size(tmp_path: Path) -> None:
    space = Continuous((3, 32, 32))
    model = registry.load("models", "srgan")(space, channels=8, depth=1, scale=2).eval()
    part = onnx.Part(model, "upscaler")
    program = onnx.traced(part, "srgan")
    assert part.any_size
    file = tmp_path / "upscaler.onnx"
    names = {
        "inputs": [{"name": "x"}],
        "outputs": [{"name": "larger"}],
        "what": "upscaler",
        "model": "srgan",
    }
    assert onnx.WRITERS["onnx"](program, part, names, file) < 1e-4
    x = torch.rand(1, 3, 9, 21) * 2 - 1
    (larger,) = onnxruntime.InferenceSession(file.read_bytes()).run(None, {"x": x.numpy()})
    assert np.abs(larger - model.upscale(x).detach().numpy()).max() < 1e-4


def test_what_is_no_number_is_no_agreement(gan: Run) -> None:
    part = onnx.Part(gan.model, "sampler")

    def spoiled(given: onnx.Given) -> list[torch.Tensor]:
        (x,) = part(*given.values())
        return [x.clone().index_fill_(0, torch.tensor([0]), torch.nan)]

    with pytest.raises(InputError, match="differ by nan"):
        onnx.compare_outputs(part, spoiled, "another")


def test_a_wrong_graph_is_refused(
    gan: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, other = onnx.traced, gan.build().eval()
    monkeypatch.setattr(
        onnx, "traced", lambda part, name: honest(onnx.Part(other, part.what), name)
    )
    with pytest.raises(InputError, match=r"differ by .* nothing was written"):
        onnx.export(gan, "onnx", "sampler", tmp_path / "wrong")
    assert not [*tmp_path.iterdir()]


def test_a_program_of_torch_is_read_again(gan: Run, tmp_path: Path) -> None:
    exported = onnx.export(gan, "torch", "decoder", tmp_path / "decoder.pt2")
    about = {"ganvas.json": ""}
    network = torch.export.load(exported.file, extra_files=about).module()
    assert json.loads(about["ganvas.json"])["what"] == "decoder"
    z, y = torch.randn(2, 4), torch.tensor([[1], [2]])
    torch.testing.assert_close(network(z, y)[0], gan.model.decode(z, y))


@pytest.mark.parametrize(
    ("model", "what", "words"),
    [
        (
            "made",
            "sampler",
            "made has no sampler to export .it makes examples in turns, not of noise in one go.",
        ),
        ("made", "completer", "draws at random beyond what goes in"),
        ("made", "soup", "made has no soup to export; it has scorer"),
        ("vae", "sampler", "draws at random beyond what goes in"),
        ("textvae", "decoder", "the decoder of textvae decides on the way how it goes on"),
    ],
)
def test_what_cannot_be_said_in_a_file_is_refused(
    model: str, what: str, words: str, tmp_path: Path
) -> None:
    tiny = registry.load("models", model)(SPACES["text"], width=16, depth=1).eval()
    with pytest.raises(InputError, match=words):
        onnx.export(Untrained(model, tiny), "torch", what, tmp_path / "file")
    assert not [*tmp_path.iterdir()]


class Untrained(Run):
    """A run of a model that nobody trained."""

    def __init__(self, name: str, model: Model) -> None:
        self.path, self.config, self.model = Path("nowhere"), {"model": name}, model
