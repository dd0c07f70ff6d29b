"""Experiment trackers that log many trainings side by side: TensorBoard, MLflow, Weights & Biases.

Each by its own client, which finds its server as it always does (MLFLOW_TRACKING_URI, WANDB_MODE,
...). What is logged are options, losses, previews, and in the end the diagnoses; no weights. A
training that is resumed goes on in the record that it began.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import Any, Literal

from ..core import InputError, Model
from ..runs.run import Run
from ..runtime.errors import flag
from ..runtime.files import write_atomically

Name = Literal["mlflow", "tensorboard", "wandb"]
PROJECT = "ganvas"
LONGEST = 500  # characters of an option
State = Literal["finished", "stopped", "failed"]


class Tracker(ABC):
    """The record of one training in another program.

    known: The record's name there, where the training began one before.
    """

    last_step: int = 0
    """The last step that was logged before: what is played again is not logged again."""

    @abstractmethod
    def __init__(self, run: Run, known: str | None) -> None: ...

    @property
    @abstractmethod
    def id(self) -> str:
        """The record's name there."""

    @abstractmethod
    def values(self, step: int, values: Mapping[str, float]) -> None:
        """Logs the values of a step."""

    @abstractmethod
    def image(self, step: int, file: Path) -> None:
        """Logs the preview of a step."""

    @abstractmethod
    def end(self, diagnosis: str, state: State) -> None:
        """Tells what was wrong in the end, and that nothing more comes for now."""


class TensorBoard(Tracker):
    """Event files in the run itself, for `tensorboard --logdir runs`."""

    def __init__(self, run: Run, known: str | None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.board = SummaryWriter(run.path / "tensorboard", purge_step=run.state["step"] + 1)
        if known is None:
            lines = [f"- {name}: {value}" for name, value in options(run).items()]
            self.board.add_text("options", "\n".join(lines))

    @property
    def id(self) -> str:
        return "tensorboard"

    def values(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.board.add_scalar(name, value, step)
        self.board.flush()

    def image(self, step: int, file: Path) -> None:
        import numpy as np
        from PIL import Image

        with Image.open(file) as image:
            self.board.add_image(
                "preview", np.asarray(image.convert("RGB")), step, dataformats="HWC"
            )

    def end(self, diagnosis: str, state: State) -> None:
        self.board.add_text("diagnosis", diagnosis)
        self.board.close()


class MLflow(Tracker):
    """A run of the experiment `ganvas`, or of MLFLOW_EXPERIMENT_NAME."""

    def __init__(self, run: Run, known: str | None) -> None:
        from mlflow import MlflowClient

        self.client = MlflowClient()
        if known is None:
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
            found = self.client.get_experiment_by_name(name)
            experiment = found.experiment_id if found else self.client.create_experiment(name)
            self._id = self.client.create_run(experiment, run_name=run.path.name).info.run_id
            for option, value in options(run).items():
                self.client.log_param(self._id, option, value)
        else:
            self._id = known
            self.client.update_run(known, status="RUNNING")
            metrics = self.client.get_run(known).data.metrics
            self.last_step = max((self._last_step_of(name) for name in metrics), default=0)

    def _last_step_of(self, name: str) -> int:
        history = self.client.get_metric_history(self._id, name)
        return max(int(metric.step) for metric in history)

    @property
    def id(self) -> str:
        return str(self._id)

    def values(self, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time() * 1000)
        metrics = [Metric(_word(name), value, now, step) for name, value in values.items()]
        self.client.log_batch(self._id, metrics)

    def image(self, step: int, file: Path) -> None:
        self.client.log_artifact(self._id, str(file), "previews")

    def end(self, diagnosis: str, state: State) -> None:
        self.client.set_tag(self._id, "diagnosis", diagnosis)
        self.client.set_terminated(
            self._id, {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}[state]
        )


class WandB(Tracker):
    """A run of the project `ganvas`, or of WANDB_PROJECT."""

    def __init__(self, run: Run, known: str | None) -> None:
        import wandb

        project = os.environ.get("WANDB_PROJECT", PROJECT)
        self.run = wandb.init(
            project=project,
            id=known,
            resume="allow",
            name=run.path.name,
            config=options(run),
            dir=run.path,
        )
        self.last_step = int(self.run.step) - 1 if known else 0

    @property
    def id(self) -> str:
        return str(self.run.id)

    def values(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=step)

    def image(self, step: int, file: Path) -> None:
        import wandb

        self.run.log({"preview": wandb.Image(str(file))}, step=step)

    def end(self, diagnosis: str, state: State) -> None:
        self.run.summary["diagnosis"] = diagnosis
        self.run.finish(exit_code=int(state == "failed"))


TRACKERS: Mapping[str, type[Tracker]] = {
    "mlflow": MLflow,
    "tensorboard": TensorBoard,
    "wandb": WandB,
}


class Following:
    """Passes every line of a log, and the preview of that step, to a tracker once."""

    def __init__(self, run: Run, tracker: Tracker) -> None:
        self.run, self.tracker = run, tracker

    def __call__(self, line: Mapping[str, float], model: Model) -> None:
        step = int(line["step"])
        if step <= self.tracker.last_step:
            return
        values = {name: line[name] for name in line if name not in ("step", "seconds")}
        self.tracker.values(step, values)
        preview = self.run.path / "previews" / f"{step:08d}.png"
        if preview.exists():
            self.tracker.image(step, preview)


@contextmanager
def open_trackers(run: Run, is_main_process: bool) -> Iterator[list[Following]]:
    """Inside, what passes lines of the log to the tracker that a run was started with, if there is
    one and this is the main process.

    Raises InputError where the tracker is not installed.
    """
    name = _tracker_name(run.config["training"])
    if name is None or not is_main_process:
        yield []
        return
    tracker = _open_tracker(run, name)
    state: State = "failed"
    try:
        yield [Following(run, tracker)]
        state = "finished" if run.state["finished"] else "stopped"
    finally:
        tracker.end("; ".join(map(str, run.diagnoses)) or "nothing was seen to be wrong", state)


def _tracker_name(settings: Mapping[str, Any]) -> str | None:
    return settings.get("tracker") or ("tensorboard" if settings.get("tensorboard") else None)


def _open_tracker(run: Run, name: str) -> Tracker:
    """The training's record there, new or as it was left."""
    file = run.path / "tracker.json"
    known = json.loads(file.read_text("utf-8")) if file.exists() else {}
    try:
        tracker = TRACKERS[name](run, known.get(name))
    except ImportError as error:
        raise InputError(
            f"{flag('tracker', name)} needs an extra: pip install 'ganvas[{name}]'"
        ) from error
    write_atomically(file, json.dumps(known | {name: tracker.id}).encode())
    return tracker


def options(run: Run) -> dict[str, str]:
    """The configuration of a training by name: the model's own options, then the training's that
    were set."""
    config = run.config
    source = "in memory"
    if config["source"]:
        source = Path(config["source"]).name.partition("?")[0]  # no passwords
    values = {"model": config["model"], "data": source, "modality": config["modality"]["name"]}
    values |= {f"model.{name}": value for name, value in config["options"].items()}
    for name, value in config["training"].items():
        if value not in (None, {}, False):
            values[f"training.{name}"] = value
    return {name: str(value)[:LONGEST] for name, value in values.items()}


def _word(name: str) -> str:
    """A name in the letters that MLflow has for one."""
    return "".join(letter if letter.isalnum() or letter in "_-. /" else "_" for letter in name)
