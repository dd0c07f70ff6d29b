"""A trained tokenizer is a modality: other models learn what it makes of data, and people see it
decoded."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import ganvas
from ganvas.apps import cli
from ganvas.core import Continuous, InputError, Tokens
from ganvas.data.latents.modality import Latents
from ganvas.runs.run import Run

TOKENS = ["--steps", "12", "--batch", "32", "--channels", "8", "--codes", "16", "--latent", "4"]
MADE = ["--steps", "8", "--batch", "32", "--width", "16", "--depth", "1"]


@pytest.fixture(scope="module")
def runs(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tokenizer of images, and a model of its codes."""
    out = tmp_path_factory.mktemp("through")
    assert cli.run(["train", "vqvae", str(images), "--out", str(out / "vqvae"), *TOKENS]) == 0
    through = ["--through", str(out / "vqvae")]
    assert cli.run(["train", "made", str(images), *through, "--out", str(out / "made"), *MADE]) == 0
    return out


def test_a_model_of_codes_makes_images(runs: Path, tmp_path: Path) -> None:
    run = runs / "made"
    card = json.loads((run / "run.json").read_text())["modality"]
    assert card["name"] == "latents"
    assert card["state"]["through"] == str((runs / "vqvae").resolve())
    assert card["state"]["relative"] == "../vqvae"
    assert (run / "previews" / "training.gif").exists()
    assert (
        cli.run(["sample", str(run), "--n", "3", "--seed", "1", "--out", str(tmp_path / "s")]) == 0
    )
    files = sorted((tmp_path / "s").glob("0*.png"))
    assert [Image.open(file).size for file in files] == [(16, 16)] * 3
    trained = ganvas.load(run)
    shown = ganvas.load(runs / "vqvae").model.decode(trained.do("sample", n=3, seed=1).examples)
    assert torch.equal(
        shown, trained.run.modality.decode(trained.do("sample", n=3, seed=1).examples)
    )
    assert np.array_equal(np.array(trained.sample(n=3, seed=1)[0]), np.array(Image.open(files[0])))


def test_latents_are_what_the_model_encodes(runs: Path, images: Path) -> None:
    modality, inner = Run(runs / "made").modality, Run(runs / "vqvae")
    data, real = modality.read(images), inner.modality.read(images)
    assert isinstance(modality.space, Tokens)
    assert modality.space.grid == (4, 4)
    assert modality.condition == inner.modality.condition == Tokens(1, 3)
    assert data.x.dtype == torch.int16
    assert torch.equal(data.gather().x, inner.model.encode(real.gather().x))
    assert torch.equal(data.gather().y, real.gather().y)
    assert torch.equal(data.keys(), real.keys())
    assert data.names == real.names
    assert all(
        torch.equal(a.keys(), b.keys())
        for a, b in zip(data.split(0.3), real.split(0.3), strict=True)
    )


def test_blame_of_codes_lies_on_the_pixels_that_they_cover(
    runs: Path, images: Path, tmp_path: Path
) -> None:
    modality = Run(runs / "made").modality
    x = modality.read(images).gather().x[:2]
    attribution = torch.zeros(2, 16)
    attribution[:, 0] = 1  # of the code at the upper left
    files = modality.point_out(x, attribution, x, ["a", "b"], tmp_path)
    plain, glowing, _ = np.split(np.array(Image.open(files[0])).astype(float), 3, 1)
    apart = np.abs(plain - glowing).sum(2)
    assert apart[:4, :4].min() > 0
    assert apart[8:, 8:].max() == 0


def test_samples_are_judged_beside_real_images_and_likelihoods_are_of_codes(
    runs: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganvas.evaluation.features.learned.STEPS", 5)
    np.save(
        tmp_path / "unseen.npy",
        np.random.default_rng(1).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8),
    )
    shutil.copytree(runs / "vqvae", tmp_path / "vqvae")
    shutil.copytree(runs / "made", tmp_path / "made")
    judged = ganvas.load(tmp_path / "made").evaluate(tmp_path / "unseen.npy", quiet=True)
    beside = {figure.name: set(figure.beside) for figure in judged.figures}
    assert beside["Fréchet distance"] == {"real data", "real with noise", "per-pixel Gaussian"}
    assert beside["bits per dimension"] == {"independent coordinates"}
    assert beside["PSNR in masked regions (dB)"] == {"diffusion", "border mean"}
    assert 0 < judged["bits per dimension"].value < 5
    assert any("decoded" in note for note in judged.notes)
    assert Image.open(tmp_path / "made" / "images" / "neighbours.png").mode == "RGB"


