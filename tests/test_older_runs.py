"""Runs of before there was a file, a part of a model, or a thing to know of data: mended where it
can be, or named."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file, save_file

from ganvas import InputError, api
from ganvas.apps import cli
from ganvas.runs.run import SCHEMA


def people(n: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    age = random.integers(20, 70, n)
    return pd.DataFrame(
        {
            "age": age,
            "pay": age * 100 + random.integers(0, 300, n),
            "city": random.choice([*"abc"], n),
        }
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("older")
    people(400).to_csv(folder / "people.csv", index=False)
    small: dict[str, Any] = {"steps": 20, "width": 16, "quiet": True}
    api.train("vae", folder / "people.csv", out=folder / "vae", latent=3, held_out=0.3, **small)
    api.train("vae", people(400), out=folder / "memory", latent=3, held_out=0.3, **small)
    api.train("vae", folder / "people.csv", out=folder / "all", latent=3, held_out=0.0, **small)
    api.train("made", folder / "people.csv", out=folder / "made", **small)
    return folder


@pytest.fixture
def older(trained: Path, tmp_path: Path) -> Path:
    """The same runs, without what is learned of held-out examples, and their data where it was."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    for run in ("vae", "memory", "all", "made"):
        for name in ("calibration", "reference_scores"):
            (tmp_path / run / f"{name}.safetensors").unlink(missing_ok=True)
        change(
            tmp_path / run / "run.json",
            lambda card: card | {"source": card["source"] and str(tmp_path / CSV)},
        )
    return tmp_path


CSV = "people.csv"


