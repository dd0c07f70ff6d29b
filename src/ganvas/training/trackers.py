"""A training told to a program that keeps many of them side by side: TensorBoard, MLflow or Weights
& Biases.

Each by its own client, which finds its server as it always does (MLFLOW_TRACKING_URI, WANDB_MODE,
...). Told are options, losses, previews, and in the end what was wrong; no weights. A training that
goes on does so where it was told before.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import Any, Literal, cast

from ..core import InputError, Model
from ..runs.run import Run, write_atomically
from ..runtime.errors import flag

Name = Literal["mlflow", "tensorboard", "wandb"]
PROJECT = "ganvas"
LONGEST = 500  # characters of an option
State = Literal["finished", "stopped", "failed"]


class Tracker(ABC):
    """One training as another program sees it.

    known: What the training is called there, where it was told of before.
    """

    told: int = 0
    """The last step that was told of before: what is played again is not told again."""

    @abstractmethod
    def __init__(self, run: Run, known: str | None) -> None: ...

    @property
    @abstractmethod
    def id(self) -> str:
        """What the training is called there."""

    @abstractmethod
    def values(self, step: int, values: Mapping[str, float]) -> None:
        """Tells what was logged in a step."""

    @abstractmethod
    def image(self, step: int, file: Path) -> None:
        """Tells what was made in a step."""

    @abstractmethod
    def end(self, health: str, state: State) -> None:
        """Tells what was wrong in the end, and that nothing more comes for now."""


class TensorBoard(Tracker):
    """Event files in the run itself, for `tensorboard --logdir runs`."""

    def __init__(self, run: Run, known: str | None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.board = SummaryWriter(run.path / "tensorboard", purge_step=run.state["step"] + 1)
        if known is None:
            self.board.add_text(
                "options", "\n".join(f"- {name}: {value}" for name, value in options(run).items())
            )

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

    def end(self, health: str, state: State) -> None:
        self.board.add_text("health", health)
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
            self.told = max(
                (self._last(name) for name in self.client.get_run(known).data.metrics), default=0
            )

    def _last(self, name: str) -> int:
        return max(metric.step for metric in self.client.get_metric_history(self._id, name))

    @property
    def id(self) -> str:
        return self._id

    def values(self, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time() * 1000)
        self.client.log_batch(
            self._id, [Metric(_word(name), value, now, step) for name, value in values.items()]
        )

    def image(self, step: int, file: Path) -> None:
        self.client.log_artifact(self._id, str(file), "previews")

    def end(self, health: str, state: State) -> None:
        self.client.set_tag(self._id, "health", health)
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
        self.told = int(self.run.step) - 1 if known else 0

    @property
    def id(self) -> str:
        return self.run.id

    def values(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=step)

    def image(self, step: int, file: Path) -> None:
        import wandb

        self.run.log({"preview": wandb.Image(str(file))}, step=step)

    def end(self, health: str, state: State) -> None:
        self.run.summary["health"] = health
        self.run.finish(exit_code=int(state == "failed"))


TRACKERS: Mapping[str, type[Tracker]] = {
    "mlflow": MLflow,
    "tensorboard": TensorBoard,
    "wandb": WandB,
}


class Following:
    """Tells a tracker every line of a log once, and what was made in that step."""

    def __init__(self, run: Run, tracker: Tracker) -> None:
        self.run, self.tracker = run, tracker

    def __call__(self, line: Mapping[str, float], model: Model) -> None:
        step = int(line["step"])
        if step <= self.tracker.told:
            return
        self.tracker.values(
            step, {name: value for name, value in line.items() if name not in ("step", "seconds")}
        )
        if (file := self.run.path / "previews" / f"{step:08d}.png").exists():
            self.tracker.image(step, file)


@contextmanager
def open_trackers(run: Run, leads: bool) -> Iterator[list[Following]]:
    """Inside, who tells the tracker that a run was started with, if there is one and this process
    is who speaks.

    Raises InputError where the tracker is not installed.
    """
    name = _chosen(run.config["training"])
    if name is None or not leads:
        yield []
        return
    tracker, state = _opened(run, name), cast("State", "failed")
    try:
        yield [Following(run, tracker)]
        state = "finished" if run.state["finished"] else "stopped"
    finally:
        tracker.end("; ".join(map(str, run.diagnoses)) or "nothing was seen to be wrong", state)


def _chosen(settings: Mapping[str, Any]) -> str | None:
    return settings.get("tracker") or ("tensorboard" if settings.get("tensorboard") else None)


def _opened(run: Run, name: str) -> Tracker:
    """The training there, new or as it was left."""
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
    """What a training was asked, by name: the model's own options, then the training's that were
    said."""
    card = run.config
    source = (
        Path(card["source"]).name.partition("?")[0] if card["source"] else "in memory"
    )  # no passwords
    said = {"model": card["model"], "data": source, "modality": card["modality"]["name"]}
    said |= {f"model.{name}": value for name, value in card["options"].items()}
    said |= {
        f"training.{name}": value
        for name, value in card["training"].items()
        if value not in (None, {}, False)
    }
    return {name: str(value)[:LONGEST] for name, value in said.items()}


def _word(name: str) -> str:
    """A name in the letters that MLflow has for one."""
    return "".join(letter if letter.isalnum() or letter in "_-. /" else "_" for letter in name)
