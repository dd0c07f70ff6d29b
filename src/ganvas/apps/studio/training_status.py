"""A training as it is at this moment, read from its run: how far it is, how it goes, what it
makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from ...evaluation.report import charts
from ...runs.diagnosis import NOTES, History, diagnose, recent_lines
from ...runs.run import Run
from ...runtime.errors import InputError
from ..jobs import Job, State

SHOWN = 8  # previews

WORDS: Mapping[State, str] = {
    "training": "Training",
    "stopped": "Stopped, with everything saved: it can be gone on with",
    "finished": "Finished",
    "failed": "It could not go on",
}


@dataclass(frozen=True)
class TrainingStatus:
    """How far a training is.

    share: How much of it is done, in [0, 1].
    step, seconds: Steps played, and how long that took.
    lines: Its log.
    previews: Images of what it made, the oldest first.
    diagnoses: What is wrong, in words; empty where nothing is.
    said: The sentence that it failed with.
    """

    name: str
    state: State
    share: float
    step: int
    seconds: float
    lines: tuple[Mapping[str, Any], ...]
    previews: tuple[Path, ...]
    diagnoses: tuple[str, ...]
    said: str

    @property
    def html(self) -> str:
        """State, a bar, and health, to be read by eye or aloud."""
        return (
            f'<div class="g-moment" aria-live="polite">{self._head}{self._bar}{self._health}</div>'
        )

    @property
    def curves(self) -> str:
        """Losses over steps."""
        terms = [
            {k: v for k, v in line.items() if not k.endswith(NOTES) and not k.startswith("made/")}
            for line in self.lines
        ]
        return f'<div class="g-curves">{charts(terms)}</div>' if len(terms) > 1 else ""

    @property
    def _head(self) -> str:
        words = WORDS[self.state]
        if self.state == "training":
            words = (
                "Getting ready"
                if not self.step
                else "Judging what it learned"
                if self.share >= 1
                else "Training"
            )
        n_steps = (
            f"step {self.step:,} after {_clock(self.seconds)}"
            if self.step
            else "the data is read first"
        )
        left = self.seconds * (1 - self.share) / self.share if self.share else 0
        more = (
            f", about {_clock(left)} left"
            if self.state == "training" and 0 < self.share < 1
            else ""
        )
        return f"<p><b>{escape(self.name)}</b> · {words}</p><p class=soft>{n_steps}{more}</p>"

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
    def _health(self) -> str:
        if self.said:
            return f'<p class="g-ill"><b>Why:</b> {escape(self.said)}</p>'
        ills = "".join(f'<p class="g-ill">{escape(one)}</p>' for one in self.diagnoses)
        return ills or (
            '<p class="g-well">Health: nothing is wrong so far.</p>' if self.step else ""
        )


def moment(job: Job) -> TrainingStatus:
    """Reads how far a training is."""
    state, lines, wrong = job.state, list[Mapping[str, Any]](), list[str]()
    step, seconds, share = 0, 0.0, 0.0
    if (job.run / "run.json").is_file():
        run = Run(job.run)
        lines += run.read_log(unsaved=True)
        step, seconds = (lines[-1]["step"], lines[-1]["seconds"]) if lines else (0, 0.0)
        share = 1.0 if run.state["finished"] else _share(run.config["training"], step, seconds)
        wrong += map(str, diagnose(History(recent_lines(lines)), run.diagnoses))
        wrong += [str(one) for one in run.diagnoses if not one.since]
        wrong += [f"treated in {one}" for one in run.interventions]
    return TrainingStatus(
        job.name,
        state,
        share,
        step,
        seconds,
        tuple(lines),
        previews(job.run),
        tuple(wrong),
        job.error if state == "failed" else "",
    )


def previews(run: Path) -> tuple[Path, ...]:
    """Some previews of a run, evenly spread up to the newest, as far as they are written to their
    end."""
    files = sorted((run / "previews").glob("*.png"))
    while files and not _whole(files[-1]):
        files.pop()
    chosen = (
        {round(i * (len(files) - 1) / (SHOWN - 1)) for i in range(SHOWN)} if files else set[int]()
    )
    return tuple(files[i] for i in sorted(chosen))


def trained(runs: Path) -> list[str]:
    """Names of runs that can be used, the newest first."""
    found = (
        [folder for folder in runs.iterdir() if (folder / "state.json").is_file()]
        if runs.exists()
        else []
    )
    return [
        run.name
        for run in sorted(found, key=lambda folder: -(folder / "state.json").stat().st_mtime)
    ]


def _whole(file: Path) -> bool:
    try:
        with Image.open(file) as image:
            image.load()
        return True
    except (OSError, SyntaxError):
        return False


def _share(training: Mapping[str, Any], step: int, seconds: float) -> float:
    steps, minutes = training["steps"], training["minutes"]
    return min(max(step / steps if steps else 0.0, seconds / 60 / minutes if minutes else 0.0), 1.0)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def run_at(runs: Path, name: str | None) -> Path:
    """The folder of a run. Raises InputError where none has that name."""
    if not name or name not in trained(runs):
        raise InputError("choose a run that has been trained for a moment at least")
    return runs / name
