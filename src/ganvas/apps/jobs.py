"""Trainings as processes of their own: they go on when the door that they were started through is
closed.

RUNS/NAME              the run
RUNS/.jobs/NAME.json   the command, and the process that carries it out
RUNS/.jobs/NAME.log    what it wrote to standard error
RUNS/.data/NAME/       files that were handed in to learn from
"""

from __future__ import annotations

import fcntl
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from .. import api
from ..data._recognition import modality_name
from ..runs.run import Run
from ..runs.summary import RunSummary
from ..runtime import registry
from ..runtime.errors import InputError
from ..runtime.files import write_atomically

State = Literal["training", "stopped", "finished", "failed"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Busy(Exception):
    """As many trainings as are allowed are running; one more may be started when one of them has
    ended."""


@dataclass(frozen=True)
class Job:
    """A training that was started in a folder of runs."""

    runs: Path
    name: str

    @property
    def run(self) -> Path:
        return self.runs / self.name

    @property
    def command(self) -> list[str]:
        """What a person would say to the command line for the same training."""
        return list(self._record["command"])

    @property
    def summary(self) -> RunSummary | None:
        """What there is to say of its run, as soon as there is one."""
        return RunSummary(Run(self.run)) if (self.run / "run.json").is_file() else None

    @property
    def state(self) -> State:
        """Whether it runs; if not, whether it came to its end, can be resumed, or went wrong."""
        if self._find_process():
            return "training"
        if self.summary and self.summary.finished:
            return "finished"
        return "failed" if self.error else "stopped"

    @property
    def error(self) -> str:
        """The sentence that it failed with, or nothing."""
        lines = self.log.splitlines()
        last = lines[-1] if lines else ""
        crashed = any(line.startswith("Traceback") for line in lines)
        if last.startswith("error: ") or crashed:
            return last.removeprefix("error: ")
        return ""

    @property
    def log(self) -> str:
        """All that it wrote to standard error, since it was started or resumed last."""
        log = self.runs / ".jobs" / f"{self.name}.log"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    def stop(self, wait: float = 30.0) -> None:
        """Asks it to save and end, and waits so many seconds for that; it can be resumed
        afterwards."""
        if process := self._find_process():
            process.send_signal(signal.SIGTERM)
            psutil.wait_procs([process], timeout=wait)

    @property
    def _record(self) -> dict[str, Any]:
        return dict(json.loads((self.runs / ".jobs" / f"{self.name}.json").read_text("utf-8")))

    def _find_process(self) -> psutil.Process | None:
        """The process, if it is still the one that was started, and alive."""
        record = self._record
        try:
            process = psutil.Process(record["pid"])
            alive = process.is_running() and process.status() != psutil.STATUS_ZOMBIE
            is_same = abs(process.create_time() - record["began"]) < 1
            return process if alive and is_same else None
        except psutil.NoSuchProcess:
            return None


@dataclass(frozen=True)
class Jobs:
    """The trainings of a folder of runs, of which so many may run at once."""

    runs: Path
    most: int = 1

    def __iter__(self) -> Iterator[Job]:
        return (Job(self.runs, file.stem) for file in sorted((self.runs / ".jobs").glob("*.json")))

    def __getitem__(self, name: str) -> Job:
        if not NAME.fullmatch(name) or not (self.runs / ".jobs" / f"{name}.json").is_file():
            names = ", ".join(job.name for job in self) or "none"
            raise InputError(f"no training is called {name!r}; there are {names}")
        return Job(self.runs, name)

    def start(self, name: str, model: str, source: Path, options: Mapping[str, Any]) -> Job:
        """Trains a model on files as the run RUNS/NAME.

        options: As for `ganvas train`; those that are None, or as they would be anyway, are left
            out.

        Raises InputError where the name is none or is taken, and Busy; what is wrong with data or
        options the job says.
        """
        refuse_name(name)
        if (self.runs / name).exists():
            raise InputError(f"there is a run called {name!r} already; choose another name")
        words = spell_options(options, training_options(model, options, source))
        out = ["--out", str(self.runs / name)]
        return self._launch(name, ["train", model, str(source), *out, *words])

    def resume(self, name: str) -> Job:
        """Resumes a run where it was stopped. Raises InputError where there is none, and
        Busy."""
        if not NAME.fullmatch(name):
            raise InputError(f"no run is called {name!r}")
        return self._launch(name, ["train", "--resume", str(Run(self.runs / name).path)])

    def count_running(self) -> int:
        """How many are running."""
        return sum(job.state == "training" for job in self)

    def refuse_more(self) -> None:
        """Raises Busy where as many are running as are allowed."""
        if self.count_running() >= self.most:
            raise Busy(
                f"{self.most} trainings are running, and no more are allowed at once; wait, or"
                " stop one"
            )

    def _launch(self, name: str, arguments: Sequence[str]) -> Job:
        folder = self.runs / ".jobs"
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder):
            self.refuse_more()
            if (folder / f"{name}.json").exists() and Job(self.runs, name).state == "training":
                raise InputError(f"{name} is running already; stop it first")
            return self._start_process(name, arguments, folder)

    def _start_process(self, name: str, arguments: Sequence[str], folder: Path) -> Job:
        with (folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "ganvas", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        began = psutil.Process(process.pid).create_time()
        record = {"command": ["ganvas", *arguments], "pid": process.pid, "began": began}
        write_atomically(folder / f"{name}.json", json.dumps(record).encode())
        return Job(self.runs, name)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Inside, no other thread, worker or door starts a training of the same folder, so that
    together they start no more than are allowed."""
    with (folder / ".lock").open("wb") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # given up as the file is closed
        yield


def refuse_name(name: str) -> None:
    """Raises InputError where no run can be called so."""
    if not NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is no name for a run; use up to 100 letters, digits, dots and dashes"
        )


def training_options(model: str, options: Mapping[str, Any], source: Any) -> list[registry.Option]:
    """Every option that a training of this model on this source has, with these options."""
    kind = modality_name(source, options.get("as_"), options.get("through"))
    return registry.together(
        registry.load("modalities", kind).learn, registry.load("models", model), api.train
    )


def spell_options(options: Mapping[str, Any], known: Sequence[registry.Option]) -> list[str]:
    """Options as words of the command line, but for those that are as by default. Raises InputError
    for one that there is not."""
    defaults = {option.name: option.default for option in known}
    if unknown := set(options) - set(defaults):
        raise InputError(
            f"there is no option {min(unknown)!r}; there are {', '.join(sorted(defaults))}"
        )
    words = list[str]()
    for name, value in options.items():
        if value is not None and value != defaults[name]:
            words += _spell_option(name.rstrip("_").replace("_", "-"), value)
    return words


def _spell_option(name: str, value: Any) -> list[str]:
    """Each as one word, so that no value is taken for an option."""
    match value:
        case bool():
            return [f"--{name}" if value else f"--no-{name}"]
        case Mapping():
            return [f"--{name}={key}={each}" for key, each in value.items()]
        case list() | tuple():
            return [f"--{name}={each}" for each in value]
        case _:
            return [f"--{name}={value}"]
