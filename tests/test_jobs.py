"""Trainings as processes: they are watched through files, stop with everything saved, and go on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pandas as pd
import psutil
import pytest

from ganvas import api
from ganvas.apps.jobs import Busy, Job, Jobs, spell_options
from ganvas.runs.run import Run
from ganvas.runtime import registry
from ganvas.runtime.errors import InputError

WIDE = {"steps": 100_000, "batch": 4}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "data.csv"
    pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), columns=["a", "b", "c"]).to_csv(
        file, index=False
    )
    return file


def until(said: Callable[[], bool], seconds: float = 60) -> None:
    end = monotonic() + seconds
    while not said():
        assert monotonic() < end, "it did not happen"
        sleep(0.1)


def test_a_training_stops_with_everything_saved_and_goes_on_to_its_end(
    tmp_path: Path, data: Path
) -> None:
    jobs = Jobs(tmp_path / "runs")
    job = jobs.start("one", "ae", data, WIDE)
    assert job.state == "training"
    assert [one.name for one in Jobs(tmp_path / "runs")] == ["one"]
    with pytest.raises(Busy, match="1 trainings are running"):
        jobs.start("two", "ae", data, WIDE)
    until(lambda: (job.run / "log.jsonl").exists())
    job.stop()
    assert job.state == "stopped"
    assert not job.error
    assert Run(job.run).state["step"] > 0
    card = json.loads((job.run / "run.json").read_text())
    card["training"]["steps"] = Run(job.run).state["step"] + 1
    (job.run / "run.json").write_text(json.dumps(card))
    jobs.resume("one")
    until(lambda: jobs["one"].state != "training")
    assert jobs["one"].state == "finished"


def test_what_went_wrong_is_one_sentence(tmp_path: Path, data: Path) -> None:
    job = Jobs(tmp_path / "runs").start("bad", "ae", data, {"steps": -1})
    until(lambda: job.state != "training")
    assert job.state == "failed"
    assert job.error == "--steps is -1; it must be above zero"


@pytest.mark.parametrize("name", ["", "..", "a/b", "/tmp/a", ".hidden", "a" * 101, "-x"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, data: Path, name: str) -> None:
    jobs = Jobs(tmp_path / "runs")
    for ask in (
        lambda: jobs.start(name, "ae", data, {}),
        lambda: jobs.resume(name),
        lambda: jobs[name],
    ):
        with pytest.raises(InputError):
            ask()


def test_options_are_said_as_the_command_line_reads_them() -> None:
    known = registry.options(api.train)
    said = spell_options(
        {"steps": 5, "recover": False, "tensorboard": True, "lr": {"network": 0.1}, "batch": None},
        known,
    )
    assert said == ["--steps=5", "--no-recover", "--tensorboard", "--lr=network=0.1"]
    with pytest.raises(InputError, match="no option 'bogus'"):
        spell_options({"bogus": 1}, known)


def test_a_job_of_a_process_that_is_gone_is_not_training(tmp_path: Path) -> None:
    folder = tmp_path / ".jobs"
    folder.mkdir()
    (folder / "old.json").write_text(json.dumps({"command": [], "pid": 2**22 - 1, "began": 0.0}))
    assert Job(tmp_path, "old").state == "stopped"


def test_doors_that_start_at_once_start_no_more_than_are_allowed(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start_process(jobs: Jobs, name: str, arguments: object, folder: Path) -> Job:
        sleep(0.02)  # as a process takes until it is known of
        card = {"pid": os.getpid(), "began": psutil.Process().create_time()}
        (folder / f"{name}.json").write_text(json.dumps(card))
        return Job(jobs.runs, name)

    monkeypatch.setattr(Jobs, "_start_process", start_process)
    Jobs(tmp_path / "runs").refuse_more()

    def start(i: int) -> bool:
        try:
            return bool(Jobs(tmp_path / "runs", 2).start(f"job{i}", "ae", data, {}))
        except Busy:
            return False

    with ThreadPoolExecutor(8) as doors:
        assert sum(doors.map(start, range(8))) == 2
    with pytest.raises(InputError, match="running already"):
        Jobs(tmp_path / "runs", 9)._launch(next(iter(Jobs(tmp_path / "runs"))).name, [])
