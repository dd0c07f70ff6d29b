"""Trainings told to other programs, by these programs' own clients."""

from __future__ import annotations

import importlib
import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ganvas import api
from ganvas.apps import cli
from ganvas.core import InputError, Model
from ganvas.runs.run import Run
from ganvas.runtime import registry
from ganvas.training import trackers
from ganvas.training.start import TrainingInterrupted, open_training, run_training

TINY = [
    "--steps",
    "30",
    "--batch",
    "16",
    "--size",
    "16",
    "--width",
    "8",
    "--latent",
    "4",
    "--quiet",
]


def stop(line: Mapping[str, float], model: Model) -> None:
    """What presses Ctrl-C in the tenth step."""
    if line["step"] == 10:
        signal.raise_signal(signal.SIGINT)


def interrupted(images: Path, out: Path, tracker: str) -> Run:
    """A run that was told to a tracker, and then stopped."""
    settings = {option.name: option.default for option in registry.options(api.train)}
    settings = {k: v for k, v in settings.items() if k not in ("out", "as_", "through", "quiet")}
    settings |= {"steps": 30, "batch": 16, "lr": {}, "tracker": tracker}
    options = {"size": 16, "width": 8, "latent": 4}
    run, source = open_training("vae", str(images), out, None, None, settings, options)
    with pytest.raises(TrainingInterrupted):
        run_training(run, source, quiet=True, follow=stop)
    return Run(out)


def test_mlflow_has_one_run_of_a_training_that_was_stopped(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    run = interrupted(images, tmp_path / "run", "mlflow")
    client = mlflow.MlflowClient()
    known = json.loads((run.path / "tracker.json").read_text())["mlflow"]
    assert client.get_run(known).info.status == "KILLED"
    api.resume(run.path, quiet=True)
    (told,) = client.search_runs([client.get_experiment_by_name("ganvas").experiment_id])
    assert told.info.run_id == known
    assert told.info.status == "FINISHED"
    assert told.data.params["model"] == "vae"
    assert told.data.params["model.latent"] == "4"
    assert told.data.params["data"] == "images.npz"
    assert told.data.tags["diagnosis"] == (
        "; ".join(map(str, Run(run.path).diagnoses)) or "nothing was seen to be wrong"
    )
    name = "autoencoder/reconstruction"
    wanted = {line["step"]: line[name] for line in Run(run.path).read_log()}
    history = client.get_metric_history(known, name)
    assert {metric.step: metric.value for metric in history} == wanted
    assert len(history) == len(wanted), "a step was told twice"
    images_told = {artifact.path for artifact in client.list_artifacts(known, "previews")}
    assert images_told == {
        f"previews/{file.name}" for file in (run.path / "previews").glob("*.png")
    }


def test_wandb_has_the_log_where_there_is_no_network(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    out = tmp_path / "run"
    run = interrupted(images, out, "wandb")
    known = json.loads((out / "tracker.json").read_text())["wandb"]
    api.resume(run.path, quiet=True)
    assert json.loads((out / "tracker.json").read_text())["wandb"] == known
    files = [*(out / "wandb").glob("offline-run-*/*.wandb")]
    assert len(files) == 2
    assert all(known in file.name for file in files)
    assert all(file.stat().st_size > 1000 for file in files)


def test_a_tracker_that_is_not_there_is_asked_for(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def missing(run: Run, known: str | None) -> None:
        importlib.import_module("no_such_client")

    monkeypatch.setitem(trackers.TRACKERS, "wandb", missing)
    out = str(tmp_path / "run")
    assert cli.run(["train", "vae", str(images), "--out", out, *TINY, "--tracker", "wandb"]) == 2
    assert "--tracker wandb needs an extra: pip install 'ganvas[wandb]'" in " ".join(
        capsys.readouterr().err.split()
    )
    with pytest.raises(InputError, match="no model is called"):
        api.train("nothing", images, tracker="wandb")
