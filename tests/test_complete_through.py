"""Parts of images and of videos are filled in by a model of their codes: what is known comes back
exactly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor

import ganvas
from ganvas.abilities import Completes
from ganvas.apps import cli
from ganvas.core import InputError
from ganvas.core.masks import from_nearest_known
from ganvas.data.latents.modality import Decoded, Latents
from ganvas.runs.run import Run

TOKENS = [
    "--steps",
    "12",
    "--batch",
    "16",
    "--channels",
    "8",
    "--codes",
    "16",
    "--latent",
    "4",
    "--quiet",
]
MADE = ["--steps", "6", "--batch", "16", "--width", "16", "--depth", "1", "--quiet"]


class Told(Completes):
    """Remembers what it was asked, and fills everything with code 0."""

    def complete(
        self, x: Tensor, known: Tensor, allowed: Mapping[int, Tensor] | None = None
    ) -> Tensor:
        self.x, self.known = x, known
        return torch.where(known, x, 0)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty images of 20 x 20, and a mask that is white in one corner."""
    home, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for i in range(40):
        (home / "photos").mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (20, 20, 3), np.uint8)).save(
            home / "photos" / f"{i}.png"
        )
    white = np.zeros((20, 20), np.uint8)
    white[:3, :5] = 255
    Image.fromarray(white).save(home / "corner.png")
    return home


@pytest.fixture(scope="module")
def runs(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of images, and two models of its codes."""
    out = tmp_path_factory.mktemp("runs")
    assert (
        cli.run(
            [
                "train",
                "vqvae",
                str(photos / "photos"),
                "--factor",
                "8",
                "--out",
                str(out / "vqvae"),
                *TOKENS,
            ]
        )
        == 0
    )
    through = [
        "train",
        "transformer",
        str(photos / "photos"),
        "--through",
        str(out / "vqvae"),
        *MADE,
    ]
    for order in ("causal", "masked"):
        assert cli.run([*through, "--order", order, "--out", str(out / order)]) == 0
    return out


def test_what_is_not_known_grows_out_of_what_is() -> None:
    x = torch.rand(2, 3, 6, 5)
    known = torch.zeros(2, 3, 6, 5, dtype=torch.bool)
    known[0, :, 0] = True
    grown = from_nearest_known(x, known)
    assert torch.equal(grown[known], x[known])
    torch.testing.assert_close(grown[0, :, 1, 2], x[0, :, 0, 1:4].mean(1))
    assert grown[0].min() >= x[0, :, 0].min() - 1e-6
    assert (grown[1] == 0).all()
    clip = torch.rand(1, 1, 4, 3, 3)
    first = torch.zeros_like(clip).bool()
    first[:, :, :2] = True
    torch.testing.assert_close(from_nearest_known(clip, first)[0, 0, 2, 1, 1], clip[0, 0, 1].mean())


def test_codes_are_known_that_stand_for_nothing_else_and_see_nothing_else(runs: Path) -> None:
    modality, told = Run(runs / "causal").modality, Told()
    assert isinstance(modality, Latents)
    x, known = torch.rand(1, 3, 20, 20) * 2 - 1, torch.ones(1, 3, 20, 20, dtype=torch.bool)
    known[:, 1, 16:] = (
        False  # of one channel alone: the last row of the grid of 3 x 3, which covers 4 pixels of 8
    )
    model = Decoded(told, modality)
    made = model.complete(x, known)
    assert told.known.tolist() == [[True] * 6 + [False] * 3]
    assert torch.equal(made[known], x[known])
    other, codes = torch.where(known, x, -x), told.x
    model.complete(other, known)
    assert torch.equal(codes, told.x)
    known[:, :, 15] = False
    model.complete(x, known)
    assert told.known.tolist() == [[True] * 3 + [False] * 6]


@pytest.mark.parametrize("order", ["causal", "masked"])
def test_halves_of_images_are_filled_in(
    runs: Path, photos: Path, tmp_path: Path, order: str
) -> None:
    command = [
        "complete",
        str(runs / order),
        str(photos / "photos"),
        "--seed",
        "0",
        "--out",
        str(tmp_path / "whole"),
    ]
    assert cli.run([*command, "--keep", "upper"]) == 0
    for file in (photos / "photos").glob("*.png"):
        before, after = (np.asarray(Image.open(f)) for f in (file, tmp_path / "whole" / file.name))
        assert (after[:10] == before[:10]).all()
        assert (after[10:] != before[10:]).any()
    assert (tmp_path / "whole" / "before-and-after.png").exists()
    some = [Image.open(photos / "photos" / f"{i}.png") for i in range(2)]
    mask = Image.open(photos / "corner.png")
    for filled in ganvas.load(runs / order).complete(some, mask=mask, draws=2, seed=1):
        assert [one.size for one in filled] == [(20, 20)] * 2
        assert (np.asarray(filled[0])[3:] == np.asarray(some[0])[3:]).all()


def test_videos_go_on(tmp_path: Path) -> None:
    clips = np.random.default_rng(0).integers(0, 256, (24, 8, 16, 16), dtype=np.uint8)
    np.save(tmp_path / "clips.npy", clips)
    source, codes, run = (str(tmp_path / name) for name in ("clips.npy", "vqgan", "next"))
    small = [
        "--warmup",
        "3",
        "--discriminator-start",
        "6",
        "--discriminator-channels",
        "4",
        "--features",
        "4",
        "--factor",
        "4",
        "--time-factor",
        "2",
    ]
    assert (
        cli.run(["train", "vqgan", source, "--as", "videos", "--out", codes, *TOKENS, *small]) == 0
    )
    assert cli.run(["train", "transformer", source, "--through", codes, "--out", run, *MADE]) == 0
    assert cli.run(["complete", run, source, "--given", "4", "--out", str(tmp_path / "after")]) == 0
    assert len(list((tmp_path / "after" / "beside").glob("*"))) == 24
    trained = ganvas.load(run)
    answer = trained.do("complete", tmp_path / "clips.npy", given=4)
    made, real = torch.stack([*answer.draws[0]]), torch.stack([*answer.given.x])
    assert torch.equal(made[:, :, :4], real[:, :, :4])
    assert not torch.equal(made[:, :, 4:], real[:, :, 4:])
    assert [one.shape for one in trained.complete(clips[:3], given=4)] == [(8, 16, 16)] * 3
    assert cli.run(["sample", run, "--n", "2", "--out", str(tmp_path / "new")]) == 0
    assert (
        cli.run(["detect", run, source, "--alpha", "0.9", "--out", str(tmp_path / "anomalous")])
        == 0
    )
    assert list((tmp_path / "anomalous" / "found").iterdir())


def test_what_has_no_places_is_not_filled_in(tmp_path: Path, photos: Path, runs: Path) -> None:
    with pytest.raises(InputError, match="nothing is missing"):
        ganvas.load(runs / "causal").complete(photos / "photos")
    frame = pd.DataFrame({"a": np.arange(80.0), "b": np.arange(80.0) % 7})
    small = {"steps": 4, "batch": 16, "quiet": True}
    ganvas.train("vae", frame, out=tmp_path / "vae", latent=2, width=8, **small)
    run = ganvas.train(
        "vae", frame, out=tmp_path / "again", through=tmp_path / "vae", latent=2, width=8, **small
    )
    with pytest.raises(InputError, match="stand for the whole of an example"):
        run.complete(frame)
