"""A training from its start, or from where it was left, to its end."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from math import ceil, inf
from pathlib import Path
from textwrap import shorten
from typing import Any, Literal

import torch

from ..core import Data, Defaults, InputError, Modality, Model
from ..core.options import parse_rates
from ..core.privacy import Private
from ..data._recognition import modality_name, source_name
from ..evaluation.evaluate import write_final_report
from ..runs.calibration_store import Learn, data_digest
from ..runs.interval_calibration import learn_calibration
from ..runs.reference_scores import collect_neighbours, learn_reference_scores
from ..runs.run import Run, build, describe_modality
from ..runtime import distributed, registry
from ..runtime.device import choose_device, choose_precision, prepare
from ..runtime.errors import flag
from ..runtime.files import is_partial_file
from . import privacy
from .data_checks import check_data
from .engine import Engine
from .loop import Training, Until, stop_on_signal
from .plan import make_plan
from .progress import Progress
from .trackers import open_trackers

Schedule = Literal["constant", "linear", "cosine", "one-cycle"]


SHOWN = 200  # characters of a setting that an error shows


HINDSIGHT: Mapping[str, Learn] = {
    "reference_scores": learn_reference_scores,
    "calibration": learn_calibration,
}
"""What is learned of a model when its training has ended, by the name of the file that keeps it."""


Follow = Callable[[Mapping[str, float], Model], None]
"""What is told every line of a log, and the model whose line it is, as it would be used then."""


class TrainingInterrupted(KeyboardInterrupt):
    """Training was asked to stop, and did so with everything saved."""


def open_training(
    model: str,
    source: Any,
    out: Path | None,
    as_: str | None,
    through: Path | None,
    settings: Mapping[str, Any],
    options: Mapping[str, Any],
) -> tuple[Run, Any]:
    """The run of a training that `train` describes, new or as it was left, and its source as it is
    read.

    settings: All but what names the model, the data and the run; as the model likes it where they
        are None.
    """
    make, practice = registry.load("models", model), registry.load("models", model).defaults
    source, options = _together(source, dict(options))
    reader = registry.load("modalities", modality_name(source, as_, through))
    options |= {"through": through} if through else {}
    own = {option.name for option in registry.options(reader.learn)}
    liked = {"batch": practice.batch, "schedule": practice.schedule, "ema": practice.ema}
    settings = {
        name: liked.get(name) if value is None else value for name, value in settings.items()
    } | {"lr": parse_rates(settings["lr"])}
    _check(settings, make)
    out = Path(out or f"runs/{model}-{source_name(source)}")
    modality = reader.learn(
        source, **{k: v for k, v in ({**practice.data_options, **options}).items() if k in own}
    )
    modality = modality.beside(out)
    chosen = {k: v for k, v in options.items() if k not in own}
    build(model, chosen, modality)
    run = (
        _open(out, model, chosen, modality, settings, source)
        if distributed.is_main_process()
        else None
    )
    distributed.barrier()
    return run or Run(out), source


def run_training(run: Run, source: Any, quiet: bool, follow: Follow | None = None) -> Run:
    """Trains a run to its end, from wherever it is; returns it as it was saved.

    follow: Told every line of the log, with the model as it would be used then. What is followed is
        one of many: it gets no report.
    """
    settings = run.config["training"]
    device = choose_device(settings["device"])
    data = run.modality.read(source, device)
    learn, held = data.split(settings["held_out"])
    if len(learn) < 2:
        raise InputError(
            f"only {len(learn)} examples are left to learn from; give more, or a smaller"
            f" {flag('held_out')}"
        )
    _same_data(run, learn)
    engine = _engine(run, device)
    batch = min(settings["batch"], len(learn))
    until = _until(settings, engine.model.defaults, len(learn), batch)
    _promise(run, engine.model, len(learn), batch, until)
    found = check_data(learn, run.modality.vectors, engine.model)
    training = Training(
        run,
        engine,
        learn,
        held,
        until,
        batch,
        settings["seed"],
        settings["schedule"],
        settings["save_every"],
        device,
        recover=settings.get("recover", False) and run.promise is None and not settings["compile"],
        data_diagnoses=found,
    )
    progress = Progress(
        run, batch * settings["accumulate"], quiet=quiet or not distributed.is_main_process()
    )
    if run.state["step"] == 0:
        plan = make_plan(engine, learn, max(batch // distributed.process_count(), 2), device)
        progress.announce(run.modality.describe(data), len(learn), len(held), plan, until)
        progress.say(*found)
    training.watch, training.say = progress.watch, progress.say
    training.show_diagnoses = progress.show_diagnoses
    with (
        stop_on_signal(training.stopped),
        progress,
        open_trackers(run, distributed.is_main_process()) as told,
    ):
        training.mirror = partial(_tell, engine, [*told, *([follow] if follow else [])])
        done = run.state["finished"] or training.play()
    if not done:
        raise TrainingInterrupted(
            f"stopped and saved at step {run.state['step']:,}; go on with: ganvas train --resume"
            f" {run.path}"
        )
    trained = Run(run.path)
    if distributed.is_main_process() and not follow:
        progress.say(*(one for one in trained.diagnoses if one.grave))
        prepare(trained.model, device)
        for name, learned in HINDSIGHT.items():
            if tensors := learned(trained, held, quiet):
                trained.keep(name, tensors)
        if tensors := collect_neighbours(trained, learn):
            trained.keep("neighbours", tensors)
        write_final_report(trained)
    return trained


def _together(source: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Two domains of which the second is in memory are one source, which can be given again as it
    is."""
    to = options.get("to")
    if to is None or isinstance(to, str | Path):
        return source, options
    return {"first": source, "second": to}, {
        name: value for name, value in options.items() if name != "to"
    }


