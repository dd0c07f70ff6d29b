"""Videos from every place people keep them, and one clear sentence where something is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas import api
from ganvas.apps import cli
from ganvas.core import InputError
from ganvas.data._recognition import guess_modality
from ganvas.data.images.modality import Images
from ganvas.data.samples.moving import moving_images
from ganvas.data.videos.encoding import save_film
from ganvas.data.videos.modality import Videos

av = pytest.importorskip("av")

SIDE = 32
KINDS = {
    "mp4": "libx264",
    "mov": "libx264",
    "mkv": "libx264",
    "webm": "libvpx-vp9",
    "avi": "mpeg4",
    "gif": "gif",
}


def film(seed: int = 0, frames: int = 12, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """A grey square that goes its way over a dark shade, uint8 (T, H, W, 3)."""
    x = np.zeros((frames, height, width, 3), np.uint8)
    x[:] = np.linspace(0, 60, width, dtype=np.uint8)[:, None]
    for t in range(frames):
        top, left = (seed + t) % (height - 8), (2 * t) % (width - 8)
        x[t, top : top + 8, left : left + 8] = 230
    return x


def encoded(
    file: Path,
    x: np.ndarray,
    rate: int = 10,
    stamps: list[int] | None = None,
    turned: int = 0,
    **options: str,
) -> Path:
    """A video file; stamps say in tenths of a second when each frame is shown."""
    file.parent.mkdir(parents=True, exist_ok=True)
    ending = file.suffix[1:]
    with av.open(str(file), "w") as container:
        stream = container.add_stream(KINDS[ending], rate=rate, options=options)
        stream.height, stream.width = x.shape[1:3]
        stream.pix_fmt = "rgb8" if ending == "gif" else "yuv420p"
        if turned:
            stream.set_display_rotation(turned)
        for i, one in enumerate(x):
            frame = av.VideoFrame.from_ndarray(one, "rgb24")
            if stamps:
                frame.pts, frame.time_base = stamps[i], Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file


def folder(at: Path, n: int = 4, classes: tuple[str, ...] = (), frames: int = 12) -> Path:
    for i in range(n):
        encoded(at / (classes[i % len(classes)] if classes else "") / f"{i}.mp4", film(i, frames))
    return at


def seen(source: Any, **options: Any) -> np.ndarray:
    """The clips of a source as levels, uint8 (N, T, H, W, 3)."""
    x = Videos.learn(source, **options).read(source).gather().x
    return x.add(1).mul(127.5).round().byte().permute(0, 2, 3, 4, 1).numpy()


@pytest.mark.parametrize("ending", KINDS)
def test_every_kind_of_file_gives_its_frames(ending: str, tmp_path: Path) -> None:
    file = encoded(tmp_path / f"a.{ending}", film())
    assert Videos.recognises(file)
    assert not Images.recognises(file)
    got = seen(file, frames=4, size=SIDE).reshape(-1, SIDE, SIDE, 3)
    assert got.shape == film().shape
    assert np.abs(got.astype(int) - film()).mean() < (20 if ending == "gif" else 4)  # few colours
    kept, streamed = (
        Videos.learn(file, frames=4, stride=3, size=16, resident=room).read(file)
        for room in (None, 0.0)
    )
    assert len(kept) == 3
    assert streamed.ahead > kept.ahead == 0
    batches = [data.batch(torch.tensor([2, 0])).x for data in (kept, streamed)]
    assert batches[0].shape == (2, 3, 4, 16, 16)
    assert torch.equal(*batches)


def test_frames_in_folders_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("walk/a", "walk/b", "run/c"):
        (tmp_path / "f" / name).mkdir(parents=True)
        for t, one in enumerate(film()):
            Image.fromarray(one).save(tmp_path / "f" / name / f"frame{t}.png")
    modality = Videos.learn(tmp_path / "f", frames=12)
    assert modality.classes == ("run", "walk")
    data = modality.read(tmp_path / "f")
    assert data.names == ["run/c from frame 0", "walk/a from frame 0", "walk/b from frame 0"]
    assert data.gather().y.flatten().tolist() == [0, 1, 1]
    assert (seen(tmp_path / "f", frames=12)[0] == film()).all()
    assert Images.recognises(tmp_path / "f")
    assert not Videos.recognises(tmp_path / "f")


@pytest.mark.parametrize(
    "shape", [(3, 5, 8, 8), (3, 5, 8, 8, 1), (3, 5, 8, 8, 3), (3, 3, 5, 8, 8), (3, 5, 3, 8, 8)]
)
def test_arrays_come_back_as_they_were(shape: tuple[int, ...], tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    modality = Videos.learn(x)
    assert (modality.frames, modality.size, modality.form) == (5, 8, "array")
    values = modality.read(x).gather().x
    assert values.shape == (3, 3 if 3 in shape[1:3] or shape[-1] == 3 else 1, 5, 8, 8)
    made = modality.to_python(values)
    assert (modality.read(made).gather().x == values).all()
    np.save(tmp_path / "x.npy", x)
    assert Videos.recognises(tmp_path / "x.npy") == (len(shape) == 5)
    assert torch.equal(modality.read(tmp_path / "x.npy").gather().x, values)
    tensor = Videos.learn(values)
    assert torch.equal(tensor.to_python(tensor.read(values).gather().x), values)
    assert torch.equal(modality.read(list(made)).gather().x, values)


def test_so_many_frames_a_second(tmp_path: Path) -> None:
    file = encoded(tmp_path / "a.mkv", film(), rate=10)
    every = seen(file, frames=6, fps=5, size=SIDE)[0]
    assert (every == seen(file, frames=12, size=SIDE)[0, ::2]).all()
    twice = seen(file, frames=20, fps=20, size=SIDE)[0]
    assert (twice[::2] == twice[1::2]).all()


def test_frames_that_last_differently_are_seen_as_long_as_they_last(tmp_path: Path) -> None:
    stamps = [0, 1, 2, 10, 11, 20]
    file = encoded(tmp_path / "a.mkv", film(frames=6), stamps=stamps)
    own = seen(file, frames=6, size=SIDE)[0]
    shown = seen(file, frames=21, fps=10, size=SIDE)[0]
    expected = [max(i for i, at in enumerate(stamps) if at <= t) for t in range(21)]
    assert (shown == own[expected]).all()


def test_a_turned_camera_is_turned_back(tmp_path: Path) -> None:
    upright = film(height=48)
    straight = encoded(tmp_path / "a.mp4", upright)
    lying = encoded(tmp_path / "b.mp4", np.rot90(upright, -1, (1, 2)).copy(), turned=90)
    assert Videos.learn(lying).size == Videos.learn(straight).size
    a, b = (seen(file, frames=12, size=SIDE).astype(int) for file in (straight, lying))
    assert np.abs(a - b).mean() < 4
    assert np.abs(a - np.rot90(b, 2, (2, 3))).mean() > 10


def test_the_middle_of_wide_frames_is_seen(tmp_path: Path) -> None:
    x = np.zeros((4, 32, 64, 3), np.uint8)
    x[:, :, 24:40] = 255
    got = seen(encoded(tmp_path / "a.mp4", x), frames=4, size=16)[0, 2, :, :, 0]
    assert got.shape == (16, 16)
    assert (got[:, 5:11] > 240).all()
    assert (got[:, [0, 1, 14, 15]] < 15).all()


def test_clips_of_a_video_are_held_out_together(tmp_path: Path) -> None:
    source = folder(tmp_path / "f", 12)
    data = Videos.learn(source, frames=4).read(source)
    learn, held = data.split(0.4)
    assert len(learn) + len(held) == 36
    own = [{name.split()[0] for name in part.names} for part in (learn, held)]
    assert not own[0] & own[1]
    assert own[0]
    assert own[1]
    assert data.parts


def test_a_single_video_is_held_out_in_stretches() -> None:
    x = [np.random.default_rng(0).integers(0, 256, (400, 4, 4), dtype=np.uint8)]
    learn, held = Videos.learn(x, frames=4, stride=1).read(x).split(0.3)
    a, b = (
        {int(name.split()[-1]) + t for name in part.names for t in range(4)}
        for part in (learn, held)
    )
    assert not a & b
    assert len(b) > 20


def test_what_is_a_image_stays_one(tmp_path: Path) -> None:
    Image.fromarray(film()[0]).save(tmp_path / "still.gif")
    encoded(tmp_path / "moving" / "a.gif", film())
    encoded(tmp_path / "mixed" / "a.gif", film())
    Image.fromarray(film()[0]).save(tmp_path / "mixed" / "b.png")
    wanted = {
        "still.gif": "images",
        "moving": "videos",
        "moving/a.gif": "videos",
        "mixed": "images",
    }
    assert {name: guess_modality(tmp_path / name) for name in wanted} == wanted
    assert guess_modality(np.zeros((3, 8, 8, 3), np.uint8)) == "images"
    assert guess_modality(np.zeros((3, 5, 8, 8, 3), np.uint8)) == "videos"
    for source in (encoded(tmp_path / "v" / "a.mp4", film()), tmp_path / "v"):
        assert guess_modality(source) == "videos"
        with pytest.raises(InputError, match=r"video.*as_='videos'"):
            Images.learn(source)


def cut(at: Path) -> Path:
    whole = encoded(at / "f" / "cut.webm", film(frames=60)).read_bytes()
    (at / "f" / "cut.webm").write_bytes(whole[: len(whole) // 2])
    return folder(at / "f", 2)


def headless(at: Path) -> Path:
    whole = encoded(at / "f" / "cut.mp4", film()).read_bytes()
    (at / "f" / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    return folder(at / "f", 2)


def sound(at: Path) -> Path:
    with av.open(str(folder(at / "f", 2) / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return at / "f"


def text(at: Path) -> Path:
    (folder(at / "f", 2) / "text.mp4").write_text("not a video")
    return at / "f"


def playlist(at: Path) -> Path:
    """It names a film that lies beside it, but is not among what was given."""
    encoded(at / "other.mp4", film())
    (folder(at / "f", 2) / "list.mp4").write_text("ffconcat version 1.0\nfile within/film.mp4\n")
    (at / "f" / "within").symlink_to(at)
    (at / "film.mp4").symlink_to(at / "other.mp4")
    return at / "f"


def bomb(at: Path) -> Path:
    head = b"GIF89a" + (60_000).to_bytes(2, "little") * 2 + b"\x80\0\0" + bytes(6)
    image = b"\x2c" + bytes(4) + (60_000).to_bytes(2, "little") * 2 + b"\0\x02\x02\x4c\x01\0"
    (folder(at / "f", 2) / "bomb.gif").write_bytes(head + image * 2 + b";")
    return at / "f"


def short(at: Path) -> Path:
    encoded(at / "f" / "short.mp4", film(frames=3))
    return folder(at / "f", 2)


BROKEN: dict[str, tuple[Callable[[Path], Path], str]] = {
    "cut webm": (cut, r"1 of 3 videos .*cut\.webm: it is cut short.*skip_unreadable="),
    "cut mp4": (headless, r"1 of 3 videos .*cut\.mp4: not a video that can be decoded"),
    "sound alone": (sound, r"1 of 3 videos .*sound\.mp4: it holds no video"),
    "text": (text, r"1 of 3 videos .*text\.mp4: not a video that can be decoded"),
    "playlist": (playlist, r"1 of 3 videos .*list\.mp4: not a video that can be decoded"),
    "bomb": (bomb, r"1 of 3 videos .*bomb\.gif: (decompression bomb|not a video)"),
    "too short": (
        short,
        r"1 of 3 videos .*short\.mp4: it has 3 frames, and a clip has 8; see frames=",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_named_in_one_sentence_or_left_out(kind: str, tmp_path: Path) -> None:
    make, words = BROKEN[kind]
    source = make(tmp_path)
    with pytest.raises(InputError, match=words) as caught:
        Videos.learn(source, frames=8).read(source)
    assert "\n" not in str(caught.value)
    for resident in (None, 0.0):
        data = Videos.learn(source, frames=8, skip_unreadable=True, resident=resident).read(source)
        assert data.names == ["0.mp4 from frame 0", "1.mp4 from frame 0"]
        assert len(data.gather().x) == 2


REFUSED: dict[str, tuple[Callable[[Path], Any], dict[str, Any], str]] = {
    "not there": (lambda at: at / "nowhere", {}, "does not exist"),
    "no videos": (lambda at: at, {}, "has no videos"),
    "an image file": (lambda at: Path(__file__), {}, "is no video"),
    "four axes wrong": (lambda at: np.zeros((3, 4)), {}, "has shape"),
    "wild values": (lambda at: np.full((2, 4, 8, 8), 7.5), {}, "scale them"),
    "a word": (lambda at: 3.5, {}, "holds no videos"),
    "no times": (
        lambda at: np.zeros((2, 20, 8, 8), np.uint8),
        {"fps": 5},
        "no times; leave out fps=",
    ),
    "no frames": (lambda at: np.zeros((2, 4, 8, 8), np.uint8), {"frames": 1}, "frames= is 1"),
    "no rate": (lambda at: np.zeros((2, 4, 8, 8), np.uint8), {"fps": 0}, "fps= is 0"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_bad_input_gets_one_sentence(kind: str, tmp_path: Path) -> None:
    make, options, words = REFUSED[kind]
    source = make(tmp_path)
    with pytest.raises(InputError, match=words) as caught:
        Videos.learn(source, **options).read(source)
    assert "\n" not in str(caught.value)


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    x = np.stack([film(i)[..., 0] for i in range(3)])
    modality = Videos.learn(x, frames=12)
    values = modality.read(x).gather().x
    files = modality.save(values, tmp_path / "out")
    assert [file.name for file in files] == ["0000.mp4", "0001.mp4", "0002.mp4"]
    assert np.abs(seen(tmp_path / "out", frames=12, grey=True)[..., 0].astype(int) - x).mean() < 3
    odd = Videos.learn(x[:, :, :9, :9]).save(
        values[..., :9, :9], tmp_path / "odd", ["a.webm", "b.gif", "c"]
    )
    assert [file.name for file in odd] == ["a.webm", "b.gif", "c.mp4"]
    assert all(Videos.recognises(file) for file in odd)
    with Image.open(modality.sheet(values, tmp_path / "sheet.png", 3)) as sheet:
        assert sheet.size == (12 * 66 + 2, 3 * 66 + 2)
    with Image.open(modality.animate([values[:2], values[1:]], tmp_path / "walk.gif")) as walk:
        assert walk.n_frames == 24
    assert Videos.recognises(modality.sheet(values, tmp_path / "all.mp4"))
    assert not list(tmp_path.rglob(".part*"))
    with pytest.raises(InputError, match="cannot be written"):
        save_film(np.zeros((1, 2, 20_000), np.uint8), tmp_path / "large.mp4", 10)
    assert not list(tmp_path.glob("*large*"))


def test_objects_move_on_and_are_thrown_back() -> None:
    thing = np.full((1, 7, 7), 200, np.uint8)
    one, same = (moving_images(thing, 20, frames=60, side=20, together=1, seed=3) for _ in range(2))
    assert (one == same).all()
    assert (one.sum((2, 3)) == 200 * 49).all()  # it is always whole
    corner = np.stack([one.max(3 - axis).argmax(-1) for axis in (0, 1)], -1)
    step = np.abs(np.diff(corner, axis=1))
    assert step.max() <= 2  # a tenth of the 13 pixels that it may go
    assert (corner.reshape(-1, 2).max(0) >= 12).all()
    assert (corner.reshape(-1, 2).min(0) == 0).all()
    two = moving_images(np.stack([thing[0], thing[0] // 2]), 5, together=2, side=20)
    assert set(np.unique(two)) <= {0, 100, 200}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty videos of a square, in two classes."""
    return folder(tmp_path_factory.mktemp("clips") / "f", 20, ("left", "right"), frames=8)


