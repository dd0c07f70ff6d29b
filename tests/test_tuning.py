"""A search of a model's options: what is searched, what it remembers, what it comes to."""

from __future__ import annotations

import json
import shlex
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import IMAGE
from ganvas.apps import cli
from ganvas.apps.tuning import Choice, Goal, choices, tune
from ganvas.core import InputError, Model
from ganvas.runs.run import Run
from ganvas.runtime import registry
from ganvas.training.start import TrainingInterrupted, run_training

optuna = pytest.importorskip("optuna")

FAST: dict[str, Any] = {"steps": 3, "batch": 32, "recover": False, "quiet": True}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(0)
    file = tmp_path_factory.mktemp("data") / "rows.csv"
    pd.DataFrame({"a": random.normal(size=200), "b": random.choice(["x", "y"], 200)}).to_csv(
        file, index=False
    )
    return file


@pytest.mark.parametrize("name", registry.names("models"))
def test_what_is_searched_is_read_from_the_signature(name: str) -> None:
    make = registry.load("models", name)
    found, options = choices(make, {}), {option.name: option for option in registry.options(make)}
    for option, choice in found.items():
        if not option.startswith("lr."):
            assert choice.default == options[option].default
        low, *_, high = choice.values
        assert low <= choice.default <= high if choice.between else choice.default in choice.values
    assert not make.objective_options & found.keys()
    assert make.objective_options <= options.keys()
    assert {f"lr.{player}" for player in make.players} <= found.keys()
    assert all(
        options[o].default != 0 or options[o].default is False
        for o in found
        if not o.startswith("lr.")
    )


def test_what_was_said_is_not_searched() -> None:
    found = choices(registry.load("models", "gan"), {"width": 64, "lr": {"generator": 1e-4}})
    assert found["depth"] == Choice([1, 2, 3, 6, 12], 3)
    assert "width" not in found
    assert not any(name.startswith("lr.") for name in found)


def test_a_search_goes_on_where_it_was(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "search"
    words = [
        "tune",
        "made",
        str(table),
        "--out",
        str(out),
        "--steps",
        "3",
        "--batch",
        "32",
        "--width",
        "16",
        "--json",
    ]
    assert cli.run([*words, "--trials", "2"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["trials"] == 2
    assert cli.run([*words, "--trials", "3", "--seed", "1"]) == 2
    assert "remembers another search" in " ".join(capsys.readouterr().err.split())
    assert cli.run([*words, "--trials", "3"]) == 0
    last = json.loads(capsys.readouterr().out)
    assert last["trials"] == 3
    assert last["value"] <= first["value"]
    assert last["measure"] == "held_out/autoencoder/nll"
    assert {file.name for file in out.iterdir()} == {"trials.db", Path(last["run"]).name}
    best = Run(last["run"])
    assert best.state["best"]["loss"] == last["value"]
    assert (best.path / "report.html").exists()
    ganvas, train, model, source, *options = shlex.split(last["command"])
    assert (ganvas, train, model, source) == ("ganvas", "train", "made", str(table))
    assert "--width=16" in options
    assert not any("steps" in word for word in options)
    assert (
        cli.run(
            [
                train,
                model,
                source,
                *options,
                "--steps",
                "1",
                "--out",
                str(tmp_path / "again"),
                "--quiet",
            ]
        )
        == 0
    )
    again = Run(tmp_path / "again").config
    assert {"depth": 2, **again["options"]} == best.config["options"]
    assert again["training"]["lr"] == best.config["training"]["lr"]


@pytest.mark.parametrize(
    ("model", "measure", "player", "lr"),
    [
        ("gan", "Fréchet distance", "generator", 2e-4),
        ("ae", "mean squared error", "autoencoder", 1e-3),
    ],
)
def test_of_a_model_that_no_loss_decides_what_it_makes_is_measured(
    model: str, measure: str, player: str, lr: float, table: Path, tmp_path: Path
) -> None:
    found = tune(model, table, trials=1, out=tmp_path, width=8, depth=1, latent=4, **FAST)
    assert found.search.goal.name == measure
    assert found.best.value > 0
    assert found.best.params[f"lr.{player}"] == pytest.approx(lr)
    again = tune(model, table, trials=1, out=tmp_path, width=8, depth=1, latent=4, **FAST)
    assert measure in [column.header for column in again.table().columns]


def test_neither_ctrl_c_nor_what_falls_behind_leaves_anything(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = {"out": tmp_path, "width": 16, **FAST, "steps": 8}
    tune("made", table, trials=1, **search)
    play = run_training

    def interrupted(run: Run, source: Any, quiet: bool, follow: Any = None) -> Any:
        def told(line: Any, model: Model) -> None:
            if line["step"] == 1:
                signal.raise_signal(signal.SIGINT)

        return play(run, source, quiet, told)

    with monkeypatch.context() as patched:
        patched.setattr("ganvas.apps.tuning.run_training", interrupted)
        with pytest.raises(TrainingInterrupted, match="repeat the command to go on"):
            tune("made", table, trials=3, **search)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["trial-0", "trials.db"]
    monkeypatch.setattr(optuna.Trial, "should_prune", lambda trial: True)
    found = tune("made", table, trials=2, **search)
    assert [trial.state.name for trial in found.search.study.trials] == [
        "COMPLETE",
        "FAIL",
        "PRUNED",
    ]
    assert found.best.number == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["trial-0", "trials.db"]


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("made", {"trials": 0}, "trials= is 0"),
        ("made", {"trials": 1, "nonsense": 3}, "made has no option 'nonsense'"),
    ],
)
def test_a_search_that_makes_no_sense(
    model: str, options: dict[str, Any], words: str, table: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        tune(model, table, out=tmp_path, **FAST, **options)


def test_what_nothing_measures_cannot_be_searched() -> None:
    with pytest.raises(InputError, match="no metric says how good adain is"):
        Goal("").prepare(Unmeasured(), None)


class Unmeasured(Run):
    """A run of a model that no metric knows."""

    def __init__(self) -> None:
        self.path, self.config = Path("nowhere"), {"model": "adain"}

    def build(self) -> Model:
        return registry.load("models", "adain")(IMAGE, IMAGE, channels=8)
