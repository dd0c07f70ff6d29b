"""A run is a folder of plain files: what was trained, on what, how it went, and the weights. Never
a pickle.

run.json    schema, model, options, modality and what it learned, training settings, versions
log.jsonl   one line per logged step
state.json  the step that the weights belong to: writing it is what commits a save

weights.safetensors           the model's weights
ema.safetensors               their exponential moving average
best.safetensors              those with the lowest held-out loss, where that decides
optimizer.safetensors         what optimizers remember, and the random state
recovery_points.safetensors   averaged weights of steps without a grave diagnosis, while it trains
reference_scores.safetensors  how the model scores what training held out
neighbours.safetensors        training examples that findings are compared with
calibration.safetensors       how often its intervals hold values that training held out

previews/   report.html
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..core import Continuous, InputError, Modality, Model
from ..core.privacy import Promise
from ..runtime import registry
from ..runtime.errors import flag
from ..runtime.files import write_atomically
from .diagnosis import Diagnosis, Intervention

SCHEMA = 2
"""Number of the layout of a run's files. Each change of what they hold takes the next."""


class Run:
    """The folder: the only thing that trainer, command line, studio and service share."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not (self.path / "run.json").is_file():
            raise InputError(
                f"{self.path} is not a run: it has no run.json; name a folder that `ganvas train`"
                " made"
            )

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any]) -> Run:
        """Makes a new run folder, which then has its configuration and nothing else."""
        path.mkdir(parents=True, exist_ok=True)
        whole = {"schema": SCHEMA, **config}
        content = json.dumps(whole, indent=2, ensure_ascii=False).encode()
        write_atomically(path / "run.json", content)
        return cls(path)

    @cached_property
    def config(self) -> dict[str, Any]:
        """What was trained, on what, and how. Raises InputError where the run has another layout
        than this version reads."""
        config: dict[str, Any] = json.loads((self.path / "run.json").read_text("utf-8"))
        if config.get("schema") != SCHEMA:
            raise InputError(
                f"{self.path} was trained by another version of Ganvas, whose layout of runs this"
                " one does not read; train again"
            )
        return config

    @cached_property
    def state(self) -> dict[str, Any]:
        """How far the training came: {"step": ..., "seconds": ..., "finished": ...}."""
        file = self.path / "state.json"
        return (
            json.loads(file.read_text("utf-8"))
            if file.exists()
            else {"step": 0, "seconds": 0.0, "finished": False}
        )

    @property
    def promise(self) -> Promise | None:
        """What the training promised about the privacy of each example, if it did."""
        return Promise(**self.state["privacy"]) if "privacy" in self.state else None

    @property
    def diagnoses(self) -> list[Diagnosis]:
        """What was wrong at the last save, the gravest first; empty where nothing was."""
        return [Diagnosis.from_json(one) for one in self.state.get("diagnoses", [])]

    @property
    def interventions(self) -> list[Intervention]:
        """What recovery changed on the way, oldest first."""
        return [Intervention(**one) for one in self.state.get("interventions", [])]

    @cached_property
    def modality(self) -> Modality:
        """What stands between the person's files and tensors, as it was learned. Raises InputError
        where that was by a version that learned other things."""
        name, state = self.config["modality"]["name"], _tuples(self.config["modality"]["state"])
        try:
            modality = registry.load("modalities", name)(**state)
        except (TypeError, KeyError) as error:
            raise self._other_version(
                f"knows other things of its {name} than this one asks for ({error})"
            ) from error
        result: Modality = modality.beside(self.path)
        return result

    def build(self) -> Model:
        """The model with fresh weights."""
        return build(self.config["model"], self.config["options"], self.modality)

    @cached_property
    def model(self) -> Model:
        """The trained model, ready for use: its best weights where a held-out loss decided, or the
        averaged ones.

        Raises InputError where there are none, or they are of a version whose model had other
        parts.
        """
        model, weights = (
            self.build(),
            self.tensors("best") or self.tensors("ema") or self.tensors("weights"),
        )
        if not weights:
            raise InputError(
                f"{self.path} has no weights yet: its training ended before its first save; go on"
                f" with: ganvas train --resume {self.path}"
            )
        if other := _difference(weights, model.state_dict()):
            raise self._other_version(f"has a {self.config['model']} of other parts ({other})")
        model.load_state_dict(weights)
        model.step = self.state["step"]
        return model.requires_grad_(False).eval()

    def _other_version(self, words: str) -> InputError:
        old, new = self.config["versions"]["ganvas"], version("ganvas")
        known = (
            f"was trained by Ganvas {old}"
            if old != new
            else f"was trained by another state of Ganvas {old}"
        )
        return InputError(f"{self.path} {known}, and {words}; use that one, or train again")

    def tensors(self, name: str) -> dict[str, Tensor]:
        """The tensors of one file of the last save; empty where it has no such file."""
        new, file = self.path / f"{name}.new", self.path / f"{name}.safetensors"
        if new.exists() and _step_of(new) == self.state["step"]:  # committed, but not renamed yet
            return load_file(new)
        return load_file(file) if file.exists() else {}

    def save(self, state: Mapping[str, Any], files: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Saves everything or nothing, whenever the process dies.

        New tensors are written beside the old; renaming state.json commits them; then they take the
        old ones' names. Where that is cut short, readers find the committed file under either name.
        """
        for name, tensors in files.items():
            _write_tensors(self.path / f"{name}.new", tensors, state["step"])
        write_atomically(self.path / "state.json", json.dumps(state).encode())
        self.__dict__.pop("state", None)
        self._settle()

    def keep(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Adds a file of tensors to the last save."""
        _write_tensors(self.path / f"{name}.new", tensors, self.state["step"])
        self._settle()

    def _settle(self) -> None:
        """Gives new tensors their names if they were committed, and drops them if they were not."""
        for file in self.path.glob("*.new"):
            if _step_of(file) == self.state["step"]:
                os.replace(file, file.with_suffix(".safetensors"))
            else:
                file.unlink()

    def log(self, line: Mapping[str, Any]) -> None:
        """Adds one line to the log."""
        with (self.path / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def read_log(self, unsaved: bool = False) -> list[dict[str, Any]]:
        """The log, without what is half-written.

        unsaved: With what was logged after the last save, which a training that is cut short does
            over again.
        """
        file = self.path / "log.jsonl"
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        whole = [json.loads(line) for line in lines if line.endswith("}")]
        return [line for line in whole if unsaved or line["step"] <= self.state["step"]]

    def rewind(self) -> None:
        """Drops what was written after the last save, before training goes on from there."""
        self._settle()
        lines = [json.dumps(line) + "\n" for line in self.read_log()]
        write_atomically(self.path / "log.jsonl", "".join(lines).encode())

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}: {self.config['model']}, step {self.state['step']:,})"


def build(model: str, options: Mapping[str, Any], modality: Modality) -> Model:
    """A model for what a modality learned. Raises InputError where an option is none of the
    model's."""
    make = registry.load("models", model)
    known = [option.name for option in registry.options(make)]
    for name in options:
        if name not in known:
            raise InputError(f"{model} has no option {name!r}; it has {', '.join(known)}")
    conditional = registry.takes(make, "condition")
    if not conditional and isinstance(modality.condition, Continuous):
        raise InputError(
            f"{model} does not translate; leave out {flag('to')}, or choose a model that does,"
            " such as cyclegan"
        )
    spaces = [modality.space, modality.condition] if conditional else [modality.space]
    built: Model = make(*spaces, **options)
    return built


def _difference(saved: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """What of saved weights does not fit a model, in words; empty where all does."""
    for name in {**saved, **wanted}:
        there, here = _shape_words(saved, name), _shape_words(wanted, name)
        if there != here:
            return f"{name} is {there} there and {here} here"
    return ""


def _shape_words(weights: Mapping[str, Tensor], name: str) -> str:
    return f"of shape {tuple(weights[name].shape)}" if name in weights else "missing"


def fingerprint(run: Run, model: Model) -> str:
    """A digest of a model's weights and of what its modality learned."""
    digest = blake2b(json.dumps(run.config["modality"], sort_keys=True).encode(), digest_size=16)
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def describe_modality(modality: Modality) -> dict[str, Any]:
    """What run.json says of a modality."""
    # a frozen dataclass by contract
    return {"name": registry.name_of(type(modality)), "state": asdict(modality)}  # type: ignore[call-overload]


def _write_tensors(file: Path, tensors: Mapping[str, Tensor], step: int) -> None:
    save_file({k: v.contiguous() for k, v in tensors.items()}, file, metadata={"step": str(step)})
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def _step_of(file: Path) -> int | None:
    """The step that a file of tensors belongs to; None for one that is not whole."""
    try:
        with safe_open(file, "pt") as tensors:
            return int(tensors.metadata()["step"])
    except SafetensorError:
        return None


def _tuples(value: Any) -> Any:
    """JSON has lists where a frozen dataclass has tuples."""
    if isinstance(value, list):
        return tuple(map(_tuples, value))
    return {k: _tuples(v) for k, v in value.items()} if isinstance(value, dict) else value
