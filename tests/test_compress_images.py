"""Images that are packed come back equal in every pixel, under their names, whatever they are."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from conftest import examples
from ganvas import InputError, api
from ganvas.apps import cli
from ganvas.core import Continuous
from ganvas.core.space import from_levels
from ganvas.data.images.lossless import Album, files_inside
from ganvas.models.pixelcnn import PixelCNN
from ganvas.runtime.filenames import image_names

SIDE = 8
SMALL = {"steps": 3, "width": 8, "depth": 1, "batch": 8, "quiet": True}


def levels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture(scope="module")
def grey(tmp_path_factory: pytest.TempPathFactory) -> api.Trained:
    return api.train(
        "pixelcnn", levels(30, SIDE, SIDE), out=tmp_path_factory.mktemp("grey") / "run", **SMALL
    )


@pytest.fixture(scope="module")
def colour(tmp_path_factory: pytest.TempPathFactory) -> api.Trained:
    return api.train(
        "pixelcnn",
        levels(30, SIDE, SIDE, 3),
        out=tmp_path_factory.mktemp("colour") / "run",
        **SMALL,
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_a_place_is_predicted_from_those_before_it_alone(channels: int) -> None:
    """What lies ahead changes no bit; all at once is what comes one by one."""
    space = Continuous((channels, 6, 6))
    torch.manual_seed(0)
    model = PixelCNN(space, width=16, depth=1, reach=2).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x = torch.from_numpy(levels(4, channels * 36)).long()
    blank = torch.zeros_like(x)
    places, costs = [], torch.zeros(x.shape)
    with torch.no_grad():
        for (place, logits), (_, same) in zip(model.unfold(x), model.unfold(blank), strict=True):
            assert torch.equal(logits, same)
            costs[:, place] = torch.nn.functional.cross_entropy(
                logits, x[:, place], reduction="none"
            )
            blank[:, place] = x[:, place]
            places.append(place)
        total, each = model.score_with_attribution(from_levels(x).unflatten(1, space.shape))
    assert sorted(places) == list(range(channels * 36))
    torch.testing.assert_close(each.flatten(1), costs, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(total, costs.sum(1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(5, SIDE, SIDE), (5, SIDE, SIDE, 1), (5, 1, SIDE, SIDE)])
def test_grey_arrays_come_back_as_they_were(grey: api.Trained, shape: tuple[int, ...]) -> None:
    x = levels(*shape, seed=1)
    back = grey.decompress(grey.compress(x))
    assert back.dtype == np.uint8
    assert np.array_equal(back, x)
    assert torch.equal(grey.decompress(grey.compress(torch.from_numpy(x))), torch.from_numpy(x))


@pytest.mark.parametrize("shape", [(5, SIDE, SIDE, 3), (5, 3, SIDE, SIDE)])
def test_colour_arrays_come_back_as_they_were(colour: api.Trained, shape: tuple[int, ...]) -> None:
    x = levels(*shape, seed=2)
    assert np.array_equal(colour.decompress(colour.compress(x)), x)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(arrays(np.uint8, st.tuples(st.integers(1, 4), st.just(SIDE), st.just(SIDE))))
def test_any_images_come_back(grey: api.Trained, x: np.ndarray) -> None:
    assert np.array_equal(grey.decompress(grey.compress(x)), x)


def test_images_in_python_come_back_as_images(grey: api.Trained) -> None:
    kinds = [
        Image.fromarray(levels(SIDE, SIDE)),
        Image.fromarray(levels(5, 9, 3)),
        Image.fromarray(levels(SIDE, SIDE)),
    ]
    back = grey.decompress(grey.compress(kinds))
    assert [(p.mode, p.size, p.tobytes()) for p in back] == [
        (p.mode, p.size, p.tobytes()) for p in kinds
    ]
    with pytest.raises(InputError, match="mode F"):
        grey.compress([*kinds, Image.fromarray(np.zeros((SIDE, SIDE), np.float32))])


def test_a_folder_comes_back_under_its_names(
    colour: api.Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "photos", tmp_path / "back"
    (source / "cat").mkdir(parents=True)
    fitting = {f"cat/{i}.png": Image.fromarray(levels(SIDE, SIDE, 3, seed=i)) for i in range(3)}
    fitting["dog.bmp"] = Image.fromarray(levels(SIDE, SIDE, 3, seed=9))
    odd = {
        "large.jpg": Image.fromarray(levels(20, 30, 3)),
        "clear.png": Image.fromarray(levels(SIDE, SIDE, 4)),
        "grey.png": Image.fromarray(levels(SIDE, SIDE)),
        "deep.png": Image.fromarray(levels(SIDE, SIDE).astype(np.uint16) * 257),
    }
    for name, image in {**fitting, **odd}.items():
        image.save(source / name)
    (source / "notes.txt").write_text("no image")
    file = tmp_path / "photos.ganvas"
    assert (
        cli.run(["compress", str(colour.run.path), str(source), "--out", str(file), "--json"]) == 0
    )
    assert json.loads(capsys.readouterr().out)["examples"] == len(fitting)
    assert cli.run(["decompress", str(colour.run.path), str(file), "--out", str(out)]) == 0
    there = {f.relative_to(out).as_posix() for f in out.rglob("*") if f.is_file()}
    assert there == {"cat/0.png", "cat/1.png", "cat/2.png", "dog.bmp.png", *odd}
    for name, image in fitting.items():
        with Image.open(out / (name if name.endswith(".png") else f"{name}.png")) as back:
            assert (back.mode, back.tobytes()) == ("RGB", image.tobytes())
    assert all((out / name).read_bytes() == (source / name).read_bytes() for name in odd)
    assert (
        cli.run(["decompress", str(colour.run.path), str(file), "--out", str(tmp_path / "one.png")])
        == 2
    )
    assert "name a folder" in capsys.readouterr().err


def test_an_array_of_a_file_goes_into_one_or_into_images(grey: api.Trained, tmp_path: Path) -> None:
    x, folder = levels(4, SIDE, SIDE, 1, seed=5), str(grey.run.path)
    np.save(tmp_path / "x.npy", x)
    packed, back, many = (str(tmp_path / name) for name in ("x.ganvas", "back.npy", "many"))
    assert cli.run(["compress", folder, str(tmp_path / "x.npy"), "--out", packed]) == 0
    assert cli.run(["decompress", folder, packed, "--out", back]) == 0
    assert np.array_equal(np.load(back), x)
    assert cli.run(["decompress", folder, packed, "--out", many]) == 0
    assert np.array_equal(
        np.stack([np.array(Image.open(f)) for f in sorted(Path(many).iterdir())]), x[..., 0]
    )


def test_what_would_lose_something_is_refused(grey: api.Trained, tmp_path: Path) -> None:
    Image.fromarray(levels(20, 20)).save(tmp_path / "large.png")
    (tmp_path / "torn").mkdir()
    whole = io.BytesIO()
    Image.fromarray(levels(SIDE, SIDE)).save(whole, "PNG")
    (tmp_path / "torn" / "a.png").write_bytes(whole.getvalue()[:60])
    wrong = [
        (np.random.default_rng(0).random((2, SIDE, SIDE)), "float64 of shape"),
        (levels(2, 9, 9), "8 × 8 pixels"),
        (levels(2, SIDE, SIDE, 3), "grey"),
        (tmp_path / "large.png", "no image of"),
        (tmp_path / "torn", "cannot be"),
    ]
    for source, words in wrong:
        with pytest.raises(InputError, match=words):
            grey.compress(source)


def test_names_stay_inside_and_apart(tmp_path: Path) -> None:
    names = image_names(["../a.png", "a.png", "/b/c.jpg", "c.jpg.png", "d.jpg"], {4: b""})
    assert files_inside(tmp_path, names)
    for evil in ("../x.png", "/etc/x.png", "a/../../x.png"):
        with pytest.raises(InputError, match="do not trust"):
            files_inside(tmp_path, [evil])
    album = Album("images", (), names, {1: b"\0\1", 3: b""})
    assert Album.unpack(album.pack()) == album


def test_bits_are_those_of_the_likelihood(
    tmp_path: Path, fashion: tuple[torch.Tensor, torch.Tensor]
) -> None:
    x = fashion[0][:300, ::3, ::3].numpy().copy()
    run = api.train(
        "pixelcnn", x, out=tmp_path / "run", steps=60, width=32, depth=1, batch=32, quiet=True
    )
    seen = x[:200]
    bits = 8 * len(run.do("compress", seen).packed)
    nats = run.model.score(run.run.modality.read(seen).gather().x).sum().item()
    assert bits == pytest.approx(nats / np.log(2), rel=0.02)
    assert bits < 6 * seen.size
    assert run.sample(n=4).shape == (4, 10, 10)


def test_other_models_say_what_they_cannot(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="learns images"):
        PixelCNN(Continuous((6,)))
    run = api.train(
        "ae",
        examples(Continuous((1, SIDE, SIDE))).clamp(-1, 1),
        out=tmp_path / "run",
        steps=1,
        quiet=True,
    )
    with pytest.raises(InputError, match="cannot compress"):
        run.compress(levels(2, SIDE, SIDE))
