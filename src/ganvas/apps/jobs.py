"""Trainings as processes of their own: they go on when the door that they were started through is
closed.

RUNS/NAME              the run
RUNS/.jobs/NAME.json   the command, and the process that carries it out
RUNS/.jobs/NAME.log    what it said on standard error
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
from ..runs.run import Run, write_atomically
from ..runtime import registry
from ..runtime.errors import InputError

State = Literal["training", "stopped", "finished", "failed"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Busy(Exception):
    """As many trainings as are allowed are at work; one more may be started when one of them has
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
        return self._card["command"]

    @property
    def state(self) -> State:
        """Whether it is at work; if not, whether it came to its end, can be gone on with, or went
        wrong."""
        if self._process():
            return "training"
        if (self.run / "run.json").is_file() and Run(self.run).state["finished"]:
            return "finished"
        return "failed" if self.error else "stopped"

    @property
    def error(self) -> str:
        """The sentence that it failed with, or nothing."""
        lines = self.said.splitlines()
        wrong = [line.removeprefix("error: ") for line in lines[-1:] if line.startswith("error: ")]
        return (
            wrong[0]
            if wrong
            else lines[-1]
            if any(line.startswith("Traceback") for line in lines)
            else ""
        )

    @property
    def said(self) -> str:
        """All that it said, since it was started or gone on with last."""
        log = self.runs / ".jobs" / f"{self.name}.log"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    def stop(self, wait: float = 30.0) -> None:
        """Asks it to save and end, and waits so many seconds for that; it can be gone on with
        afterwards."""
        if process := self._process():
            process.send_signal(signal.SIGTERM)
            psutil.wait_procs([process], timeout=wait)

    @property
    def _card(self) -> dict[str, Any]:
        return json.loads((self.runs / ".jobs" / f"{self.name}.json").read_text("utf-8"))

    def _process(self) -> psutil.Process | None:
        """The process, if it is still the one that was started, and alive."""
        try:
            process = psutil.Process(self._card["pid"])
            alive = process.is_running() and process.status() != psutil.STATUS_ZOMBIE
            return (
                process if alive and abs(process.create_time() - self._card["began"]) < 1 else None
            )
        except psutil.NoSuchProcess:
            return None


@dataclass(frozen=True)
class Jobs:
    """The trainings of a folder of runs, of which so many may be at work at once."""

    runs: Path
    most: int = 1

    def __iter__(self) -> Iterator[Job]:
        return (Job(self.runs, file.stem) for file in sorted((self.runs / ".jobs").glob("*.json")))

    def __getitem__(self, name: str) -> Job:
        if not NAME.fullmatch(name) or not (self.runs / ".jobs" / f"{name}.json").is_file():
            raise InputError(
                f"no training is called {name!r}; there are"
                f" {', '.join(j.name for j in self) or 'none'}"
            )
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
        said = words(options, known(model, options, source))
        return self._launch(
            name, ["train", model, str(source), "--out", str(self.runs / name), *said]
        )

    def resume(self, name: str) -> Job:
        """Goes on with a run where it was stopped. Raises InputError where there is none, and
        Busy."""
        if not NAME.fullmatch(name):
            raise InputError(f"no run is called {name!r}")
        return self._launch(name, ["train", "--resume", str(Run(self.runs / name).path)])

    def refuse_more(self) -> None:
        """Raises Busy where as many are at work as are allowed."""
        if sum(job.state == "training" for job in self) >= self.most:
            raise Busy(
                f"{self.most} trainings are at work, and no more are allowed at once; wait, or"
                " stop one"
            )

    def _launch(self, name: str, arguments: Sequence[str]) -> Job:
        folder = self.runs / ".jobs"
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            self.refuse_more()
            if (folder / f"{name}.json").exists() and Job(self.runs, name).state == "training":
                raise InputError(f"{name} is at work already; stop it first")
            return self._launched(name, arguments, folder)

    def _launched(self, name: str, arguments: Sequence[str], folder: Path) -> Job:
        with (folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "ganvas", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        began = psutil.Process(process.pid).create_time()
        card = {"command": ["ganvas", *arguments], "pid": process.pid, "began": began}
        write_atomically(folder / f"{name}.json", json.dumps(card).encode())
        return Job(self.runs, name)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
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


def known(model: str, options: Mapping[str, Any], source: Any) -> list[registry.Option]:
    """Every option that a training of this model on this source has, with these options."""
    kind = modality_name(source, options.get("as_"), options.get("through"))
    return registry.together(
        registry.load("modalities", kind).learn, registry.load("models", model), api.train
    )


def words(options: Mapping[str, Any], known: Sequence[registry.Option]) -> list[str]:
    """Options as they are said on the command line. Raises InputError for one that there is not."""
    defaults = {option.name: option.default for option in known}
    if unknown := set(options) - set(defaults):
        raise InputError(
            f"there is no option {min(unknown)!r}; there are {', '.join(sorted(defaults))}"
        )
    said = {
        name: value
        for name, value in options.items()
        if value is not None and value != defaults[name]
    }
    return [
        word
        for name, value in said.items()
        for word in _said(name.rstrip("_").replace("_", "-"), value)
    ]


def _said(name: str, value: Any) -> list[str]:
    """Each as one word, so that no value is taken for an option."""
    match value:
        case bool():
            return [f"--{name}" if value else f"--no-{name}"]
        case Mapping():
            return [f"--{name}={key}={one}" for key, one in value.items()]
        case list() | tuple():
            return [f"--{name}={one}" for one in value]
        case _:
            return [f"--{name}={value}"]
