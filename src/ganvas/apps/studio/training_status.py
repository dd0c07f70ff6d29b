"""A training as it is at this moment, read from its run: how far it is, how it goes, and its
previews."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from ...evaluation.loss_charts import draw_losses
from ...runs.diagnosis import NOTES, History, diagnose, recent_lines
from ...runs.summary import RunSummary
from ...runtime.durations import format_duration
from ...runtime.errors import InputError
from ..jobs import Job, State

SHOWN = 8  # previews

WORDS: Mapping[State, str] = {
    "training": "Training",
    "stopped": "Stopped, with everything saved: it can be resumed",
    "finished": "Finished",
    "failed": "Failed",
}


@dataclass(frozen=True)
class TrainingStatus:
    """How far a training is.

    share: How much of it is done, in [0, 1].
    step, seconds: Steps done, and how long they took.
    lines: Its log.
    previews: Images of what it generates, the oldest first.
    diagnoses: What is wrong, in words; empty where nothing is.
    error: The sentence that it failed with.
    """

    name: str
    state: State
    share: float = 0.0
    step: int = 0
    seconds: float = 0.0
    lines: tuple[Mapping[str, Any], ...] = ()
    previews: tuple[Path, ...] = ()
    diagnoses: tuple[str, ...] = ()
    error: str = ""

    @property
    def html(self) -> str:
        """State, a bar, and the diagnosis, to be read by eye or aloud."""
        content = f"{self._head}{self._bar}{self._diagnosis}"
        return f'<div class="g-status" aria-live="polite">{content}</div>'

    @property
    def curves(self) -> str:
        """Losses over steps."""
        if len(self.lines) < 2:
            return ""
        losses = [_select_losses(line) for line in self.lines]
        return f'<div class="g-curves">{draw_losses(losses)}</div>'

    @property
    def _head(self) -> str:
        done = "the data is read first"
        if self.step:
            done = f"step {self.step:,} after {format_duration(self.seconds)}"
        if self.state == "training" and 0 < self.share < 1:
            left = self.seconds * (1 - self.share) / self.share
            done += f", about {format_duration(left)} left"
        return f"<p><b>{escape(self.name)}</b> · {self._phase}</p><p class=soft>{done}</p>"

    @property
    def _phase(self) -> str:
        """The state, and of a training what it does at this moment."""
        if self.state != "training":
            return WORDS[self.state]
        if not self.step:
            return "Getting ready"
        return "Evaluating" if self.share >= 1 else "Training"

    @property
    def _bar(self) -> str:
        done = round(100 * self.share)
        role = (
            'role="progressbar" aria-label="share that is done" aria-valuemin="0"'
            ' aria-valuemax="100"'
        )
        return (
            f'<div class="g-bar" {role} aria-valuenow="{done}"><i style="width:{done}%"></i></div>'
        )

    @property
    def _diagnosis(self) -> str:
        if self.error:
            return f'<p class="g-bad"><b>Why:</b> {escape(self.error)}</p>'
        if self.diagnoses:
            return "".join(f'<p class="g-bad">{escape(words)}</p>' for words in self.diagnoses)
        return '<p class="g-good">Diagnosis: nothing is wrong so far.</p>' if self.step else ""


def read_status(job: Job) -> TrainingStatus:
    """Reads how far a training is."""
    state = job.state
    error = job.error if state == "failed" else ""
    summary = job.summary
    if summary is None:
        return TrainingStatus(job.name, state, error=error)
    run = summary.run
    lines = run.read_log(unsaved=True)
    step, seconds = (lines[-1]["step"], lines[-1]["seconds"]) if lines else (0, 0.0)
    share = 1.0 if summary.finished else _compute_share(run.config["training"], step, seconds)
    return TrainingStatus(
        job.name,
        state,
        share,
        step,
        seconds,
        tuple(lines),
        find_previews(job.run),
        tuple(_diagnose_now(summary, lines)),
        error,
    )


def find_previews(run: Path) -> tuple[Path, ...]:
    """Some previews of a run, evenly spread up to the newest, as far as they are written to their
    end."""
    files = sorted((run / "previews").glob("*.png"))
    while files and not _is_complete(files[-1]):
        files.pop()
    if not files:
        return ()
    chosen = {round(i * (len(files) - 1) / (SHOWN - 1)) for i in range(SHOWN)}
    return tuple(files[i] for i in sorted(chosen))


def list_runs(runs: Path) -> list[str]:
    """Names of runs that can be used, the newest first."""
    states = sorted(runs.glob("*/state.json"), key=lambda file: -file.stat().st_mtime)
    return [file.parent.name for file in states]


def find_run(runs: Path, name: str | None) -> Path:
    """The folder of a run. Raises InputError where none has that name."""
    if not name or name not in list_runs(runs):
        raise InputError("choose a run that has been trained for a moment at least")
    return runs / name


def _diagnose_now(summary: RunSummary, lines: list[dict[str, Any]]) -> list[str]:
    """What is wrong by the log, what was wrong before the training, and what was done."""
    known = summary.run.diagnoses
    words = [str(one) for one in diagnose(History(recent_lines(lines)), known)]
    words += [str(one) for one in known if not one.since]
    return words + [f"recovery in {one}" for one in summary.interventions]


def _select_losses(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the log without what is noted for the diagnosis."""
    return {
        name: value
        for name, value in line.items()
        if not name.endswith(NOTES) and not name.startswith("made/")
    }


def _is_complete(file: Path) -> bool:
    try:
        with Image.open(file) as image:
            image.load()
        return True
    except (OSError, SyntaxError):
        return False


def _compute_share(training: Mapping[str, Any], step: int, seconds: float) -> float:
    """How much of a training is done, by its steps and its minutes, in [0, 1]."""
    steps, minutes = training["steps"], training["minutes"]
    by_steps = step / steps if steps else 0.0
    by_time = seconds / 60 / minutes if minutes else 0.0
    return min(max(by_steps, by_time), 1.0)