def test_stopping_and_going_on_changes_nothing(runs: Path, images: Path, tmp_path: Path) -> None:
    whole = load_file(runs / "made" / "weights.safetensors")
    out = tmp_path / "again"
    options = {
        "out": out,
        "through": runs / "vqvae",
        "width": 16,
        "depth": 1,
        "quiet": True,
        "steps": 8,
        "batch": 32,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "ganvas.training.progress.Progress.watch",
            lambda self, step, *_: step == 4 and signal.raise_signal(signal.SIGINT),
        )
        with pytest.raises(KeyboardInterrupt):
            ganvas.train("made", images, **options)
    ganvas.api.resume(out, quiet=True)
    assert all(
        torch.equal(value, whole[name])
        for name, value in load_file(out / "weights.safetensors").items()
    )


def test_both_runs_may_be_moved_together(runs: Path, tmp_path: Path) -> None:
    for name in ("vqvae", "made"):
        shutil.copytree(runs / name, tmp_path / "moved" / name)
    file = tmp_path / "moved" / "made" / "run.json"
    file.write_text(file.read_text().replace(str((runs / "vqvae").resolve()), "/gone/vqvae"))
    assert len(ganvas.load(tmp_path / "moved" / "made").sample(n=2)) == 2


def test_a_run_that_is_gone_or_changed_is_named(runs: Path, tmp_path: Path) -> None:
    for name in ("vqvae", "made"):
        shutil.copytree(runs / name, tmp_path / name)
    file = tmp_path / "made" / "run.json"
    file.write_text(
        file.read_text().replace(str((runs / "vqvae").resolve()), str(tmp_path / "vqvae"))
    )
    weights = tmp_path / "vqvae" / "ema.safetensors"
    weights.write_bytes((tmp_path / "vqvae" / "weights.safetensors").read_bytes())
    with pytest.raises(InputError, match="is not the run that was learned through"):
        ganvas.load(tmp_path / "made").sample(n=2)
    shutil.rmtree(tmp_path / "vqvae")
    with pytest.raises(
        InputError,
        match="is gone, and nothing can be coded or decoded without that run; put it back",
    ):
        ganvas.load(tmp_path / "made").sample(n=2)


WRONG = {
    "not a run": (["train", "made", "DATA", "--through", "DATA"], "is not a run"),
    "no codes": (
        ["train", "made", "DATA", "--through", "MADE"],
        "whose latents no other model can learn; take one of",
    ),
    "none named": (
        ["train", "made", "DATA", "--as", "latents"],
        "latents are those of a run: name it with --through",
    ),
    "not between": (
        ["interpolate", "VQVAE", "DATA"],
        "latents are codes, and between two codes there is nothing",
    ),
    "no options": (["train", "made", "DATA", "--through", "VQVAE", "--size", "8"], "--size"),
}


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_are_named(
    case: str, runs: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, words = WRONG[case]
    real = {"DATA": str(images), "VQVAE": str(runs / "vqvae"), "MADE": str(runs / "made")}
    assert cli.run([real.get(word, word) for word in command]) == 2
    assert words in capsys.readouterr().err.replace("\n", " ")


def test_a_gan_learns_the_vectors_of_rows_and_makes_rows(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"size": random.normal(size=300), "kind": random.choice(["a", "b"], 300)})
    small = {"steps": 10, "batch": 32, "width": 16, "quiet": True}
    inner = ganvas.train("vae", frame, out=tmp_path / "vae", latent=3, depth=1, **small)
    run = ganvas.train(
        "gan", frame, out=tmp_path / "gan", through=tmp_path / "vae", latent=2, **small
    )
    modality = run.run.modality
    assert isinstance(modality, Latents)
    assert modality.space == Continuous((3,))
    z, x = (
        inner.model.encode(inner.run.modality.read(frame).gather().x),
        modality.read(frame).gather().x,
    )
    inside = (x.abs() < 1).all(1)
    assert inside.float().mean() > 0.99
    assert x.abs().amax(0).min() > 0.8
    assert torch.allclose(modality._latents(x)[inside], z[inside], atol=1e-5)
    made = run.sample(n=5)
    assert list(made.columns) == ["size", "kind"]
    assert set(made["kind"]) <= {"a", "b"}


def test_a_gan_learns_the_points_of_texts_and_makes_texts(tmp_path: Path) -> None:
    lines, small = (
        [f"the cat is {i}" for i in range(40)],
        {"steps": 4, "batch": 16, "width": 16, "depth": 1, "quiet": True},
    )
    ganvas.train("textvae", lines, out=tmp_path / "textvae", latent=4, tokenizer="bytes", **small)
    run = ganvas.train(
        "gan", lines, out=tmp_path / "gan", through=tmp_path / "textvae", latent=2, **small
    )
    assert run.run.modality.space == Continuous((4,))
    assert [type(text) for text in run.sample(n=3)] == [str] * 3


def test_options_are_those_of_latents_however_the_run_is_named(
    runs: Path, images: Path, tmp_path: Path
) -> None:
    command = [
        "train",
        "made",
        str(images),
        f"--through={runs / 'vqvae'}",
        "--out",
        str(tmp_path / "made"),
        *MADE,
    ]
    assert cli.run(command) == 0
    assert cli.run([*command, "--size", "8"]) == 2
