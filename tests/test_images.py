"""Images from every place people keep them, and one clear sentence where something is wrong."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from ganvas.core import InputError
from ganvas.data.images.modality import Images

SIDE = 16


def pixels(n: int = 12, channels: int = 3, seed: int = 0) -> np.ndarray:
    shape = (n, SIDE, SIDE, channels) if channels == 3 else (n, SIDE, SIDE)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(image: np.ndarray, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, form)
    return stream.getvalue()


def folder(at: Path, x: np.ndarray, ending: str = "png", classes: tuple[str, ...] = ()) -> Path:
    for i, one in enumerate(x):
        file = at / (classes[i % len(classes)] if classes else "") / f"{i:03}.{ending}"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(one).save(file)
    return at


def zipped(at: Path, x: np.ndarray) -> Path:
    with zipfile.ZipFile(at / "x.zip", "w") as archive:
        for i, one in enumerate(x):
            archive.writestr(f"{'ab'[i % 2]}/{i:03}.png", encoded(one))
    return at / "x.zip"


def npz(at: Path, x: np.ndarray) -> Path:
    np.savez(at / "x.npz", x=x, y=np.arange(len(x)) % 2)
    return at / "x.npz"


def parquet(at: Path, x: np.ndarray) -> Path:
    rows = [
        {"image": {"bytes": encoded(one), "path": None}, "label": i % 2} for i, one in enumerate(x)
    ]
    pd.DataFrame(rows).to_parquet(at / "x.parquet")
    return at / "x.parquet"


def hugging_face(at: Path, x: np.ndarray) -> Path:
    """As `datasets` saves to disk: an Arrow stream whose schema names the classes."""
    features = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    images = pa.array([{"bytes": encoded(one), "path": None} for one in x])
    table = pa.table({"image": images, "label": [i % 2 for i in range(len(x))]})
    table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    (at / "hf").mkdir()
    with pa.ipc.new_stream(at / "hf" / "data-00000-of-00001.arrow", table.schema) as stream:
        stream.write_table(table)
    return at / "hf"


def listed(at: Path, x: np.ndarray) -> Path:
    folder(at / "images", x)
    lines = "".join(f"images/{i:03}.png,{'ab'[i % 2]}\n" for i in range(len(x)))
    (at / "x.csv").write_text("path,label\n" + lines)
    return at / "x.csv"


def idx(at: Path, x: np.ndarray, zip: bool = True) -> Path:
    pack: Callable[[bytes], bytes] = gzip.compress if zip else bytes
    ending = ".gz" if zip else ""
    images = b"\0\0\x08\x03" + struct.pack(">3I", *x.shape) + x.tobytes()
    labels = b"\0\0\x08\x01" + struct.pack(">I", len(x)) + bytes(i % 2 for i in range(len(x)))
    (at / f"train-labels-idx1-ubyte{ending}").write_bytes(pack(labels))
    (at / f"train-images-idx3-ubyte{ending}").write_bytes(pack(images))
    return at


SOURCES: dict[str, tuple[Callable[[Path, np.ndarray], Any], int, tuple[str, ...]]] = {
    "folder": (lambda at, x: folder(at / "f", x, classes=("a", "b")), 3, ("a", "b")),
    "folder without classes": (lambda at, x: folder(at / "f", x), 3, ()),
    "bmp": (lambda at, x: folder(at / "f", x, "bmp"), 3, ()),
    "tiff": (lambda at, x: folder(at / "f", x, "tiff"), 3, ()),
    "grey folder": (lambda at, x: folder(at / "f", x), 1, ()),
    "zip": (zipped, 3, ("a", "b")),
    "npz": (npz, 3, ("0", "1")),
    "parquet": (parquet, 3, ("0", "1")),
    "hugging face": (hugging_face, 3, ("cat", "dog")),
    "csv": (listed, 3, ("a", "b")),
    "idx": (idx, 1, ("0", "1")),
    "plain idx": (lambda at, x: idx(at, x, zip=False), 1, ("0", "1")),
    "array": (lambda at, x: x, 3, ()),
    "array, channels first": (lambda at, x: x.transpose(0, 3, 1, 2), 3, ()),
    "floats": (lambda at, x: x / 255, 3, ()),
    "tensor in [-1, 1]": (lambda at, x: torch.from_numpy(x / 127.5 - 1).float(), 3, ()),
    "sixteen bits": (lambda at, x: x.astype(np.uint16) * 257, 3, ()),
    "labelled array": (lambda at, x: (x, np.arange(len(x)) % 2), 3, ("0", "1")),
    "images": (lambda at, x: [Image.fromarray(one) for one in x], 3, ()),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_gives_the_same_images(kind: str, tmp_path: Path) -> None:
    make, channels, classes = SOURCES[kind]
    x = pixels(channels=channels)
    source = make(tmp_path, x)
    modality = Images.learn(source)
    data = modality.read(source)
    assert (modality.size, modality.channels, modality.classes) == (SIDE, channels, classes)
    expected = torch.from_numpy(x).float().div(127.5).sub(1)
    expected = expected.unsqueeze(1) if channels == 1 else expected.permute(0, 3, 1, 2)
    order = (
        np.argsort(np.arange(len(x)) % 2, kind="stable")
        if classes and kind in ("folder", "zip")
        else slice(None)
    )
    assert torch.equal(data.gather().x, expected[order])
    if classes:
        assert data.gather().y.flatten().tolist() == (np.arange(len(x)) % 2)[order].tolist()


@pytest.mark.parametrize("ending", ["jpg", "webp", "gif"])
def test_lossy_files_are_read_nearly_as_they_were(ending: str, tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, SIDE).astype(np.uint8)[:, None, None], (4, 1, SIDE, 3))
    source = folder(tmp_path / "f", ramp, ending)
    got = Images.learn(source).read(source).gather().x
    assert (
        got.mean(1) - torch.from_numpy(ramp[..., 0]).float().div(127.5).sub(1)
    ).abs().max() < 0.1


def one(image: Image.Image, tmp_path: Path, **save: Any) -> np.ndarray:
    """The image after a PNG and the modality, (H, W[, C]) in 0 to 255."""
    (tmp_path / "f").mkdir(exist_ok=True)
    for name in ("a.png", "b.png"):
        image.save(tmp_path / "f" / name, **save)
    modality = Images.learn(tmp_path / "f", size=SIDE)
    return (
        modality.read(tmp_path / "f")
        .gather()
        .x[0]
        .add(1)
        .mul(127.5)
        .round()
        .permute(1, 2, 0)
        .numpy()
        .squeeze()
    )


def test_a_turned_camera_is_turned_back(tmp_path: Path) -> None:
    x = pixels(1)[0]
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to look at it
    assert (one(Image.fromarray(x), tmp_path, exif=exif) == np.rot90(x, -1)).all()


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    x = np.dstack([pixels(1)[0], np.zeros((SIDE, SIDE), np.uint8)])
    x[:8, :, 3] = 255
    got = one(Image.fromarray(x), tmp_path)
    assert (got[8:] == 255).all()
    assert (got[:8] == x[:8, :, :3]).all()


def test_palettes_and_sixteen_bits(tmp_path: Path) -> None:
    x = pixels(1, 1)[0]
    palette = Image.fromarray(x).quantize(256)
    assert (one(palette, tmp_path) == np.asarray(palette.convert("RGB"))).all()
    deep = Image.fromarray(x.astype(np.uint16) * 257)
    assert (one(deep, tmp_path) == x).all()


@pytest.mark.parametrize("crop", ["centre", "stretch", "pad"])
def test_images_become_squares(crop: Any, tmp_path: Path) -> None:
    x = np.zeros((3, 20, 40, 3), np.uint8)
    x[:, :, 15:25] = 200
    for source in (folder(tmp_path / "f", x), x):
        modality = Images.learn(source, size=20, crop=crop)
        got = modality.read(source).gather().x[0, 0].add(1).mul(127.5).round()
        assert got.shape == (20, 20)
        assert abs(got[10, 10] - 200) < 10  # resampling rings a little
        assert abs(got[0, 10] - (255 if crop == "pad" else 200)) < 10
        assert (got[10] > 99).sum() == {"centre": 10, "stretch": 6, "pad": 6}[crop]


def test_what_does_not_fit_is_streamed_and_is_the_same(tmp_path: Path) -> None:
    source = folder(tmp_path / "f", pixels(), classes=("a", "b"))
    resident = Images.learn(source, flip=True).read(source)
    streamed = Images.learn(source, flip=True, resident=0.0).read(source)
    assert type(resident) is not type(streamed)
    assert torch.equal(resident.keys(), streamed.keys())
    assert resident.names == streamed.names
    rows = torch.tensor([5, 0, 7])
    for step in (None, 1, 2):
        a, b = resident.batch(rows, step), streamed.batch(rows, step)
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.y, b.y)
    assert streamed.ahead > 0


def test_flips_are_decided_by_the_round_alone() -> None:
    data = Images.learn(pixels(64), flip=True).read(pixels(64))
    rows = torch.arange(64)
    plain, first, again, other = (data.batch(rows, step).x for step in (None, 1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    mirrored = (first == plain.flip(3)).flatten(1).all(1)
    assert ((first == plain).flatten(1).all(1) | mirrored).all()
    assert 10 < mirrored.sum() < 54


def test_what_is_held_out_stays_held_out(tmp_path: Path) -> None:
    source = folder(tmp_path / "f", pixels(60))
    modality = Images.learn(source)
    before = set(modality.read(source).split(0.3)[1].keys().tolist())
    folder(tmp_path / "f" / "more", pixels(40, seed=1))
    learn, held = modality.read(source).split(0.3)
    assert before <= set(held.keys().tolist())
    assert not set(learn.keys().tolist()) & set(held.keys().tolist())
    assert 5 < len(before) < 32


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        [np.uint8, np.uint16, np.float32, np.float64, np.bool_, np.int64, np.complex64]
    ).flatmap(
        lambda kind: arrays(kind, array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=9))
    )
)
def test_any_array_is_read_or_refused_in_one_sentence(x: np.ndarray) -> None:
    words = ""
    try:
        got = Images.learn(x).read(x).gather().x
    except InputError as error:
        got, words = torch.zeros(max(len(x), 1)), str(error)
    assert "\n" not in words
    assert len(got) == max(len(x), 1)
    assert got.min() >= -1
    assert got.max() <= 1


@settings(max_examples=25, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(2, 4), st.just(8), st.just(8), st.just(3))))
def test_writing_and_reading_gives_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, x: np.ndarray
) -> None:
    out = tmp_path_factory.mktemp("written")
    modality = Images.learn(x)
    values = modality.read(x).gather().x
    modality.save(values, out)
    assert torch.equal(modality.read(out).gather().x, values)


def broken(at: Path) -> Path:
    source = folder(at / "f", pixels(5))
    whole = (source / "000.png").read_bytes()
    (source / "bad.png").write_bytes(b"not an image")
    (source / "cut.png").write_bytes(whole[: len(whole) // 2])
    return source


def text(at: Path, name: str, content: str | bytes) -> Path:
    file = at / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def bomb(at: Path) -> Path:
    source = folder(at / "f", pixels(3))
    header = struct.pack(">2I5B", 60_000, 60_000, 8, 2, 0, 0, 0)
    import zlib

    chunk = b"IHDR" + header
    start = (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    )
    (source / "bomb.png").write_bytes(
        start + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    )
    return source


def objects(at: Path) -> Path:
    np.save(at / "x.npy", np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    return at / "x.npy"


def empty(at: Path) -> Path:
    (at / "f").mkdir()
    return at / "f"


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "broken files, all named": (broken, r"2 of 7 .*bad\.png.*cut\.png.*skip_unreadable="),
    "decompression bomb": (bomb, r"1 of 4 .*bomb\.png.*"),
    "empty folder": (empty, "no files at all"),
    "folder of text": (
        lambda at: text(at, "f/a.txt", "x").parent,
        r"no images, only 1 other files \(a\.txt",
    ),
    "one image": (lambda at: folder(at / "f", pixels(1)), "only one image"),
    "not there": (lambda at: at / "nowhere", "does not exist"),
    "not a zip": (lambda at: text(at, "x.zip", "PK"), "not a whole zip"),
    "objects": (objects, "cannot be read as plain numbers"),
    "csv without paths": (lambda at: text(at, "x.csv", "a,b\n1,2\n"), "needs a column called path"),
    "csv of missing files": (
        lambda at: text(at, "x.csv", "path\nno.png\n"),
        r"x\.csv row 2: .*no\.png does not exist",
    ),
    "cut idx": (
        lambda at: text(at, "train-images-idx3-ubyte", b"\0\0\x08\x03" + bytes(20)),
        "is no IDX|cut short",
    ),
    "not idx": (
        lambda at: text(at, "train-images-idx3-ubyte", b"PK\x03\x04" + bytes(20)),
        "no IDX file",
    ),
    "idx that is no gzip": (
        lambda at: text(at, "train-images-idx3-ubyte.gz", b"no"),
        "cannot be unpacked",
    ),
    "not parquet": (lambda at: text(at, "x.parquet", "PAR"), "cannot be read as Parquet"),
    "not a number": (lambda at: np.full((3, 8, 8), np.nan), "no number in image 0"),
    "wild values": (lambda at: np.full((3, 8, 8), 7.5), "scale them"),
    "a row of numbers": (lambda at: np.zeros(5), "has shape"),
    "labels that do not match": (lambda at: (pixels(4), [1, 2]), "4 images and 2 labels"),
    "a word": (lambda at: 3.5, "holds no images"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_bad_input_gets_one_sentence(kind: str, tmp_path: Path) -> None:
    make, words = REFUSED[kind]
    source = make(tmp_path)
    with pytest.raises(InputError, match=words) as caught:
        Images.learn(source).read(source)
    assert "\n" not in str(caught.value)


def test_unreadable_files_can_be_left_out(tmp_path: Path) -> None:
    source = broken(tmp_path)
    for resident in (None, 0.0):
        data = Images.learn(source, skip_unreadable=True, resident=resident).read(source)
        assert len(data) == 5
        assert data.names == [f"{i:03}.png" for i in range(5)]
        assert len(data.gather().x) == 5


def test_grey_and_colour_together_become_colour(tmp_path: Path) -> None:
    source = folder(tmp_path / "f", pixels(3))
    Image.fromarray(pixels(1, 1)[0]).save(source / "grey.png")
    assert Images.learn(source).channels == 3
    assert Images.learn(source, grey=True).channels == 1
    assert Images.learn(source, grey=True).read(source).gather().x.shape == (4, 1, SIDE, SIDE)


def test_a_label_never_seen_is_named(tmp_path: Path) -> None:
    modality = Images.learn(folder(tmp_path / "a", pixels(), classes=("cat", "dog")))
    other = folder(tmp_path / "b", pixels(), classes=("cat", "horse"))
    with pytest.raises(
        InputError, match=r"labelled 'horse', which the model never saw; it knows cat, dog"
    ):
        modality.read(other)
    with pytest.raises(InputError, match="no label is called 'bird'; there are cat, dog"):
        modality.label("bird")
    assert modality.label("dog") == modality.label(1) == 1
