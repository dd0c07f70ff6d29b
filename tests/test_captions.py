"""Images that are asked for by words: captions as numbers, where they come from, and from a text
to images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import ganvas
from ganvas.apps import cli
from ganvas.core import Batch, InputError, Tokens
from ganvas.core.captions import caption_words, encode_caption, vocabulary
from ganvas.data.images.modality import Images
from ganvas.evaluation.figures import _asked as asked
from ganvas.models.transformer import Transformer

COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (40, 50, 210)}
SHADES = {"dark": 0.4, "light": 1.0}


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Squares of one colour each, named by what they show."""
    folder, random = tmp_path_factory.mktemp("named"), np.random.default_rng(0)
    for colour, levels in COLOURS.items():
        for shade, share in SHADES.items():
            for i in range(12):
                pixels = np.clip(
                    np.array(levels) * share + random.normal(0, 4, (16, 16, 3)), 0, 255
                ).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{shade}_{colour}-{i}.png")
    return folder


@given(st.lists(st.text(), max_size=8))
def test_what_is_kept_of_texts_is_their_words(texts: list[str]) -> None:
    words, longest = vocabulary(texts)
    numbers = encode_caption(texts, words, longest)
    said = [[words[n - 2] for n in row.tolist() if n >= 2] for row in numbers]
    assert said == [caption_words(text)[:longest] for text in texts]


def test_captions_come_from_names_from_files_beside_and_from_columns(
    named: Path, tmp_path: Path
) -> None:
    by_name = Images.learn(named, captions="names")
    assert set(by_name.words) == {*COLOURS, *SHADES}
    assert by_name.condition == Tokens(2, 7)
    for file in sorted(named.glob("*.png"))[:8]:
        (tmp_path / file.name).write_bytes(file.read_bytes())
        (tmp_path / file.name).with_suffix(".txt").write_text(
            file.stem.replace("_", " ").split("-")[0]
        )
    beside = Images.learn(tmp_path)
    assert set(beside.words) <= set(by_name.words)
    rows = [
        f"{file.name},a {file.stem.partition('_')[0]} one"
        for file in sorted(tmp_path.glob("*.png"))
    ]
    (tmp_path / "list.csv").write_text("\n".join(["path,caption", *rows]))
    column = Images.learn(tmp_path / "list.csv")
    assert {"a", "one"} < set(column.words)
    data = column.read(tmp_path / "list.csv")
    assert torch.equal(data.gather().y[0], column.prompt(rows[0].partition(",")[2]))


def test_a_image_without_a_caption_and_an_unknown_word_are_named(
    named: Path, tmp_path: Path
) -> None:
    for file in sorted(named.glob("*.png"))[:3]:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "dark_blue-0.txt").write_text("dark blue")
    with pytest.raises(
        InputError, match=r"2 of 3 images have a caption without a word.*dark_blue-1"
    ):
        Images.learn(tmp_path)
    assert not Images.learn(tmp_path, captions="none").words
    learned = Images.learn(named, captions="names")
    with pytest.raises(InputError, match=r"no caption had the word 'gren'.*green"):
        learned.prompt("dark gren")
    with pytest.raises(InputError, match="no words"):
        learned.prompt("!")
    with pytest.raises(InputError, match="the longest caption had 2"):
        learned.prompt("dark dark green")
    with pytest.raises(InputError, match=r"labels alone.*captions='none'"):
        ganvas.train("dcgan", named, captions="names", out=tmp_path / "run")


def test_images_without_captions_are_read_by_a_run_that_learned_some(
    named: Path, tmp_path: Path
) -> None:
    learned, some = Images.learn(named, captions="names"), sorted(named.glob("*.png"))[:2]
    for i, file in enumerate(some):
        (tmp_path / f"{i}.png").write_bytes(file.read_bytes())
    assert learned.read(tmp_path).gather().y is None
    assert learned.read(np.zeros((3, 16, 16, 3), np.uint8)).gather().y is None
    model = Transformer(Tokens(4, 8), learned.condition, width=16, depth=1)
    assert asked(model, Batch(torch.zeros(3, 4, dtype=torch.int64))) is None, (
        "of these no label in turn is asked for"
    )
    (tmp_path / "red.png").write_bytes(some[0].read_bytes())
    assert learned.read(tmp_path).gather().y.count_nonzero(1).tolist() == [0, 0, 1]
    (tmp_path / "red.png").unlink()
    with pytest.raises(InputError, match="has a name with a word"):
        Images.learn(tmp_path, captions="names")


def test_a_prompt_becomes_images_of_what_it_says(
    named: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through the real commands: a tokenizer, a transformer through it, and a prompt; "light green"
    looks so."""
    codes, run = tmp_path / "codes", tmp_path / "run"
    small = [
        "--channels",
        "16",
        "--quantizer",
        "finite",
        "--held-out",
        "0",
        "--ema",
        "0.9",
        "--lr",
        "autoencoder=3e-3",
    ]
    said = ["--captions", "names", "--quiet"]
    assert (
        cli.run(
            ["train", "vqvae", str(named), "--steps", "250", "--out", str(codes), *small, *said]
        )
        == 0
    )
    shape = [
        "--width",
        "32",
        "--depth",
        "2",
        "--batch",
        "32",
        "--lr",
        "network=4e-3",
        "--ema",
        "0.9",
    ]
    through = [
        "--through",
        str(codes),
        "--steps",
        "250",
        "--held-out",
        "0",
        "--quiet",
        "--out",
        str(run),
    ]
    assert cli.run(["train", "transformer", str(named), *shape, *through]) == 0
    assert "Columns: ." not in (run / "report.html").read_text("utf-8")
    ask = ["sample", str(run), "--n", "8", "--seed", "0"]
    for words in ("light green", "dark red"):
        assert (
            cli.run([*ask, "--prompt", words, "--best", "2", "--out", str(tmp_path / words)]) == 0
        )
    green, red = (
        np.mean([np.asarray(Image.open(f)) for f in (tmp_path / w).glob("0*.png")], (0, 1, 2))
        for w in ("light green", "dark red")
    )
    assert green[1] > 1.5 * max(green[0], green[2])
    assert red[0] > 1.5 * max(red[1], red[2])
    assert green[1] > red[0]
    assert cli.run([*ask, "--prompt", "light grin"]) == 2
    assert "no caption had the word 'grin'" in capsys.readouterr().err
    assert cli.run([*ask, "--best", "3"]) == 2
    assert cli.run(["sample", str(codes), "--prompt", "light green"]) == 2
