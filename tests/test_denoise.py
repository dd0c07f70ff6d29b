"""Damage is undone: images of any size come back whole, under their own names."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from ganvas import InputError, api
from ganvas.apps import cli
from ganvas.core import Continuous, Tokens, seeded_rng
from ganvas.core.images import mirror_pad
from ganvas.data.images.modality import Images
from ganvas.models.rednet import REDNet
from ganvas.nn.degradations import Degradation
from ganvas.tasks._tiles import OVERLAP, apply_tiled, tile_side
from ganvas.tasks.denoise import restore_tiled


def scene(height: int, width: int, seed: int) -> np.ndarray:
    """A colour image with smooth shades and sharp edges, uint8 (H, W, 3)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    shade = np.stack(
        [np.sin(random.uniform(2, 9) * x + random.uniform(2, 9) * y) for _ in range(3)], -1
    )
    edges = np.sign(np.sin(random.uniform(8, 20) * (x * random.normal() + y * random.normal())))[
        ..., None
    ]
    return np.round(127.5 + 70 * shade + 40 * edges).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten images, no two of one size."""
    folder = tmp_path_factory.mktemp("photographs")
    for seed in range(10):
        Image.fromarray(scene(70 + 5 * seed, 120 - 4 * seed, seed)).save(folder / f"{seed}.png")
    return folder


@pytest.fixture(scope="module")
def run(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> api.Trained:
    """A small RED-Net that learned of gaussian noise."""
    out = tmp_path_factory.mktemp("runs") / "rednet"
    said = [
        "train",
        "rednet",
        str(photographs),
        "--out",
        str(out),
        "--corrupt",
        "gaussian",
        "--size",
        "32",
    ]
    assert (
        cli.run(
            [
                *said,
                "--channels",
                "16",
                "--depth",
                "1",
                "--batch",
                "8",
                "--steps",
                "120",
                "--held-out",
                "0.3",
            ]
        )
        == 0
    )
    return api.load(out)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(2, 24), st.integers(2, 24))
def test_tiles_that_are_left_alone_are_the_image(
    height: int, width: int, tall: int, wide: int
) -> None:
    x = torch.rand(2, height, width)
    shapes = set[tuple[int, ...]]()

    def same(tiles: Tensor) -> Tensor:
        shapes.add(tuple(tiles.shape[1:]))
        return tiles

    assert torch.allclose(apply_tiled(same, x, tall, wide, min(tall, wide) // 2), x, atol=1e-6)
    assert shapes == {(2, tall, wide)}


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 5000))
def test_tiles_of_any_size_fit_tightly(length: int) -> None:
    long = tile_side(length)
    count = max(-(-(length - OVERLAP) // (long - OVERLAP)), 1) if long > OVERLAP else 1
    assert long <= 520
    assert long % 8 == 0
    assert length <= long + (count - 1) * (long - OVERLAP) < length + 8 * count + 8


@given(st.integers(1, 7), st.integers(1, 30))
def test_mirroring_is_numpys(length: int, wanted: int) -> None:
    x = torch.arange(length).expand(1, length)
    expected = np.pad(np.arange(length), (0, max(wanted - length, 0)), mode="symmetric")
    assert mirror_pad(x, 1, wanted)[0].tolist() == expected.tolist()


def test_a_large_image_is_restored_in_tiles_as_if_it_were_one() -> None:
    torch.manual_seed(0)
    model = REDNet(Continuous((1, 32, 32)), channels=4).eval()
    x = torch.rand(1, 540, 40) * 2 - 1
    with torch.no_grad():
        assert (restore_tiled(model, x) - model.restore(x[None])[0]).abs().mean() < 0.01


@pytest.mark.parametrize("kind", ["gaussian", "salt-and-pepper", "masking"])
def test_damage_is_as_strong_as_was_asked_for(kind: str) -> None:
    x = torch.full((4, 3, 64, 64), 0.5)
    y = Degradation(kind, 0.3, blind=False)(x)  # type: ignore[arg-type]
    if kind == "gaussian":
        assert (y - x).std().item() == pytest.approx(0.3, rel=0.05)
    else:
        assert (y != x).float().mean().item() == pytest.approx(0.3, abs=0.02)
    if kind == "masking":
        assert ((y == 0).all(1) | (y == x).all(1)).all(), "a pixel is missing in all its channels"


def test_blind_damage_has_a_strength_for_each_example() -> None:
    torch.manual_seed(0)
    stds = Degradation("gaussian", 0.5, blind=True)(torch.zeros(400, 1, 32, 32)).flatten(1).std(1)
    assert stds.max() < 0.55
    assert stds.mean().item() == pytest.approx(0.25, abs=0.03)
    assert stds.min() < 0.05


def test_jpeg_damage_is_pillows() -> None:
    pixels = scene(40, 56, 3)
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
    Image.fromarray(pixels).save(buffer := BytesIO(), "JPEG", quality=10)
    expected = np.asarray(Image.open(buffer))
    y = Degradation("jpeg", 1 - 0.1**0.25, blind=False)(x)
    assert np.array_equal(((y[0] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy(), expected)


def test_mixed_damage_comes_again_from_the_same_seed_and_has_every_kind() -> None:
    x = (
        torch.from_numpy(scene(32, 32, 1))
        .permute(2, 0, 1)[None]
        .float()
        .div(127.5)
        .sub(1)
        .expand(64, -1, -1, -1)
    )
    damage = Degradation("mixed", 0.5, blind=True)
    with seeded_rng(3):
        first = damage(x)
    with seeded_rng(3):
        assert torch.equal(first, damage(x))
    assert (first.flatten(1) == x.flatten(1)).float().mean(1).std() > 0.2, (
        "some kinds leave pixels alone, others none"
    )


def test_patches_are_pieces_of_their_images_that_change_with_the_round(photographs: Path) -> None:
    images = Images.learn(photographs, crop="random", size=32)
    data = images.read(photographs)
    assert len(data) == sum(((70 + 5 * s) // 32) * ((120 - 4 * s) // 32) for s in range(10))
    rows = torch.arange(len(data))
    photos = [
        torch.from_numpy(scene(70 + 5 * s, 120 - 4 * s, s)).permute(2, 0, 1) for s in range(10)
    ]
    names = list(dict.fromkeys(data.keys().tolist()))
    for step in (None, 5):
        levels = ((data.batch(rows, step).x + 1) * 127.5).round().byte()
        for patch, key in zip(levels[::20], data.keys()[::20].tolist(), strict=True):
            owner = photos[names.index(key)]
            windows = owner.unfold(1, 32, 1).unfold(2, 32, 1)
            assert (windows == patch[:, None, None]).all(-1).all(-1).all(0).any()
    assert torch.equal(data.batch(rows, 5).x, data.batch(rows, 5).x)
    assert not torch.equal(data.batch(rows, 5).x, data.batch(rows, 6).x)


def test_all_patches_of_a_image_are_held_out_or_none(photographs: Path) -> None:
    learn, held = Images.learn(photographs, crop="random", size=32).read(photographs).split(0.4)
    assert len(held) > 1
    assert not set(learn.keys().tolist()) & set(held.keys().tolist())


def test_images_that_do_not_fit_in_memory_give_the_same_patches(photographs: Path) -> None:
    kept = Images.learn(photographs, crop="random", size=32, flip=True).read(photographs)
    streamed = Images.learn(photographs, crop="random", size=32, flip=True, resident=0.0).read(
        photographs
    )
    rows = torch.tensor([0, 5, 3])
    assert streamed.ahead
    assert torch.equal(kept.keys(), streamed.keys())
    for step in (None, 4):
        assert torch.equal(kept.batch(rows, step).x, streamed.batch(rows, step).x)


def test_noise_is_undone_in_files_of_any_size(run: api.Trained, tmp_path: Path) -> None:
    random, before, after = np.random.default_rng(0), [], []
    for number, (height, width) in enumerate([(50, 90), (33, 17), (130, 64)]):
        folder = tmp_path / "noisy" / ("sub" if number else "")
        folder.mkdir(parents=True, exist_ok=True)
        clean = scene(height, width, 100 + number)
        noisy = (clean + random.normal(0, 40, clean.shape)).round().clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(
            folder / f"{number}.{'png' if number else 'webp'}", lossless=True
        )
        before.append(np.square(noisy.astype(float) - clean).mean())
    out = tmp_path / "clean"
    assert cli.run(["denoise", str(run.run.path), str(tmp_path / "noisy"), "--out", str(out)]) == 0
    for number, (height, width) in enumerate([(50, 90), (33, 17), (130, 64)]):
        name = f"{number}.png" if number else "0.webp.png"
        back = np.asarray(Image.open(out / ("sub" if number else "") / name))
        after.append(np.square(back.astype(float) - scene(height, width, 100 + number)).mean())
        assert back.shape == (height, width, 3)
    assert np.mean(after) < 0.6 * np.mean(before)
    assert (
        2 * 130 < Image.open(out / "before-and-after.png").height < 2 * 140
    )  # no larger than what it shows


def test_one_image_into_one_file_and_several_into_a_sheet(
    run: api.Trained, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        "denoise",
        str(run.run.path),
        str(photographs / "3.png"),
        "--out",
        str(tmp_path / "clean.jpg"),
        "--json",
    ]
    assert cli.run(asked) == 0
    assert json.loads(capsys.readouterr().out) == {"files": [str(tmp_path / "clean.jpg")]}
    assert Image.open(tmp_path / "clean.jpg").size == (108, 85)
    assert (
        cli.run(
            ["denoise", str(run.run.path), str(photographs), "--out", str(tmp_path / "sheet.png")]
        )
        == 0
    )
    assert [f.name for f in tmp_path.glob("*.png")] == ["sheet.png"]


def test_in_python_what_comes_in_decides_what_goes_out(run: api.Trained) -> None:
    photos = [Image.fromarray(scene(40, 30, 1)), Image.fromarray(scene(20, 50, 2))]
    back = run.denoise(photos)
    assert [p.size for p in back] == [(30, 40), (50, 20)]
    array = run.denoise(np.stack([scene(24, 40, 1), scene(24, 40, 2)]))
    assert array.shape == (2, 24, 40, 3)
    assert array.dtype == np.uint8
    tensor = run.denoise(torch.rand(2, 3, 24, 40))
    assert tensor.shape == (2, 3, 24, 40)


def test_files_never_leave_their_folder_and_never_hide_each_other(
    run: api.Trained, tmp_path: Path
) -> None:
    for name in ("a.png", "a.jpg", "b.png"):
        Image.fromarray(scene(16, 16, 0)).save(tmp_path / name)
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "of.csv").write_text(f"path\n../a.png\n../a.jpg\n{tmp_path / 'b.png'}\n")
    out = tmp_path / "out"
    assert (
        cli.run(
            ["denoise", str(run.run.path), str(tmp_path / "list" / "of.csv"), "--out", str(out)]
        )
        == 0
    )
    assert sorted(f.name for f in out.iterdir()) == [
        "a.jpg.png",
        "a.png",
        "b.png",
        "before-and-after.png",
    ]


def test_restoring_is_judged_beside_leaving_it(run: api.Trained) -> None:
    evaluation = run.evaluate(quiet=True, features="plain")
    figure = next(f for f in evaluation.figures if f.name == "PSNR (dB), restored")
    assert figure.value.value > figure.beside["identity"].value + 1
    assert (run.run.path / "images" / "restorations.png").exists()


def test_an_autoencoder_of_one_size_restores_in_tiles(tmp_path: Path) -> None:
    arrays = np.stack([scene(16, 16, s)[..., 0] for s in range(60)])
    options = {"network": "perceptron", "width": 32, "latent": 8, "steps": 20, "quiet": True}
    trained = api.train(
        "ae", arrays, out=tmp_path / "ae", corrupt="salt-and-pepper", strength=0.2, **options
    )
    assert trained.denoise([Image.fromarray(scene(40, 23, 1)[..., 0])])[0].size == (23, 40)
    plain = api.train("ae", arrays, out=tmp_path / "plain", **options)
    with pytest.raises(InputError, match="learned to undo no damage"):
        plain.denoise(arrays)


def test_a_stopped_training_goes_on_to_the_same_weights(photographs: Path, tmp_path: Path) -> None:
    options = {
        "channels": 4,
        "depth": 1,
        "size": 16,
        "batch": 4,
        "quiet": True,
        "minutes": None,
        "schedule": "constant",
    }
    whole = api.train("rednet", photographs, out=tmp_path / "whole", steps=6, **options)
    api.train("rednet", photographs, out=tmp_path / "parts", steps=3, **options)
    card = tmp_path / "parts" / "run.json"
    card.write_text(card.read_text().replace('"steps": 3', '"steps": 6'))
    state = tmp_path / "parts" / "state.json"
    state.write_text(state.read_text().replace("true", "false"))
    parts = api.resume(tmp_path / "parts", quiet=True)
    pairs = zip(
        whole.run.tensors("weights").values(), parts.run.tensors("weights").values(), strict=True
    )
    assert all(torch.equal(a, b) for a, b in pairs)


def test_what_is_wrong_is_said(run: api.Trained, tmp_path: Path) -> None:
    for space in (Continuous((6,)), Tokens(8, 3)):
        with pytest.raises(InputError, match="rednet restores images"):
            REDNet(space)
    with pytest.raises(InputError, match="choose one with corrupt="):
        REDNet(Continuous((1, 8, 8)), corrupt="none")
    with pytest.raises(InputError, match=r"strength= is 1\.5"):
        REDNet(Continuous((1, 8, 8)), strength=1.5)
    with pytest.raises(InputError, match="grey or in colour"):
        Degradation("jpeg", 0.5, blind=False).fit(Continuous((4, 8, 8)))
    whole = tmp_path / "cut.png"
    Image.fromarray(scene(60, 60, 1)).save(whole)
    whole.write_bytes(whole.read_bytes()[:900])
    assert cli.run(["denoise", str(run.run.path), str(whole), "--out", str(tmp_path / "out")]) == 2
    with pytest.raises(InputError, match="does not exist"):
        run.denoise(tmp_path / "nowhere")
