"""End to end, as people do it: the command line, its files, its exit codes, its words."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.apps import cli
from ganvas.runtime import registry

SMALL = ["--steps", "8", "--batch", "16"]


@pytest.fixture(scope="module")
def runs(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("runs")
    options = {
        "dcgan": ["--latent", "8", "--channels", "8"],
        "vae": ["--latent", "4", "--width", "8"],
    }
    for model, own in options.items():
        assert cli.run(["train", model, str(images), "--out", str(out / model), *SMALL, *own]) == 0
    return {model: out / model for model in options}


def test_a_run_holds_what_it_should(runs: dict[str, Path]) -> None:
    run = runs["dcgan"]
    names = {file.name for file in run.iterdir()}
    assert names == {
        "run.json",
        "state.json",
        "log.jsonl",
        "report.html",
        "previews",
        "weights.safetensors",
        "ema.safetensors",
        "optimizer.safetensors",
        "recovery_points.safetensors",
    }
    assert (run / "previews" / "training.gif").exists()
    card = json.loads((run / "run.json").read_text())
    assert card["modality"]["state"]["classes"] == ["0", "1", "2"]
    assert card["options"] == {"latent": 8, "channels": 8}
    for line in (run / "log.jsonl").read_text().splitlines():
        assert {"step", "seconds", "discriminator/real", "generator/fool"} <= set(json.loads(line))


def test_sample(runs: dict[str, Path], tmp_path: Path) -> None:
    command = ["sample", str(runs["dcgan"]), "--n", "5", "--label", "2", "--seed", "1"]
    assert cli.run([*command, "--out", str(tmp_path / "a")]) == 0
    assert cli.run([*command, "--out", str(tmp_path / "b"), "--truncation", "0.5"]) == 0
    assert cli.run([*command, "--out", str(tmp_path / "c")]) == 0
    a, b, c = (sorted((tmp_path / name).glob("0*.png")) for name in "abc")
    assert len(a) == 5
    assert Image.open(a[0]).size == (16, 16)
    assert [f.read_bytes() for f in a] == [f.read_bytes() for f in c]
    assert [f.read_bytes() for f in a] != [f.read_bytes() for f in b]
    assert (tmp_path / "a" / "sheet.png").exists()


def test_reconstruct_and_interpolate(runs: dict[str, Path], images: Path, tmp_path: Path) -> None:
    run = str(runs["vae"])
    assert cli.run(["reconstruct", run, str(images), "--out", str(tmp_path / "r")]) == 0
    assert len(list((tmp_path / "r").glob("0*.png"))) == 200
    assert cli.run(["interpolate", run, str(images), "--out", str(tmp_path / "walk.gif")]) == 0
    assert (
        cli.run(["interpolate", run, "--n", "3", "--steps", "5", "--out", str(tmp_path / "i")]) == 0
    )
    assert {f.name for f in (tmp_path / "i").iterdir()} == {"strip.png", "walk.gif"}
    assert Image.open(tmp_path / "i" / "walk.gif").n_frames == 8


def test_answers_for_programs_are_all_there_is_on_standard_output(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        cli.run(["sample", str(runs["vae"]), "--n", "2", "--out", str(tmp_path / "s"), "--json"])
        == 0
    )
    assert len(json.loads(capsys.readouterr().out)["files"]) == 3
    for command in (["models"], ["tasks"], ["show", str(runs["vae"])]):
        assert cli.run([*command, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)
        assert cli.run(command) == 0
        assert capsys.readouterr().out.strip()


def test_evaluate(
    runs: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ganvas.evaluation.features.learned.STEPS", 20)
    random = np.random.default_rng(1)
    np.save(tmp_path / "unseen.npy", random.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8))
    report = tmp_path / "report.html"
    command = [
        "evaluate",
        str(runs["vae"]),
        str(tmp_path / "unseen.npy"),
        "--out",
        str(report),
        "--json",
    ]
    assert cli.run(command) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert {"Fréchet distance", "recall", "PSNR (dB)"} <= set(figures)
    assert "Fréchet distance" in report.read_text()


def test_tensorboard_gets_the_log(images: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = tmp_path / "run"
    assert (
        cli.run(
            [
                "train",
                "vae",
                str(images),
                "--out",
                str(out),
                *SMALL,
                "--width",
                "8",
                "--tensorboard",
            ]
        )
        == 0
    )
    events = EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    written = [(e.step, e.value) for e in events.Scalars("autoencoder/kl")]
    assert written == [(line["step"], pytest.approx(line["autoencoder/kl"])) for line in lines]
    assert events.Tags()["images"] == ["preview"]
    assert {"options/text_summary", "diagnosis/text_summary"} <= set(events.Tags()["tensors"])


WRONG = {
    "no such model": (["train", "stylegan9", "x"], "stylegan9"),
    "no such file": (["train", "dcgan", "nowhere/"], "nowhere/ does not exist"),
    "no such option": (["train", "dcgan", "DATA", "--colour", "3"], "--colour"),
    "not a number": (["train", "dcgan", "DATA", "--steps", "many"], "many"),
    "no such player": (
        ["train", "dcgan", "DATA", "--lr", "critic=1"],
        "no player is called 'critic'",
    ),
    "not a rate": (["train", "dcgan", "DATA", "--lr", "fast"], "PLAYER=NUMBER"),
    "not a run": (["sample", "DATA"], "is not a run"),
    "not able": (["reconstruct", "DCGAN", "DATA"], "dcgan cannot reconstruct; it can"),
    "no such label": (
        ["sample", "DCGAN", "--label", "hat"],
        "no label is called 'hat'; there are 0, 1, 2",
    ),
    "nothing": (["sample", "DCGAN", "--n", "0"], "--n is 0"),
    "no labels": (["sample", "VAE", "--label", "1"], "learned no labels"),
    "one end": (["interpolate", "VAE", "--steps", "1"], "--steps is 1"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_said_in_one_sentence(
    kind: str, runs: dict[str, Path], images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv, words = WRONG[kind]
    places = {"DATA": str(images), "DCGAN": str(runs["dcgan"]), "VAE": str(runs["vae"])}
    assert cli.run([places.get(word, word) for word in argv]) == 2
    said = capsys.readouterr()
    assert words in said.err.replace("\n", " ")
    assert "Traceback" not in said.err
    assert said.out == ""


FRONT = ("samples", "mcp", "export", "push", "pull", "studio", "serve")


def verbs() -> list[list[str]]:
    trains = [["train", model] for model in registry.names("models")]
    return [
        [],
        ["train"],
        *trains,
        *([t] for t in registry.names("tasks")),
        ["evaluate"],
        ["show"],
        ["selftest"],
        ["models"],
        ["tasks"],
        *([front] for front in FRONT),
    ]


@pytest.mark.parametrize("verb", verbs(), ids=" ".join)
def test_every_verb_explains_itself_with_an_example(
    verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*verb, "--help"]) == 0
    assert " ".join(["Example: ganvas", *verb]) in capsys.readouterr().out


@pytest.mark.parametrize(
    "verb", [verb for verb in verbs() if verb and verb != ["train"]], ids=" ".join
)
def test_every_example_is_a_command_that_there_is(
    verb: list[str],
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("photos", "horses", "sketches"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.load(images)["x"][0]).save(tmp_path / name / "a.png")
    (tmp_path / "lines.txt").write_text("one line\nanother\n")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").touch()
    for name in ("people", "payments"):
        (tmp_path / f"{name}.csv").write_text("age,city\n3,Ulm\n")
    monkeypatch.chdir(tmp_path)
    cli.run([*verb, "--help"])
    (line,) = re.findall(r"Example: ganvas (.+?)\n *\n", capsys.readouterr().out, re.DOTALL)
    argv = shlex.split(line)
    command, _, unused = cli._app(argv).parse_args(argv, exit_on_error=False, print_error=False)[:3]
    assert callable(command)
    assert not unused


@pytest.mark.parametrize("verb", [*FRONT, "evaluate", "show", "selftest"])
def test_help_says_of_every_option_what_it_is(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.run([verb, "--help"])
    options = [
        line
        for line in capsys.readouterr().out.splitlines()
        if "--" in line and line.startswith("│")
    ]
    assert options
    assert not [line for line in options if re.search(r"--[\w-]+( [A-Z]+)? +(│|\[)", line)]


def test_help_and_import_never_load_torch() -> None:
    code = (
        "import sys, ganvas; from ganvas.apps import cli; cli.run(['--help']); sys.exit('torch' in"
        " sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "interpolate" in done.stdout


def test_the_command_is_installed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ganvas", "sample", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "is not a run" in done.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["train", "nomodel", "a.csv"], "no model is called 'nomodel'"),
        (["tune", "nomodel", "a.csv"], "no model is called 'nomodel'"),
        (["samples", "--out", "{file}"], "is no folder"),
        (["studio", "{file}"], "is no folder"),
        (["studio", "{folder}", "--port", "99999"], "a number up to 65535"),
        (["serve", "{folder}", "--port", "99999"], "a number up to 65535"),
    ],
)
def test_what_no_door_opens_at_is_one_sentence(
    argv: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    said = [word.format(file=tmp_path / "file", folder=tmp_path) for word in argv]
    assert cli.run(said) == 2
    assert words in capsys.readouterr().err