def change(file: Path, how: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    file.write_text(json.dumps(how(json.loads(file.read_text()))))


@pytest.mark.parametrize("name", ["calibration", "reference_scores"])
def test_what_a_run_lacks_is_learned_of_its_data_and_kept(
    name: str, trained: Path, older: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use = {
        "calibration": lambda run: run.reconstruct(people(30, 1), interval=0.8),
        "reference_scores": lambda run: run.detect(people(30, 1)),
    }[name]
    pd.testing.assert_frame_equal(use(api.load(older / "vae")), use(api.load(trained / "vae")))
    assert f"has no {name}.safetensors" in capsys.readouterr().err
    ours, theirs = (
        load_file(folder / "vae" / f"{name}.safetensors") for folder in (older, trained)
    )
    assert ours.keys() == theirs.keys()
    assert all(ours[k].equal(theirs[k]) for k in ours)
    use(api.load(older / "vae"))
    assert "has no" not in capsys.readouterr().err


def test_what_is_not_asked_for_is_not_missed(older: Path) -> None:
    (older / CSV).unlink()
    api.load(older / "vae").reconstruct(people(5))
    assert not (older / "vae" / "calibration.safetensors").exists()


def test_filling_with_intervals_asks_nothing_of_a_run(older: Path) -> None:
    (older / CSV).unlink()
    filled = api.load(older / "made").complete(people(5).assign(city=None), interval=0.5)
    assert "city probability" in filled


def test_data_in_memory_is_asked_for_once(older: Path) -> None:
    with pytest.raises(InputError, match=r"api\.resume\(.*memory.*, source=\.\.\.\)"):
        api.load(older / "memory").detect(people(5))
    api.resume(older / "memory", source=people(400), quiet=True)
    assert len(api.load(older / "memory").detect(people(5))) == 5


def moved(older: Path) -> None:
    (older / CSV).unlink()


def changed(older: Path) -> None:
    people(400, seed=5).to_csv(older / CSV, index=False)


def stopped(older: Path) -> None:
    change(older / "vae" / "state.json", lambda state: state | {"finished": False})


@pytest.mark.parametrize(
    ("run", "meanwhile", "words"),
    [
        ("vae", moved, "cannot be read to make it: {csv} does not exist; check the path"),
        ("vae", changed, "has changed since the training; put it back, or train again"),
        ("vae", stopped, "its training has not ended; go on with: ganvas train --resume {run}"),
        ("all", lambda older: None, "its training held nothing out; train with --held-out 0.1"),
    ],
)
@pytest.mark.parametrize("asked", [["reconstruct", "--interval", "0.8"], ["detect"]])
def test_what_cannot_be_learned_any_more_is_said_with_what_to_do(
    run: str,
    meanwhile: Callable[[Path], None],
    words: str,
    asked: list[str],
    older: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    meanwhile(older)
    people(5).to_csv(older / "new.csv", index=False)
    verb, *options = asked
    assert (
        cli.run(
            [
                verb,
                str(older / run),
                str(older / "new.csv"),
                *options,
                "--out",
                str(older / "x.csv"),
            ]
        )
        == 2
    )
    said = capsys.readouterr().err
    assert words.format(csv=older / CSV, run=older / run) in said
    assert ("calibration.safetensors" if options else "reference_scores.safetensors") in said


def test_what_older_runs_know_of_data_may_be_less(older: Path) -> None:
    def fewer(card: dict[str, Any]) -> dict[str, Any]:
        card["modality"]["state"] = {k: card["modality"]["state"][k] for k in ("columns", "schema")}
        return card

    before = api.load(older / "vae").reconstruct(people(20), interval=0.5)
    change(older / "vae" / "run.json", fewer)
    pd.testing.assert_frame_equal(
        api.load(older / "vae").reconstruct(people(20), interval=0.5), before
    )


@pytest.mark.parametrize("drop", [True, False])
def test_a_run_that_knows_other_things_of_its_data_names_them(drop: bool, older: Path) -> None:
    def other(card: dict[str, Any]) -> dict[str, Any]:
        card["modality"]["state"].pop("schema") if drop else card["modality"]["state"].update(
            smell=1
        )
        return card

    change(older / "vae" / "run.json", other)
    with pytest.raises(
        InputError, match=f"Ganvas .*'{'schema' if drop else 'smell'}'.*or train again"
    ):
        api.load(older / "vae").sample(2)


def test_weights_of_other_parts_are_named(older: Path) -> None:
    (older / "vae" / "best.safetensors").unlink(missing_ok=True)
    (older / "vae" / "ema.safetensors").unlink(missing_ok=True)
    file = older / "vae" / "weights.safetensors"
    weights = load_file(file)
    name = min(weights)
    weights["old part"] = weights.pop(name)
    save_file(weights, file, metadata={"step": "20"})
    with pytest.raises(
        InputError,
        match=r"has a vae of other parts .old part is of shape .* there and missing here",
    ):
        api.load(older / "vae").sample(2)


def test_a_run_without_weights_says_how_to_get_them(older: Path) -> None:
    for file in (older / "vae").glob("*.safetensors"):
        file.unlink()
    with pytest.raises(InputError, match="has no weights yet"):
        api.load(older / "vae").sample(2)


@pytest.mark.parametrize("schema", [None, 1, 3])
def test_a_run_of_another_layout_is_refused_in_a_sentence(schema: int | None, older: Path) -> None:
    def other(config: dict[str, Any]) -> dict[str, Any]:
        assert config.pop("schema") == SCHEMA
        return config if schema is None else config | {"schema": schema}

    change(older / "vae" / "run.json", other)
    run = re.escape(str(older / "vae"))
    words = f"^{run} was trained by another version of Ganvas.*does not read; train again$"
    with pytest.raises(InputError, match=words):
        api.load(older / "vae").sample(2)
    with pytest.raises(InputError, match=words):
        api.resume(older / "vae")


def test_a_run_of_before_a_setting_goes_on_by_the_same_command(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    frame = pd.DataFrame(x, columns=list("abc"))
    api.train("ae", frame, out=tmp_path / "run", steps=3, quiet=True)
    file = tmp_path / "run" / "run.json"
    card = json.loads(file.read_text())
    del card["training"]["recover"]
    file.write_text(json.dumps(card))
    assert api.train("ae", frame, out=tmp_path / "run", steps=3, quiet=True).run.state["step"] == 3
    with pytest.raises(InputError, match="steps is 3, not 4"):
        api.train("ae", frame, out=tmp_path / "run", steps=4, quiet=True)
