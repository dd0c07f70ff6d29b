"""Texts: to symbols and back, pieces and ends, sources of every kind, and what a run does with
them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ganvas
from ganvas.apps.cli import run
from ganvas.core import Continuous, InputError
from ganvas.data._recognition import guess_modality
from ganvas.data.texts.modality import Texts
from ganvas.models.gan import GAN
from ganvas.tasks.sample.task import sample

LINES = [
    f"{who} {does} {what}."
    for who in ("the cat", "a dog", "my friend")
    for does in ("saw", "likes", "heard")
    for what in ("a bird", "the moon", "two apples", "nothing", "an old book")
]
WORDS, BYTES = (Texts.learn(LINES, tokenizer=kind, length=16) for kind in ("bpe", "bytes"))  # type: ignore[arg-type]
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(st.lists(ANY, min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_any_text_comes_back_from_its_symbols(texts: list[str]) -> None:
    for known in (WORDS, BYTES):
        codes = known.alphabet.encode(texts)
        assert [known.alphabet.decode(own).decode() for own in codes] == texts
        assert [sum(known.alphabet.widths[i] for i in own) for own in codes] == [
            len(text.encode()) for text in texts
        ]


def test_a_long_text_is_cut_into_pieces_that_join_again() -> None:
    text = "x" * 40
    data = BYTES.read([text, "", "y" * 16])
    assert [name.partition("(")[2] for name in data.names] == [
        "piece 1)",
        "piece 2)",
        "piece 3)",
        "",
        "",
    ]
    pieces = BYTES.to_python(data.gather().x)
    assert "".join(pieces[:3]) == text
    assert pieces[3:] == ["", "y" * 16]
    space = BYTES.space
    assert space.size_in_bytes(data.gather().x).tolist() == [
        16,
        16,
        9,
        1,
        16,
    ]  # an end counts for one


def test_whoever_reads_a_run_knows_its_alphabet() -> None:
    again = Texts(**json.loads(json.dumps({"length": 16, "learned": WORDS.learned})))
    assert torch.equal(again.read(LINES).gather().x, WORDS.read(LINES).gather().x)


def test_sources_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("\n".join(LINES) + "\n\n", "utf-8")
    (tmp_path / "folder").mkdir()
    for i, line in enumerate(LINES[:4]):
        (tmp_path / "folder" / f"{i}.txt").write_text(line, "utf-8")
    (tmp_path / "rows.jsonl").write_text(
        "".join(f"{json.dumps({'n': 1, 'body': line})}\n" for line in LINES), "utf-8"
    )
    assert (
        guess_modality(tmp_path / "lines.txt")
        == guess_modality(tmp_path / "folder")
        == guess_modality(LINES)
        == "texts"
    )
    assert len(BYTES.read(tmp_path / "folder").names) == 2 * 4
    column = Texts.learn(tmp_path / "rows.jsonl", column="body")
    assert column.to_python(column.read(tmp_path / "rows.jsonl").gather().x) == LINES
    whole = Texts.learn(tmp_path / "lines.txt", whole=True, tokenizer="bytes", length=64)
    assert (
        "".join(whole.to_python(whole.read(tmp_path / "lines.txt").gather().x))
        == "\n".join(LINES) + "\n\n"
    )


def test_a_table_in_a_text_file_stays_one(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("a\tb\n1\t2\n3\t4\n")
    (tmp_path / "numbers.txt").write_text("1\n2\n3\n")
    assert (
        guess_modality(tmp_path / "rows.txt")
        == guess_modality(tmp_path / "numbers.txt")
        == "tables"
    )


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (b"caf\xe9 au lait\n", {}, "is not UTF-8"),
        (b"\n \n", {}, "has no text"),
        (b"a text\n", {"length": 1}, "at least two symbols"),
        (b"a text\n", {"vocabulary": 10}, "256 bytes and an end"),
        (b"a text\n", {"vocabulary": 300, "tokenizer": "bytes"}, "vocabulary= is for"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, content: bytes, options: dict[str, object], words: str
) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError, match=words):
        Texts.learn(tmp_path / "a.txt", **options)  # type: ignore[arg-type]


def test_a_column_must_be_named_and_there(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("n,body\n1,some text\n2,more\n")
    with pytest.raises(InputError, match="column=: those of text are body"):
        Texts.learn(tmp_path / "rows.csv")
    with pytest.raises(InputError, match="no column of text called 'n'"):
        Texts.learn(tmp_path / "rows.csv", column="n")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a tiny transformer on lines."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "lines.txt").write_text("\n".join(LINES * 6) + "\n")
    options = {"width": 32, "depth": 1, "steps": 40, "batch": 32}
    ganvas.train("transformer", folder / "lines.txt", out=folder / "run", quiet=True, **options)
    return folder / "run"


def test_new_texts_are_lines_and_can_be_steered(trained: Path, tmp_path: Path) -> None:
    words = [
        "sample",
        str(trained),
        "--n",
        "5",
        "--temperature",
        "0.5",
        "--top-k",
        "20",
        "--top-p",
        "0.9",
    ]
    assert run([*words, "--out", str(tmp_path / "new.txt")]) == 0
    assert len((tmp_path / "new.txt").read_text().splitlines()) == 5
    assert run(["sample", str(trained), "--n", "3", "--out", str(tmp_path / "new")]) == 0
    assert {file.name for file in (tmp_path / "new").iterdir()} == {"texts.txt", "sheet.png"}


def test_a_beginning_is_gone_on_with(trained: Path) -> None:
    for text in ganvas.load(trained).complete(["the cat saw", "a dog"], seed=0):
        assert text.startswith(("the cat saw", "a dog"))


def test_anomalous_lines_are_found_and_marked(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "new.log").write_text("\n".join([*LINES[:20], "0x8F ERROR %%% segfault"]) + "\n")
    assert (
        run(
            [
                "detect",
                str(trained),
                str(tmp_path / "new.log"),
                "--alpha",
                "0.1",
                "--out",
                str(tmp_path / "d"),
            ]
        )
        == 0
    )
    page = re.sub("<[^>]+>", "", (tmp_path / "d" / "found" / "found.html").read_text("utf-8"))
    assert "0x8F ERROR %%% segfault" in page
    scores = ganvas.load(trained).detect(tmp_path / "new.log").sort_values("score")
    assert scores["name"].iloc[-1].startswith("line 21: 0x8F ERROR")
    assert scores["p"].iloc[-1] == scores["p"].min()


def test_lines_are_followed_as_they_are_added(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"one line\n\nanother\nnot whole")
    parts = list(BYTES.open(tmp_path / "a.log").follow(lambda _: True))
    assert [name for data, _ in parts for name in data.names] == [
        "line 1: one line",
        "line 3: another",
    ]
    with pytest.raises(InputError, match="cannot be followed"):
        next(BYTES.open(tmp_path / "a.csv").follow(lambda _: True))


def test_bits_per_byte_are_logged_and_judged(trained: Path) -> None:
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["network/bits_per_byte"] < lines[0]["network/bits_per_byte"]
    assert "held_out/network/bits_per_token" in lines[-1]
    evaluation = ganvas.load(trained).evaluate(size=50, quiet=True)
    assert 0 < evaluation["bits per byte"].value < 8
    assert (trained / "images" / "neighbours.png").exists()


def test_a_model_that_draws_no_symbols_cannot_be_steered() -> None:
    with pytest.raises(InputError, match="temperature=: for models that draw symbols"):
        sample(GAN(Continuous((3,))), n=2, temperature=0.5)