@pytest.fixture(scope="module")
def run(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "simvp"
    small = [
        "--channels",
        "4",
        "--translator",
        "8",
        "--depth",
        "1",
        "--steps",
        "6",
        "--batch",
        "4",
        "--size",
        "16",
    ]
    assert (
        cli.run(
            [
                "train",
                "simvp",
                str(clips),
                "--frames",
                "8",
                "--held-out",
                "0.5",
                "--out",
                str(out),
                *small,
            ]
        )
        == 0
    )
    return out


def test_a_run_goes_on_with_videos(
    run: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        cli.run(["complete", str(run), str(clips), "--given", "4", "--out", str(tmp_path / "next")])
        == 0
    )
    assert (
        len(list((tmp_path / "next").glob("*.mp4")))
        == len(list((tmp_path / "next" / "beside").glob("*.mp4")))
        == 20
    )
    trained = api.load(run)
    real = trained.run.modality.read(clips).gather().x
    made = trained.do("complete", clips).draws[0]
    assert torch.equal(torch.stack([*made])[:, :, :4], real[:, :, :4])
    long = encoded(tmp_path / "long.mp4", film(frames=25))
    assert cli.run(["complete", str(run), str(long), "--out", str(tmp_path / "three")]) == 0
    (beside, *others) = sorted((tmp_path / "three" / "beside").iterdir())
    assert len(others) == 2
    assert Videos.learn(beside).read(beside).gather().x.shape[2] == 8
    assert cli.run(["complete", str(run), str(clips), "--out", str(tmp_path / "all.gif")]) == 0
    with Image.open(tmp_path / "all.gif") as sheet:
        assert sheet.n_frames == 8
    capsys.readouterr()
    for given, words in (("3", "goes on from 4 frames"), ("8", "must be below 8")):
        assert (
            cli.run(
                ["complete", str(run), str(clips), "--given", given, "--out", str(tmp_path / "no")]
            )
            == 2
        )
        assert words in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "no").exists()


