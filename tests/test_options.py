"""Options: who heeds them, how doors spell them, what an editor and mypy know of them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import ganvas
from ganvas import InputError, api
from ganvas.apps import cli
from ganvas.apps.spelling import spell_field, spell_flag, spell_label
from ganvas.core.options import parse_rates
from ganvas.runs.available import readable_modalities
from ganvas.runtime import registry
from ganvas.runtime.errors import flag
from ganvas.tasks import _signatures

SRC = Path(ganvas.__file__).parents[1]


@pytest.fixture(scope="module")
def run(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("options") / "vae"
    api.train("vae", images, out=out, steps=2, batch=16, latent=4, width=8, quiet=True)
    return out


def help_of(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What help says of options, below the example."""
    assert cli.run([*words, "--help"]) == 0
    return capsys.readouterr().out.partition("╭")[2]


def test_an_error_is_spelled_as_its_door_says_options() -> None:
    error = InputError(
        f"{flag('held_out')} is 2; say {flag('held_out', 0.2)}, {flag('recover', False)} or"
        f" {flag('as_', 'my tables')}"
    )
    assert error.options == ["held_out", "held_out", "recover", "as_"]
    assert str(error) == "held_out= is 2; say held_out=0.2, recover=False or as_='my tables'"
    assert error.spelled(spell_flag) == (
        "--held-out is 2; say --held-out 0.2, --no-recover or --as 'my tables'"
    )
    assert error.spelled(spell_field) == (
        '"held_out" is 2; say "held_out": 0.2, "recover": false or "as_": "my tables"'
    )
    assert error.spelled(spell_label).startswith("“held out” is 2; say “held out: 0.2”")
    assert str(InputError(f"file: {error.words}")) == f"file: {error}"


def test_no_message_of_an_error_spells_an_option_itself() -> None:
    """A message that says `--x` would say so in Python too."""
    for file in SRC.rglob("*.py"):
        for line in file.read_text("utf-8").splitlines():
            assert 'InputError(f"--' not in line, file
            assert 'InputError("--' not in line, file


def test_a_door_spells_what_it_refuses(
    run: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["train", "vae", str(images), "--held-out", "2", "--out", str(run / "x")]) == 2
    assert "--held-out is 2" in capsys.readouterr().err
    with pytest.raises(InputError, match="held_out= is 2"):
        api.train("vae", images, held_out=2, out=run / "x")


def test_models_know_what_they_can_read() -> None:
    assert readable_modalities(registry.load("models", "ctgan")) == ["tables"]
    assert readable_modalities(registry.load("models", "simvp")) == ["videos"]
    assert readable_modalities(registry.load("models", "dcgan")) == ["images"]
    assert readable_modalities(registry.load("models", "cyclegan")) == ["images"]
    assert {"images", "tables", "videos"} <= {*readable_modalities(registry.load("models", "vae"))}


def test_help_of_a_training_offers_what_the_model_can_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = help_of("train", "made", capsys=capsys)
    assert "--category" in table
    assert not {"--size", "--flip", "--crop", "--fps"} & {*table.split()}
    image = help_of("train", "dcgan", capsys=capsys)
    assert {"--size", "--flip", "--crop"} <= {*image.split()}
    assert "--category" not in image
    titles = [image.index(f"─ {title} ─") for title in ("Data", "Model", "Training", "Output")]
    assert titles == sorted(titles)


def test_help_of_a_run_offers_what_it_heeds(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    every = help_of("sample", capsys=capsys)
    assert {"--truncation", "--where", "--temperature", "--reject"} <= {*every.split()}
    assert "For rows of tables" in every
    own = help_of("sample", str(run), capsys=capsys)
    assert {"--n", "--truncation"} <= {*own.split()}
    others = {"--where", "--temperature", "--reject", "--best", "--prompt", "--label"}
    assert not others & {*own.split()}, "a vae takes no labels"


def test_what_a_run_does_not_heed_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["sample", str(run), "--temperature", "0.5"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "--temperature is for models that draw symbols" in said
    assert "this is a run of vae on images: leave it out" in said
    with pytest.raises(InputError, match="where= is for rows of tables, and these are images"):
        api.load(run).sample(where="age > 40")
    with pytest.raises(InputError, match="reject= is for GANs"):
        api.load(run).sample(reject=True)


def test_rates_are_said_by_player() -> None:
    assert parse_rates(["discriminator=1e-4"]) == parse_rates({"discriminator": 1e-4})
    assert parse_rates(None) == {}
    with pytest.raises(InputError, match="lr= takes PLAYER=NUMBER"):
        parse_rates(["discriminator"])


def test_methods_of_a_run_are_those_of_the_tasks(run: Path) -> None:
    """Written by `python -m ganvas.tasks._signatures`."""
    assert _signatures.FILE.read_text("utf-8") == _signatures.render()
    trained = api.load(run)
    assert {"sample", "reconstruct", "detect"} <= {*dir(trained)}
    assert not {"translate", "upscale"} & {*dir(trained)}
    assert len(trained.sample(3, seed=1)) == 3


SETTINGS = """
[mypy]
follow_imports = silent
ignore_missing_imports = True
[mypy-torch.*,numpy.*,pandas.*,PIL.*,pyarrow.*,rich.*,scipy.*,sklearn.*,matplotlib.*]
follow_imports = skip
"""

PROGRAM = """
import ganvas

run = ganvas.load("runs/mine")
reveal_type(run)
reveal_type(run.sample)
reveal_type(run.compress("people.csv"))
reveal_type(ganvas.Restores)
run.sample(3, seed=1, label="cat")
run.sample(3, sede=1)
run.complete("photos/", keep="middle")
"""


@pytest.mark.slow
def test_mypy_knows_what_a_run_can_be_asked(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    (tmp_path / "mypy.ini").write_text(SETTINGS)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=mypy.ini", "program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"MYPYPATH": str(SRC), "PATH": ""},
    )
    said = done.stdout
    assert "ganvas.tasks._trained.Trained" in said, said + done.stderr
    assert re.search(r"n: .*int =, label: .*str.* =, prompt: .*str", said), said
    assert re.search(r"Revealed type is .(builtins\.)?bytes", said)
    assert 'Unexpected keyword argument "sede"' in said
    assert "has incompatible type \"Literal['middle']\"" in said
    assert len([line for line in said.splitlines() if "error:" in line]) == 2


def test_what_a_person_needs_is_there_without_torch() -> None:
    code = "import sys, ganvas; print(*dir(ganvas)); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {"train", "resume", "load", "evaluate", "InputError"} <= {*done.stdout.split()}
    assert sorted(n for names in ganvas._HOMES.values() for n in names) == ganvas.__all__
    assert all(getattr(ganvas, name).__doc__ for name in ganvas.__all__)
