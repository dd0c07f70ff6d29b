"""What is there to say of a run: what it is, how far it came, how it is, and what it can do.

Command line, notebook, report, model card, service and assistant render this, each in its own
form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..runtime import registry
from ..runtime.durations import format_duration
from .available import available_tasks
from .run import Run

IN_MEMORY = "data in memory"
NO_DIAGNOSIS = "nothing was seen to be wrong"


@dataclass(frozen=True)
class RunSummary:
    """A run in words and numbers. Read from its config and state; the weights are not loaded."""

    run: Run

    @property
    def name(self) -> str:
        return self.run.path.name

    @property
    def model(self) -> str:
        return str(self.run.config["model"])

    @property
    def modality(self) -> str:
        return str(self.run.config["modality"]["name"])

    @property
    def source(self) -> str | None:
        """What it was trained on, as it was named; None for data in memory."""
        result: str | None = self.run.config["source"]
        return result

    @property
    def data(self) -> str:
        """What it was trained on, with where that lies."""
        return self.source or IN_MEMORY

    @property
    def data_name(self) -> str | None:
        """The last part of the source alone, without the query of an address, which may hold a
        password."""
        return Path(self.source).name.partition("?")[0] if self.source else None

    @property
    def step(self) -> int:
        return int(self.run.state["step"])

    @property
    def finished(self) -> bool:
        return bool(self.run.state["finished"])

    @property
    def progress(self) -> str:
        """`1,200 steps in 3 min 5 s, not finished`."""
        end = "" if self.finished else ", not finished"
        return f"{self.step:,} steps in {format_duration(self.run.state['seconds'])}{end}"

    @property
    def options(self) -> Mapping[str, Any]:
        """Options of the model that are not as by default."""
        return dict(self.run.config["options"])

    @property
    def training(self) -> Mapping[str, Any]:
        """Settings of the training that say something."""
        settings = self.run.config["training"]
        return {name: value for name, value in settings.items() if not _is_unset(value)}

    @property
    def versions(self) -> Mapping[str, str]:
        return dict(self.run.config["versions"])

    @property
    def diagnoses(self) -> list[str]:
        """What was wrong at the last save, the gravest first."""
        return [str(diagnosis) for diagnosis in self.run.diagnoses]

    @property
    def interventions(self) -> list[str]:
        """What was done about it during the training."""
        return [str(intervention) for intervention in self.run.interventions]

    @property
    def diagnosis(self) -> str:
        """The diagnoses in one sentence, which says so where there are none."""
        return "; ".join(self.diagnoses) or NO_DIAGNOSIS

    @property
    def privacy(self) -> str | None:
        """What the training promised about the privacy of each example, if it did."""
        promise = self.run.promise
        return str(promise) if promise else None

    @cached_property
    def tasks(self) -> list[str]:
        """What it can be used for. Raises InputError where its modality is of another version."""
        return available_tasks(registry.load("models", self.model), self.run.modality)


def format_options(options: Mapping[str, Any], join: str = "=", quote: str = "") -> str:
    """`width=8, latent=4`; a sentence where there are none."""
    named = (f"{quote}{name}{join}{value}{quote}" for name, value in options.items())
    return ", ".join(named) or "all as they are by default"


def _is_unset(value: Any) -> bool:
    """Whether a setting is off; a seed of 0 is not."""
    return value is None or value is False or value == {}