def test_a_video_that_ends_is_gone_on_with(run: Path, tmp_path: Path) -> None:
    file = encoded(tmp_path / "short.mp4", film(frames=5))
    (made,) = api.load(run).do("complete", file).draws[0]
    assert made.shape == (3, 8, 16, 16)
    known = api.load(run).do("complete", file).given.known[0]
    assert known[0, :, 0, 0].tolist() == [True] * 5 + [False] * 3
    assert not (made[:, 5:] == -1).all()


def test_a_run_is_judged_and_tells_what_is_anomalous(
    run: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (run / "previews" / "training.gif").exists()
    other = folder(tmp_path / "other", 12, frames=9)
    assert (
        cli.run(
            ["evaluate", str(run), str(other), "--out", str(tmp_path / "report.html"), "--json"]
        )
        == 0
    )
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert {"PSNR (dB), predicted", "SSIM, next frame", "mean squared error, last frame"} <= set(
        figures
    )
    assert {"last frame", "linear extrapolation"} == set(figures["SSIM, predicted"]["beside"])
    assert (run / "images" / "predictions.png").exists()
    assert cli.run(["detect", str(run), str(other), "--out", str(tmp_path / "found")]) == 0
    assert len((tmp_path / "found" / "scores.csv").read_text().splitlines()) == 13


def test_autoencoders_and_gans_learn_clips(clips: Path, tmp_path: Path) -> None:
    small = [
        "--frames",
        "4",
        "--size",
        "8",
        "--grey",
        "--steps",
        "4",
        "--batch",
        "8",
        "--width",
        "8",
        "--latent",
        "4",
    ]
    for model in ("vae", "gan"):
        assert cli.run(["train", model, str(clips), "--out", str(tmp_path / model), *small]) == 0
        assert (
            cli.run(
                [
                    "sample",
                    str(tmp_path / model),
                    "--n",
                    "3",
                    "--out",
                    str(tmp_path / "new" / model),
                ]
            )
            == 0
        )
        assert len(list((tmp_path / "new" / model).glob("0*.mp4"))) == 3
    assert (
        cli.run(["reconstruct", str(tmp_path / "vae"), str(clips), "--out", str(tmp_path / "back")])
        == 0
    )
    assert (
        cli.run(
            ["interpolate", str(tmp_path / "vae"), "--n", "2", "--out", str(tmp_path / "walk.gif")]
        )
        == 0
    )
    assert (
        cli.run(["embed", str(tmp_path / "vae"), str(clips), "--out", str(tmp_path / "map.png")])
        == 0
    )
