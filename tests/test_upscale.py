"""Images become larger: pixels first, then the game, and files keep all that they have."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice, repeat
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
from ganvas.core import Batch, Continuous, Tokens, seeded_rng
from ganvas.core.images import (
    ImageFile,
    downscale,
    image_from_levels,
    image_to_levels,
    upscale_bicubic,
)
from ganvas.models.esrgan import ESRGAN
from ganvas.models.srgan import SRGAN
from ganvas.nn.degradations import LowResolution, blur
from ganvas.tasks import upscale as task
from ganvas.tasks._tiles import apply_tiled, bands
from ganvas.tasks.upscale import upscale_image
from ganvas.training.engine import Engine
from test_denoise import scene


def small(channels: int = 3, **options: object) -> SRGAN:
    torch.manual_seed(0)
    return SRGAN(
        Continuous((channels, 16, 16)),
        **{"scale": 2, "channels": 8, "depth": 1, "warmup": 3, **options},
    )  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for seed in range(8):
        Image.fromarray(scene(70 + 5 * seed, 120 - 4 * seed, seed)).save(folder / f"{seed}.png")
    return folder


@pytest.fixture(scope="module")
def run(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> api.Trained:
    """A small SRGAN, taught by pixels for a while and then for a few steps by the game."""
    out = tmp_path_factory.mktemp("runs") / "srgan"
    said = [
        "train",
        "srgan",
        str(photographs),
        "--out",
        str(out),
        "--scale",
        "2",
        "--size",
        "32",
        "--channels",
        "16",
    ]
    said += [
        "--depth",
        "1",
        "--warmup",
        "190",
        "--steps",
        "196",
        "--held-out",
        "0.3",
        "--lr",
        "faithful=5e-3",
    ]
    assert cli.run(said) == 0
    return api.load(out)


def as_tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float().div(127.5).sub(1)


@pytest.mark.parametrize("scale", [2, 4])
def test_smaller_and_larger_are_pillows_bicubic(scale: int) -> None:
    pixels = scene(64, 96, 1)
    image, x = Image.fromarray(pixels), as_tensor(pixels)
    for ours, size in (
        (downscale(x, scale), (96 // scale, 64 // scale)),
        (upscale_bicubic(x, scale), (96 * scale, 64 * scale)),
    ):
        theirs = np.asarray(image.resize(size, Image.Resampling.BICUBIC)).astype(int)
        assert (
            np.abs(
                image_to_levels(ours[0], 255).permute(1, 2, 0).numpy().astype(int) - theirs
            ).max()
            <= 1
        )
    assert torch.equal(
        downscale(x, scale), image_from_levels(image_to_levels(downscale(x, scale), 255), 255)
    ), "of eight bits"


def test_the_faithful_one_learns_first_and_then_the_other_plays() -> None:
    model, batch = small(), Batch(as_tensor(scene(16, 16, 2)).expand(4, -1, -1, -1))
    assert all(map(torch.equal, model.faithful.parameters(), model.generator.parameters())), (
        "they begin alike"
    )
    logs = list(islice(Engine(model).steps(repeat(batch)), 5))
    moved = [{name.split("/")[0] for name in log} for log in logs]
    assert (
        moved
        == [{"perception", "faithful"}, {"faithful"}, {"faithful"}]
        + [{"discriminator", "generator"}] * 2
    )
    assert all("discriminator/ordering" in log for log in logs[3:])


def test_at_the_end_of_the_warm_up_both_are_the_average_and_fidelity_lies_between() -> None:
    model, batch = small(), Batch(as_tensor(scene(16, 16, 2)).expand(4, -1, -1, -1))
    list(islice(Engine(model).steps(repeat(batch)), 3))
    assert all(map(torch.equal, model.faithful.parameters(), model.generator.parameters()))
    kept = [p.clone() for p in (*model.faithful.parameters(), *model.perception.parameters())]
    list(islice(Engine(model).steps(repeat(batch)), 3))
    assert all(
        map(torch.equal, kept, (*model.faithful.parameters(), *model.perception.parameters()))
    ), "they stay"
    low, between = model.degrade(batch.x), small()
    for p, a, b in zip(
        between.generator.parameters(),
        model.generator.parameters(),
        model.faithful.parameters(),
        strict=True,
    ):
        p.data = 0.75 * a + 0.25 * b
    with torch.no_grad():
        assert torch.allclose(model.upscale(low, 0.25), between.upscale(low), atol=1e-5)
        assert torch.equal(model.upscale(low, 1), model.enlarge(model.faithful, low).clamp(-1, 1))
        assert not torch.equal(model.upscale(low, 0), model.upscale(low, 1))


def test_judging_moves_nobody() -> None:
    model = small()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.step = 1
    Engine(model).evaluate([Batch(torch.rand(2, 3, 16, 16))])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_at_first_images_are_nearly_bicubic() -> None:
    x = as_tensor(scene(20, 24, 3))
    for model in (small(scale=4), ESRGAN(Continuous((3, 16, 16)), channels=8, depth=1)):
        with torch.no_grad():
            assert (model.upscale(x, 1) - upscale_bicubic(x, 4).clamp(-1, 1)).abs().mean() < 0.1


def test_a_stopped_training_goes_on_to_the_same_weights(photographs: Path, tmp_path: Path) -> None:
    options = {
        "channels": 4,
        "depth": 1,
        "size": 16,
        "batch": 2,
        "quiet": True,
        "schedule": "constant",
        "warmup": 3,
    }
    whole = api.train("srgan", photographs, out=tmp_path / "whole", steps=6, **options)
    api.train("srgan", photographs, out=tmp_path / "parts", steps=2, **options)
    for name, old, new in (
        ("run.json", '"steps": 2', '"steps": 6'),
        ("state.json", "true", "false"),
    ):
        file = tmp_path / "parts" / name
        file.write_text(file.read_text().replace(old, new))
    parts = api.resume(tmp_path / "parts", quiet=True)
    pairs = zip(whole.run.tensors("ema").values(), parts.run.tensors("ema").values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_real_degradation_is_random_has_the_size_and_can_be_had_again() -> None:
    x = as_tensor(scene(48, 32, 1)).expand(3, -1, -1, -1)
    lower = LowResolution("real", 4)
    with seeded_rng(1):
        first = lower(x)
    with seeded_rng(1):
        assert torch.equal(first, lower(x))
    assert first.shape == (3, 3, 12, 8)
    assert not torch.equal(first, lower(x))
    assert not torch.equal(first[0], first[1]), "each image has its own"
    assert (first - downscale(x, 4)).abs().mean() > 0.02


def test_blur_keeps_what_is_flat_and_takes_edges() -> None:
    torch.manual_seed(0)
    flat = torch.full((5, 3, 20, 20), 0.3)
    assert torch.allclose(blur(flat, 0.2, 3.0), flat, atol=1e-5)
    x = as_tensor(scene(40, 40, 1)).expand(5, -1, -1, -1)
    steps = lambda y: y.diff(dim=3).abs().mean((1, 2, 3))  # noqa: E731
    assert (steps(blur(x, 1.0, 2.0)) < 0.8 * steps(x)).all()
    assert torch.allclose(blur(x, 0.05, 0.06), x, atol=1e-4), "a blur of no width is none"


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(2, 12),
    st.integers(2, 12),
    st.sampled_from([1, 2, 3]),
)
def test_tiles_enlarged_by_squares_are_the_image_so_enlarged(
    h: int, w: int, tall: int, wide: int, scale: int
) -> None:
    x = torch.randint(0, 256, (2, h, w), dtype=torch.uint8)

    def squares(tiles: Tensor) -> Tensor:
        return tiles.float().repeat_interleave(scale, 2).repeat_interleave(scale, 3)

    overlap = min(tall, wide) // 2
    expected = squares(x[None])[0]
    assert torch.allclose(apply_tiled(squares, x, tall, wide, overlap, scale), expected, atol=1e-3)
    assert (
        max(band.shape[1] for band in bands(squares, x, tall, wide, overlap, scale)) <= tall * scale
    )


def test_in_tiles_a_image_becomes_what_it_is_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model, own = small().eval(), ImageFile(torch.from_numpy(scene(90, 70, 4)).permute(2, 0, 1))
    whole = upscale_image(model, own, 1, 1.0).levels.int()
    monkeypatch.setattr(task, "TILE", 96)
    monkeypatch.setattr(task, "SMALLEST", 48)
    parts = upscale_image(model, own, 1, 1.0).levels.int()
    assert whole.shape == (3, 180, 140)
    assert (whole - parts).abs().max() <= 1


def test_photographs_are_enlarged_through_the_command_line(
    run: api.Trained, tmp_path: Path
) -> None:
    before, after = [], []
    (tmp_path / "small" / "sub").mkdir(parents=True)
    names = ["a.png", "sub/b.webp"]
    for number, name in enumerate(names):
        truth = Image.fromarray(scene(64, 80 + 2 * number, 100 + number))
        low = truth.resize((truth.width // 2, truth.height // 2), Image.Resampling.BICUBIC)
        low.save(tmp_path / "small" / name, lossless=True)
    out = tmp_path / "large"
    asked = [
        "upscale",
        str(run.run.path),
        str(tmp_path / "small"),
        "--out",
        str(out),
        "--fidelity",
        "1",
    ]
    assert cli.run(asked) == 0
    for number, name in enumerate(names):
        truth = scene(64, 80 + 2 * number, 100 + number).astype(float)
        low = Image.open(tmp_path / "small" / name)
        bicubic = np.asarray(low.resize((low.width * 2, 64), Image.Resampling.BICUBIC)).astype(
            float
        )
        ours = np.asarray(Image.open(out / name)).astype(float)
        assert ours.shape == truth.shape
        before.append(np.square(bicubic - truth).mean())
        after.append(np.square(ours - truth).mean())
    assert np.mean(after) < 0.96 * np.mean(before)
    assert (out / "before-and-after.png").exists()
    assert (
        cli.run(
            [
                "upscale",
                str(run.run.path),
                str(tmp_path / "small"),
                "--out",
                str(tmp_path / "s.png"),
            ]
        )
        == 0
    )
    assert not (tmp_path / "s").exists()


def test_it_is_judged_beside_bicubic_and_shown(run: api.Trained) -> None:
    found = run.evaluate(quiet=True, features="plain", size=24)
    figure = next(
        f for f in found.figures if f.name == "PSNR of luma (dB), upscaled with fidelity 1"
    )
    assert figure.value.value > figure.beside["bicubic"].value
    assert not next(
        f for f in found.figures if f.name.startswith("feature distance")
    ).larger_is_better
    assert (run.run.path / "images" / "upscaled.png").exists()
    assert list((run.run.path / "previews").glob("*.png"))
    assert not any(one.kind == "duplicates" for one in run.run.diagnoses), (
        "squares of an image are no copies"
    )


def plain(run: api.Trained, file: Path, *options: str) -> Image.Image:
    out = file.parent / "out"
    assert (
        cli.run(["upscale", str(run.run.path), str(file), "--out", str(out / file.name), *options])
        == 0
    )
    return Image.open(out / file.name)


def exif() -> bytes:
    about = Image.Exif()
    about[0x010F], about[0x0112], about[0x0100] = "Maker", 6, 30
    about.get_ifd(0x8769)[0xA002] = 30
    about.get_ifd(0x8769)[0x829A] = 0.01
    return about.tobytes()


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif"])
def test_what_a_file_says_of_its_image_is_kept(
    run: api.Trained, tmp_path: Path, ending: str
) -> None:
    file = tmp_path / f"a{ending}"
    Image.fromarray(scene(20, 30, 1)).save(file, exif=exif(), icc_profile=b"a profile of colours")
    back = plain(run, file)
    about = back.getexif()
    assert back.format == Image.open(file).format
    assert back.size == (40, 60), "it lies as one looks at it"
    assert about[0x010F].strip("\0") == "Maker"
    assert about.get(0x0112, 1) == 1
    assert about.get(0x0100, 40) == 40
    assert float(about.get_ifd(0x8769)[0x829A]) == pytest.approx(0.01)
    assert 0xA002 not in about.get_ifd(0x8769)
    assert back.info["icc_profile"] == b"a profile of colours"


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_can_be_seen_through_stays_so(run: api.Trained, tmp_path: Path, mode: str) -> None:
    file = tmp_path / "a.png"
    solid = Image.fromarray(np.linspace(0, 255, 20 * 30).reshape(20, 30).astype(np.uint8))
    image = Image.fromarray(scene(20, 30, 1)).convert("L" if mode == "LA" else "RGB")
    if mode == "P":
        image = image.quantize(16)
        image.save(file, transparency=0)
        solid = Image.open(file).convert("RGBA").getchannel(3)
    else:
        image.putalpha(solid)
        image.save(file)
    back = plain(run, file)
    assert back.mode == ("LA" if mode == "LA" else "RGBA")
    expected = np.asarray(solid.resize((60, 40), Image.Resampling.BICUBIC)).astype(int)
    apart = np.abs(np.asarray(back.getchannel(back.mode[-1])).astype(int) - expected)
    assert apart.mean() < 1, "where Pillow cuts off between its two passes, it differs by more"


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_sixteen_bits_stay_sixteen(run: api.Trained, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"a{ending}"
    deep = (np.mgrid[:20, :30].sum(0) * 1201 + 77).astype(np.uint16)
    Image.fromarray(deep).save(file)
    back = np.asarray(plain(run, file, "--fidelity", "1"))
    assert back.dtype == np.uint16
    assert len(np.unique(back)) > 400, "more than eight bits say"
    assert np.abs(back[1::2, 1::2].astype(float) - deep).mean() < 2000


def test_grey_images_stay_grey_and_a_grey_model_keeps_colours(
    run: api.Trained, tmp_path: Path
) -> None:
    Image.fromarray(scene(20, 30, 1)).convert("L").save(tmp_path / "grey.png")
    assert plain(run, tmp_path / "grey.png").mode == "L"
    model, own = small(1).eval(), ImageFile(torch.from_numpy(scene(20, 30, 1)).permute(2, 0, 1))
    colours = image_from_levels(upscale_image(model, own, 1, 1.0).levels, 255)
    with torch.no_grad():
        luma = model.upscale(own.examples(1)[None], 1.0)[0]
    inside = (colours.abs() < 0.98).all(0)  # where nothing is cut off
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    assert ((colours * weights).sum(0) - luma[0])[inside].abs().mean() < 0.02
    flat = upscale_bicubic(own.examples(3)[None], 2)[0]
    assert ((colours[0] - colours[2]) - (flat[0] - flat[2]))[inside].abs().mean() < 0.02


def test_a_scale_may_be_a_power_of_the_models(run: api.Trained, tmp_path: Path) -> None:
    Image.fromarray(scene(20, 30, 1)).save(tmp_path / "a.png")
    assert plain(run, tmp_path / "a.png", "--scale", "4").size == (120, 80)
    assert run.upscale([Image.fromarray(scene(9, 7, 1))], scale=8)[0].size == (56, 72)
    array = run.upscale(np.stack([scene(9, 7, 1)] * 2))
    assert (array.shape, array.dtype) == ((2, 18, 14, 3), np.uint8)
    assert run.upscale(torch.rand(2, 3, 9, 7)).shape == (2, 3, 18, 14)


def test_denoising_keeps_what_files_have_too(tmp_path: Path, photographs: Path) -> None:
    options = {"channels": 4, "depth": 1, "size": 16, "batch": 2, "steps": 2, "quiet": True}
    trained = api.train("rednet", photographs, out=tmp_path / "rednet", **options)
    image = Image.fromarray(scene(20, 30, 1))
    image.putalpha(Image.new("L", (30, 20), 77))
    image.save(tmp_path / "a.png", exif=exif(), icc_profile=b"a profile of colours")
    Image.fromarray((np.mgrid[:20, :30].sum(0) * 1201).astype(np.uint16)).save(
        tmp_path / "deep.png"
    )
    for name in ("a.png", "deep.png"):
        out = tmp_path / "out" / name
        assert (
            cli.run(["denoise", str(trained.run.path), str(tmp_path / name), "--out", str(out)])
            == 0
        )
    back = Image.open(tmp_path / "out" / "a.png")
    assert (back.mode, back.size, back.getexif()[0x010F]) == ("RGBA", (20, 30), "Maker")
    assert set(np.unique(np.asarray(back)[..., 3])) == {77}
    assert back.info["icc_profile"] == b"a profile of colours"
    assert np.asarray(Image.open(tmp_path / "out" / "deep.png")).dtype == np.uint16


WRONG: list[tuple[Callable[[api.Trained], object], str]] = [
    (
        lambda run: run.upscale(np.zeros((1, 8, 8, 3), np.uint8), scale=3),
        "scale= is 2, 4, 8 and so on, not 3",
    ),
    (lambda run: run.upscale(np.zeros((1, 8, 8, 3), np.uint8), scale=1), "not 1"),
    (lambda run: run.upscale(np.zeros((1, 8, 8, 3), np.uint8), fidelity=1.5), "fidelity= is 1.5"),
    (lambda _: SRGAN(Continuous((6,))), "choose ae for everything else"),
    (lambda _: ESRGAN(Tokens(8, 3)), "choose ae for everything else"),
    (lambda _: SRGAN(Continuous((3, 8, 8)), scale=8), "too small for scale=8; raise size="),
    (lambda _: SRGAN(Continuous((3, 32, 32)), scale=3), "scale= is 2, 4 or 8"),  # type: ignore[arg-type]
    (lambda _: SRGAN(Continuous((3, 32, 32)), warmup=0), "warmup= is 0"),
    (lambda _: SRGAN(Continuous((3, 32, 32)), degrade="fog"), "degrade= is one of bicubic, real"),  # type: ignore[arg-type]
    (lambda _: SRGAN(Continuous((4, 32, 32)), degrade="real"), "grey or in colour"),
]


@pytest.mark.parametrize(("ask", "words"), WRONG)
def test_what_is_wrong_is_said(
    run: api.Trained, ask: Callable[[api.Trained], object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        ask(run)


def test_files_that_cannot_be_are_named_and_nothing_is_half_written(
    run: api.Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = [Image.fromarray(scene(8, 8, seed)) for seed in range(3)]
    frames[0].save(tmp_path / "moves.gif", save_all=True, append_images=frames[1:])
    Image.new("RGB", (10, 33_000)).save(tmp_path / "long.jpg")
    for name, words in (("moves.gif", "it moves, in 3 images"), ("long.jpg", "use .png")):
        out = tmp_path / "out"
        assert cli.run(["upscale", str(run.run.path), str(tmp_path / name), "--out", str(out)]) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert name in said
        assert words in said
        assert not out.exists()
    asked = ["upscale", str(run.run.path), str(tmp_path / "nowhere"), "--json"]
    assert cli.run(asked) == 2
    assert not json.dumps(capsys.readouterr().out).strip('"')