def _check(settings: Mapping[str, Any], make: type[Model]) -> None:
    for name in ("steps", "epochs", "minutes", "batch", "accumulate", "clip", "save_every"):
        value = settings[name]
        if value is not None and value <= 0:
            raise InputError(f"{flag(name)} is {value}; it must be above zero")
    for name, most in (("ema", 1), ("held_out", 0.9)):
        if not 0 <= settings[name] < most:
            raise InputError(
                f"{flag(name)} is {settings[name]}; it must be at least 0 and below {most}"
            )
    choose_device(settings["device"])
    for player in settings["lr"]:
        if player not in make.players:
            raise InputError(
                f"no player is called {player!r}; {make.__name__} has {', '.join(make.players)}"
            )


def _open(
    out: Path,
    model: str,
    options: Mapping[str, Any],
    modality: Modality,
    settings: Mapping[str, Any],
    source: Any,
) -> Run:
    """The run in this folder if it is the same training, or a new one. Raises InputError if it is
    another's."""
    card = {
        "model": model,
        "options": dict(options),
        "modality": describe_modality(modality),
        "training": dict(settings),
        "source": str(Path(source).resolve()) if isinstance(source, str | Path) else None,
        "versions": (
            {"python": platform.python_version()}
            | {p: version(p) for p in ("ganvas", "torch", "numpy")}
        ),
    }
    if not (out / "run.json").exists():
        if out.exists() and any(not is_partial_file(file) for file in out.iterdir()):
            raise InputError(f"{out} is a folder of something else; choose another {flag('out')}")
        return Run.create(out, card)
    run = Run(out)
    for place in ("model", "options", "modality", "source", "training"):
        old, new = run.config[place], json.loads(json.dumps(card[place]))
        if place == "training":  # a setting that was not there yet is as it was then
            new = {name: value for name, value in new.items() if name in old}
        if old != new:
            raise InputError(
                f"{out} holds another training: {_difference(place, old, new)}; choose another"
                f" {flag('out')}"
            )
    return run


def _difference(place: str, old: Any, new: Any) -> str:
    if not isinstance(old, dict):
        return f"its {place} is {old}, not {new}"
    if place == "modality":
        return _difference("name", old["state"], new["state"])
    key = next(k for k in {**old, **new} if old.get(k) != new.get(k))
    before, after = (shorten(str(one.get(key)), SHOWN, placeholder=" …") for one in (old, new))
    return f"its {key} is {before}, not {after}"


def _tell(engine: Engine, followers: Sequence[Follow], line: Mapping[str, float]) -> None:
    for follow in followers:
        follow(line, engine.ema_model)


def _engine(run: Run, device: torch.device) -> Engine:
    """The engine that plays a run's model, fresh from its seed."""
    settings = run.config["training"]
    torch.manual_seed(settings["seed"])
    model = run.build()
    prepare(model, device)
    if model.single_process_reason and distributed.process_count() > 1:
        raise InputError(f"{model.single_process_reason}; start it without torchrun")
    if settings["compile"]:
        if model.second_order:
            raise InputError(
                f"{flag('compile')} cannot differentiate twice, and penalties of slopes want that;"
                " leave one out"
            )
        for part in model.children():
            part.compile()
    return Engine(
        model,
        lr=settings["lr"],
        accumulate=settings["accumulate"],
        clip=settings["clip"] or inf,
        ema=settings["ema"],
        precision=choose_precision(settings["precision"], device),
    )


def _same_data(run: Run, learn: Data) -> None:
    """Remembers what a run learns from. Raises InputError when it has changed since."""
    found = data_digest(learn)
    if found != run.state.get("data", found):
        raise InputError(
            f"the data has changed since {run.path} was started; put it back, or choose another"
            f" {flag('out')}"
        )
    run.state["data"] = found


def _promise(run: Run, model: Model, rows: int, batch: int, until: Until) -> None:
    """Prepares a model that is to learn with differential privacy, and writes what it promises into
    the run."""
    if not isinstance(model, Private) or not model.epsilon:
        return
    if until.steps == inf:
        raise InputError(
            f"{flag('epsilon')} is promised for a number of steps; say {flag('epochs')} or"
            f" {flag('steps')}, not {flag('minutes')} alone"
        )
    n_steps = int(until.steps) * run.config["training"]["accumulate"]
    promise = privacy.privacy_promise(model.epsilon, model.delta, rows, batch, n_steps)
    model.protect(promise, batch)
    run.state["privacy"] = asdict(promise)


def _until(settings: Mapping[str, Any], practice: Defaults, examples: int, batch: int) -> Until:
    """When to end: as told, or as the model likes it."""
    steps, epochs, minutes = settings["steps"], settings["epochs"], settings["minutes"]
    per_epoch = max(examples // (batch * settings["accumulate"]), 1)
    if steps is None and epochs is None and minutes is None:
        steps = max(practice.steps, practice.epochs * per_epoch)
    n_steps = min(steps or inf, ceil(epochs * per_epoch) if epochs else inf)
    return Until(n_steps, minutes * 60 if minutes else inf)
