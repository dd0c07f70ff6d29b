"""Images are completed: what is known comes back exactly, whatever says what is missing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganvas import InputError, api
from ganvas.abilities import Completes
from ganvas.abilities.completing import BorderMean, Diffusion
from ganvas.apps import cli
from ganvas.core import Batch, Continuous, Evidence, Mask, Masked, Space, Tokens
from ganvas.core.random_masks import draw_masks
from ganvas.data.images.modality import Images
from ganvas.evaluation.metrics.inpainting import inpainting
from ganvas.models.vae import VAE
from ganvas.tasks.complete.task import complete


class Nines(Completes):
    """Fills everything with nines."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def complete(
        self, x: Tensor, known: Tensor, allowed: Mapping[int, Tensor] | None = None
    ) -> Tensor:
        return torch.where(known, x, 9)


def masked(x: Tensor) -> Masked:
    return Masked(
        [*x],
        [*torch.ones_like(x).bool()],
        [f"{i}.png" for i in range(len(x))],
        [tuple(x.shape[2:])] * len(x),
    )


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen images of 24 x 20, half of them in a sub-folder, and a mask for each that is white
    in one corner."""
    home, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for i in range(12):
        name = f"{i}.png" if i < 6 else f"more/{i}.png"
        white = np.zeros((24, 20), np.uint8)
        white[:9, :7] = 255
        for folder, pixels in (
            ("photos", random.integers(0, 256, (24, 20, 3), np.uint8)),
            ("masks", white),
        ):
            (home / folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(home / folder / name)
    return home


@pytest.fixture(scope="module")
def run(photos: Path) -> api.Trained:
    said = [
        "train",
        "inpainter",
        str(photos / "photos"),
        "--out",
        str(photos / "run"),
        "--size",
        "16",
        "--steps",
        "3",
    ]
    assert cli.run([*said, "--channels", "8", "--batch", "4", "--held-out", "0.2"]) == 0
    assert list((photos / "run" / "previews").glob("*.png"))
    return api.load(photos / "run")


def test_every_image_keeps_its_size_and_all_that_was_known(
    run: api.Trained, photos: Path, tmp_path: Path
) -> None:
    command = [
        "complete",
        str(run.run.path),
        str(photos / "photos"),
        "--out",
        str(tmp_path / "whole"),
    ]
    assert cli.run([*command, "--mask", str(photos / "masks")]) == 0
    for file in (photos / "photos").rglob("*.png"):
        name = file.relative_to(photos / "photos").as_posix().replace("/", "-")
        before, after = (np.asarray(Image.open(f)) for f in (file, tmp_path / "whole" / name))
        assert after.shape == before.shape
        known = np.asarray(Image.open(photos / "masks" / file.relative_to(photos / "photos"))) == 0
        assert (after[known] == before[known]).all()
        assert (after[~known] != before[~known]).any()
    assert (tmp_path / "whole" / "before-and-after.png").exists()


def test_one_mask_serves_all_and_halves_need_none(
    run: api.Trained, photos: Path, capsys: Any
) -> None:
    one = str(photos / "masks" / "3.png")
    out = str(photos / "sheet.png")
    assert (
        cli.run(
            [
                "complete",
                str(run.run.path),
                str(photos / "photos"),
                "--mask",
                one,
                "--out",
                out,
                "--json",
            ]
        )
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == [out]
    assert told["missing"] == pytest.approx([63 / 480] * 12)
    image = Image.open(photos / "photos" / "0.png")
    (half,) = run.complete(image, keep="left")
    assert (np.asarray(half)[:, :10] == np.asarray(image)[:, :10]).all()
    assert (np.asarray(half)[:, 10:] != np.asarray(image)[:, 10:]).any()


def test_images_of_several_sizes_are_completed_and_shown_by_their_middles(
    run: api.Trained, tmp_path: Path
) -> None:
    """One of them is as large as what the model practised on."""
    sizes = {"own": (16, 16), "wide": (40, 24), "dot": (1, 1)}
    (tmp_path / "photos").mkdir()
    for name, size in sizes.items():
        Image.new("RGB", size, "teal").save(tmp_path / "photos" / f"{name}.png")
    said = [
        "complete",
        str(run.run.path),
        str(tmp_path / "photos"),
        "--keep",
        "upper",
        "--out",
        str(tmp_path / "out"),
    ]
    assert cli.run(said) == 0
    assert {name: Image.open(tmp_path / "out" / f"{name}.png").size for name in sizes} == sizes
    assert (tmp_path / "out" / "before-and-after.png").exists()


def test_one_image_is_called_as_its_file_and_finds_its_mask_among_many(
    run: api.Trained, photos: Path, tmp_path: Path
) -> None:
    said = ["complete", str(run.run.path), str(photos / "photos" / "2.png"), "--out", str(tmp_path)]
    assert cli.run([*said, "--mask", str(photos / "masks")]) == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["2.png", "before-and-after.png"]


def test_images_that_move_are_refused(run: api.Trained, tmp_path: Path, capsys: Any) -> None:
    first, *others = (Image.new("L", (20, 20), level) for level in (0, 90, 180))
    first.save(tmp_path / "moves.gif", save_all=True, append_images=others)
    assert (
        cli.run(["complete", str(run.run.path), str(tmp_path / "moves.gif"), "--keep", "upper"])
        == 2
    )
    assert "it moves, in 3 images" in capsys.readouterr().err


def test_what_is_transparent_is_missing(run: api.Trained, photos: Path) -> None:
    image = Image.open(photos / "photos" / "1.png").convert("RGBA")
    alpha = np.full((24, 20), 255, np.uint8)
    alpha[4:8] = 0
    image.putalpha(Image.fromarray(alpha))
    opened = run.run.modality.open([image]).view([Masked], "complete")
    assert (~opened.known[0]).nonzero()[:, 1].unique().tolist() == [4, 5, 6, 7]
    one, two = run.complete([image], draws=2)
    assert (np.asarray(one[0]) == np.asarray(two[0])).all(), (
        "this model always fills a masked region alike"
    )


def test_a_pixel_is_known_where_all_of_it_is() -> None:
    mask = np.zeros((1, 32, 32), np.uint8)
    mask[:, 5:9, 16:] = 255
    (missing,) = Images(size=16, channels=1).open(mask).view([Mask], "complete").missing
    assert missing.nonzero()[:, 1].unique().tolist() == [2, 3, 4]
    assert missing.nonzero()[:, 2].min() == 8
    (whole,) = (
        Images(size=16, channels=3, crop="random").open(mask[0]).view([Mask], "complete").missing
    )
    assert whole.shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("space", "keep", "given", "known"),
    [
        (Tokens(6, 10, grid=(3, 2)), "upper", None, [0, 1, 2, 3]),
        (Tokens(6, 10, grid=(3, 2)), "right", None, [1, 3, 5]),
        (Tokens(6, 10, grid=(3, 2)), None, 1, [0, 1]),
        (Tokens(6, 10), None, 4, [0, 1, 2, 3]),
        (Continuous((1, 3, 1, 2)), None, 2, [0, 1, 2, 3]),
        (Continuous((1, 3, 1, 2)), "left", 2, [0, 2]),
    ],
)
def test_halves_and_beginnings_of_any_grid(
    space: Space, keep: Any, given: int | None, known: list[int]
) -> None:
    x = torch.arange(6).view(1, *space.shape)
    answer = complete(Nines(space), masked(x), keep=keep, given=given)
    (filled,) = answer.draws[0]
    assert (filled.flatten() != 9).nonzero().flatten().tolist() == known
    assert (filled.flatten()[known] == torch.tensor(known)).all()


def test_of_large_images_what_is_near_a_hole_is_looked_at() -> None:
    class Seeing(Nines):
        any_size = True

        def complete(
            self, x: Tensor, known: Tensor, allowed: Mapping[int, Tensor] | None = None
        ) -> Tensor:
            assert x.shape == (1, 1, 272, 144)
            return super().complete(x, known)

    x = torch.rand(1, 1, 900, 256)
    given = masked(x)
    given.known[0][:, 500:510, 3:5] = False
    (filled,) = complete(Seeing(Continuous((1, 8, 8))), given).draws[0]
    assert (filled == 9).sum() == 20
    assert torch.equal(filled[given.known[0]], x[0][given.known[0]])


SPACE = Continuous((1, 4, 6))
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nothing missing": ({}, "nothing is missing"),
    "another size": (
        {"mask": Mask([torch.ones(1, 4, 6).bool()], ["m.png"], [(8, 6)])},
        "m.png is 6 × 8 pixels and 0",
    ),
    "no mask": (
        {"mask": Mask([torch.ones(1, 4, 6) > 0] * 2, ["0.png", "2.png"], [(4, 6)] * 2)},
        "called like 1.png",
    ),
    "a side there is not": ({"keep": "top"}, "keep= is 'top'"),
    "all given": ({"given": 4}, "given= is 4"),
    "no draws": ({"given": 2, "draws": 0}, "draws= is 0"),
    "an interval": ({"given": 2, "interval": 0.9}, "interval= is for rows"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_said(kind: str) -> None:
    options, words = WRONG[kind]
    with pytest.raises(InputError, match=words):
        complete(Nines(SPACE), masked(torch.zeros(2, *SPACE.shape)), **options)


def test_a_model_of_one_size_says_which() -> None:
    with pytest.raises(
        InputError, match=r"0\.png is 6 × 4 pixels, and this model completes 8 × 8 alone"
    ):
        complete(Nines(Continuous((1, 8, 8))), masked(torch.zeros(1, 1, 4, 6)), given=2)


def test_a_vae_fills_holes_better_than_the_border_once_it_has_learned(
    fashion: tuple[Tensor, Tensor],
) -> None:
    x = fashion[0][:600].float().div(127.5).sub(1).unsqueeze(1)
    torch.manual_seed(0)
    model = VAE(Continuous((1, 28, 28)), network="perceptron", width=64, latent=8)
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for step in range(150):
        (turn,) = model.turns(Batch(x[step % 5 * 100 : step % 5 * 100 + 100]))
        optimizer.zero_grad()
        sum(turn.loss.values()).backward()
        optimizer.step()
    evidence = Evidence(Batch(x[:500]), Batch(x[500:]), None, lambda x: x, None)
    own, border = (
        inpainting(m, evidence).numbers["PSNR in masked regions (dB)"]
        for m in (model.eval(), BorderMean(model.space))
    )
    assert own.low > border.value


def test_a_vae_fills_places_with_allowed_symbols_alone() -> None:
    torch.manual_seed(0)
    model = VAE(Tokens(3, 5, (5, 2, 4)), width=8, latent=2).eval()
    filled = model.complete(
        torch.zeros(50, 3).long(), torch.zeros(50, 3).bool(), {0: torch.arange(5) == 3}
    )
    assert (filled[:, 0] == 3).all()
    assert (filled[:, 1] < 2).all()


def test_holes_are_of_three_kinds_and_leave_something() -> None:
    torch.manual_seed(0)
    cut = draw_masks(torch.zeros(300, 3, 32, 24))
    assert cut.shape == (300, 1, 32, 24)
    share = cut.float().mean((1, 2, 3))
    assert share.min() > 0
    assert share.max() < 0.8
    assert ((share - 0.5).abs() < 0.02).float().mean() == pytest.approx(0.2, abs=0.08)


def test_naive_fills_know_what_is_flat_or_slopes() -> None:
    space = Continuous((1, 16, 16))
    slope = torch.linspace(-1, 1, 16).expand(1, 1, 16, 16)
    known = torch.ones_like(slope).bool()
    known[..., 5:11, 5:11] = False
    flat = torch.full_like(slope, 0.3)
    for naive in (BorderMean(space), Diffusion(space)):
        assert torch.allclose(naive.complete(flat, known), flat, atol=1e-6)
    assert torch.allclose(Diffusion(space).complete(slope, known), slope, atol=0.02)
