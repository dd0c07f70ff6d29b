"""What a person does: train a model, then use it. Every front door opens onto these functions."""

from __future__ import annotations

import inspect
import json
import platform
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache, partial
from importlib.metadata import version
from math import ceil, inf
from pathlib import Path
from textwrap import shorten
from typing import Any, Literal, get_args, get_type_hints

import torch

from .abilities import Completes
from .core import (
    Constraint,
    Data,
    Defaults,
    Input,
    InputError,
    Masked,
    Modality,
    Model,
    NamedExamples,
    Result,
    TrainingExamples,
    evenly_spaced,
)
from .core.constraints import Balance, Marginals, Queryable
from .core.detection import ReferenceScores, Scored, ScoredStream, ScoreFunction
from .core.intervals import Calibrated
from .core.privacy import Private
from .evaluation.evaluate import evaluate_run, write_final_report
from .evaluation.figures import Evaluation
from .runs import notebook
from .runs.available import available_tasks
from .runs.calibration_store import Learn, data_digest
from .runs.diagnosis import Diagnosis
from .runs.interval_calibration import calibration, learn_calibration
from .runs.reference_scores import (
    collect_neighbours,
    learn_reference_scores,
    reference_scores,
)
from .runs.run import Run, build, describe_modality
from .runtime import distributed, registry
from .runtime.device import Precision, choose_device, choose_precision, prepare
from .runtime.files import is_partial_file
from .tasks._reading import read_input
from .training import privacy
from .training.data_checks import check_data
from .training.engine import Engine
from .training.loop import Training, Until, stop_on_signal
from .training.plan import make_plan
from .training.progress import Progress
from .training.trackers import open_trackers

Schedule = Literal["constant", "linear", "cosine", "one-cycle"]
SHOWN = 200  # characters of a setting that an error shows

KEPT: Mapping[Any, Callable[[Run, Any], Any]] = {
    ReferenceScores: reference_scores,
    Calibrated: lambda run, source: partial(calibration, run, source),
    TrainingExamples: lambda run, source: partial(training_examples, run, source),
}
"""What a task may ask for that comes from the run and the data of its training, not from a
person."""

HINDSIGHT: Mapping[str, Learn] = {
    "reference_scores": learn_reference_scores,
    "calibration": learn_calibration,
}
"""What is learned of a model when its training has ended, by the name of the file that keeps it."""


Follow = Callable[[Mapping[str, float], Model], None]
"""What is told every line of a log, and the model whose line it is, as it would be used then."""


class TrainingInterrupted(KeyboardInterrupt):
    """Training was asked to stop, and did so with everything saved."""


def train(
    model: str,
    source: Any,
    *,
    out: Path | None = None,
    as_: str | None = None,
    through: Path | None = None,
    steps: int | None = None,
    epochs: float | None = None,
    minutes: float | None = None,
    batch: int | None = None,
    seed: int = 0,
    lr: Mapping[str, float] | None = None,
    schedule: Schedule | None = None,
    ema: float | None = None,
    accumulate: int = 1,
    clip: float | None = None,
    precision: Precision = "auto",
    device: str = "auto",
    compile: bool = False,
    held_out: float = 0.1,
    recover: bool = True,
    save_every: float = 60.0,
    tensorboard: bool = False,
    tracker: Literal["mlflow", "tensorboard", "wandb"] | None = None,
    quiet: bool = False,
    **options: Any,
) -> Trained:
    """Trains a model on a person's data and leaves a run behind; goes on with the run where there
    is one already.

    Arguments:
        model: Name of the model, such as "dcgan".
        source: Files, or arrays, tensors or images in memory.
        out: Folder of the run; by default runs/MODEL-SOURCE.
        as_: Modality to read the data as; by default what it looks like.
        through: Run that encodes the data: its codes, or vectors, are learned from in place of the
            data.
        steps: Steps to play.
        epochs: Passes over the data.
        minutes: Time to train for.
        batch: Examples per step, over all processes.
        seed: The same seed on the same machine gives the same run.
        lr: Learning rate by player, such as discriminator=1e-4.
        schedule: How the learning rate changes over the training.
        ema: Decay of the exponential moving average (EMA) of the weights, which is used
            afterwards; 0 keeps none.
        accumulate: Batches whose gradients are averaged before each step.
        clip: Gradient norm that no player exceeds.
        precision: Type that networks compute in; auto takes bf16 where the processor has it.
        device: Device to train on; auto takes the best there is.
        compile: Compile the networks first: slower to start, faster after.
        held_out: Share of the data that is kept from the model, to judge it by.
        recover: Go back and change one thing after a grave diagnosis, up to three times, unless it
            is compiled.
        save_every: Seconds between saves.
        tensorboard: The same as --tracker tensorboard.
        tracker: Tell this program of the training too: its options, losses, previews and diagnosis.
        quiet: Say nothing while training.
        options: Options of the modality and of the model.

    Raises InputError where the data or an option is wrong, Interrupted after Ctrl-C or SIGTERM.
    """
    settings = {
        "steps": steps,
        "epochs": epochs,
        "minutes": minutes,
        "batch": batch,
        "seed": seed,
        "lr": dict(lr or {}),
        "schedule": schedule,
        "ema": ema,
        "accumulate": accumulate,
        "clip": clip,
        "precision": precision,
        "device": device,
        "compile": compile,
        "held_out": held_out,
        "recover": recover,
        "save_every": save_every,
        "tensorboard": tensorboard,
        "tracker": tracker,
    }
    with distributed.process_group():
        run, source = open_training(model, source, out, as_, through, settings, options)
        return run_training(run, source, quiet)


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
    }
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


def resume(run: Path | str, *, source: Any = None, quiet: bool = False) -> Trained:
    """Goes on with a run exactly where it was saved last; `source` only where it was trained from
    memory."""
    found = Run(run)
    source = source if source is not None else found.config["source"]
    if source is None:
        raise InputError(
            f"{run} was trained on data in memory; give the same data again as source="
        )
    with distributed.process_group():
        return run_training(found, source, quiet)


def load(run: Path | str) -> Trained:
    """Opens a trained run."""
    return Trained(Run(run))


def evaluate(run: Path | str, source: Any = None, **options: Any) -> Evaluation:
    """`Trained.evaluate` of the run in this folder."""
    return load(run).evaluate(source, **options)


class Trained:
    """A trained run in a person's hands: every task that its model can do is a method,
    `run.sample(100)`."""

    def __init__(self, run: Run, source: Any = None) -> None:
        self.run = run
        self.source = source if source is not None else run.config["source"]
        self._known = dict[Any, Any]()
        self._device: torch.device | None = None

    @property
    def model(self) -> Model:
        """The nn.Module, for the curious."""
        return self.run.model

    @property
    def diagnoses(self) -> list[Diagnosis]:
        """What was wrong when training was saved last, the gravest first; empty where nothing
        was."""
        return self.run.diagnoses

    @property
    def tasks(self) -> list[str]:
        """Names of what this run can do."""
        return available_tasks(type(self.model), self.run.modality)

    def do(self, task: str, *given: Any, **options: Any) -> Result:
        """Does a task on what is given and gives its result. Raises InputError where the
        model is not able.

        given: Sources; of a task that reads none its options, from the first on:
            `run.sample(1000)`.
        """
        function = registry.load("tasks", task)
        if not isinstance(self.model, registry.needs(function)):
            can = ", ".join(self.tasks)
            raise InputError(f"{self.run.config['model']} cannot {task}; it can {can}")
        known = [option.name for option in registry.options(function)]
        if not sources(function):
            given, options = (), dict(zip(known, given, strict=False)) | options
        if unknown := set(options) - {*known}:
            raise InputError(
                f"{task} has no option {min(unknown)!r}; it has {', '.join(sorted(known))}"
            )
        if options.get("prompt") is not None:
            options["prompt"] = self.run.modality.prompt(options["prompt"])
        if options.get("label") is not None:
            options["label"] = self.run.modality.label(options["label"])
        if options.get("to") is not None:
            options["to"] = self.run.modality.domain(options["to"])
        options |= self._constraints(function, options)
        self.prepare()
        with torch.no_grad():
            read = self._given(function, given, options.get("follow", False))
            for name, kinds in sources_by_option(function).items():
                if options.get(name) is not None:
                    options[name] = self._reader(function, kinds)(options[name])
            own = [self._kept(kind) for kind in _hints(function).values() if kind in KEPT]
            result: Result = function(self._able(function), *read, *own, **options)
            return result

    def prepare(self) -> None:
        """Brings the model to where it works, once."""
        if self._device != (device := choose_device()):
            prepare(self.model, device)
            self._device = device
        torch.set_float32_matmul_precision("medium")

    def _kept(self, kind: Any) -> Any:
        """What comes from the run and the data of its training; read once."""
        if kind not in self._known:
            self._known[kind] = KEPT[kind](self.run, self.source)
        return self._known[kind]

    def evaluate(
        self, source: Any = None, *, learned_from: Any = None, **options: Any
    ) -> Evaluation:
        """Judges the run on data it has not seen; without a source, on the share that training held
        out.

        learned_from: The data of the training, where it was in memory and this is another program.
        options: Those of `ganvas.judging.judge`: features, size, target, out, quiet.
        """
        learned_from = learned_from if learned_from is not None else self.source
        if learned_from is None:
            raise InputError(
                f"{self.run.path} was trained on data in memory; give it again as learned_from="
            )
        return evaluate_run(self.run, source, learned_from, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in registry.names("tasks"):
            raise AttributeError(
                f"no task is called {name!r}; there are {', '.join(registry.names('tasks'))}"
            )
        return lambda *sources, **options: notebook.for_notebook(
            self.do(name, *sources, **options).to_python(self.run.modality)
        )

    def _constraints(self, function: Callable[..., Any], said: Mapping[str, Any]) -> dict[str, Any]:
        """What options that take a constraint say, understood. Raises InputError where the modality
        understands none."""
        modality, understood = self.run.modality, dict[str, Any]()
        for option in registry.options(function):
            words, kinds = (
                said.get(option.name),
                {Constraint, Balance, Marginals} & {*get_args(option.type), option.type},
            )
            if words is None or not kinds:
                continue
            if not isinstance(modality, Queryable):
                name = self.run.config["modality"]["name"]
                raise InputError(f"--{option.name} is for rows of tables, and these are {name}")
            if Constraint in kinds:
                said_so = [words] if isinstance(words, str) else words
                understood[option.name] = modality.constraint(option.name, said_so, self.source)
            else:
                balance = partial(modality.balance, option.name)
                understood[option.name] = (balance if Balance in kinds else modality.marginals)(
                    words
                )
        return understood

    def _given(
        self, function: Callable[..., Any], sources: Sequence[Any], follow: bool
    ) -> list[Any]:
        """What a task works on: one thing of each source, or of all together what arrives."""
        if not takes_several(function):
            return [*map(self._reader(function, _by_position(function)), sources)]
        if not sources:
            raise InputError(f"{function.__name__} needs something to work on; name files")
        if isinstance(sources[0], ScoredStream):
            return [sources[0]]
        return [ScoredStream(partial(self._weighed, sources, follow))]

    def _weighed(
        self, sources: Sequence[Any], follow: bool, weigh: ScoreFunction
    ) -> Iterator[Scored]:
        """All examples of all sources, named after these where there are several; or of a file that
        grows."""
        modality = self.run.modality
        on_device = lambda x: weigh(x.to(self.model.device))  # noqa: E731
        if follow:
            yield from _followed(modality, sources, on_device)
            return
        for source in sources:
            where = (
                f"{Path(source).name}: "
                if len(sources) > 1 and isinstance(source, str | Path)
                else ""
            )
            for part in modality.score(modality.open(source).parts(), on_device):
                yield replace(part, names=[where + name for name in part.names]) if where else part

    def _able(self, function: Callable[..., Any]) -> Any:
        """The model as a task works with it: where parts of the data may be missing, and it learned
        latents of that, one that fills in the data."""
        model = self.model
        if Masked not in _by_position(function):
            return model
        assert isinstance(model, Completes), "what fills in is asked of a model that can"
        return self.run.modality.completing(model)

    def _reader(self, function: Callable[..., Any], kinds: Sequence[Any]) -> Callable[[Any], Any]:
        """What makes of a source what a task wants, the first of these types that it can be."""
        return partial(read_input, self.run, function.__name__, kinds)

    def _repr_html_(self) -> str:
        return notebook.run_html(self.run)

    def __repr__(self) -> str:
        return f"Trained({self.run!r}, can {', '.join(self.tasks)})"


def training_examples(run: Run, source: Any, most: int) -> NamedExamples:
    """Examples that a run learned from, `core.TrainingExamples`.

    source: The data of the training, or None where it is not at hand.
    """
    if source is None:
        raise InputError(
            f"{run.path} was trained on data in memory; give examples to learn directions from"
        )
    learn = run.modality.read(source).split(run.config["training"]["held_out"])[0]
    some = learn.subset(evenly_spaced(len(learn), most))
    whole = some.gather().to(run.model.device)
    return NamedExamples(whole.x, some.names, whole.y, run.modality.classes)


def sources(task: Callable[..., Any]) -> list[inspect.Parameter]:
    """What a task works on, of what a person gives: all that comes by position, but the model and
    what a run has."""
    hints = _hints(task)
    by_position = [
        p for p in inspect.signature(task).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    return [p for p in by_position[1:] if hints[p.name] not in KEPT]


@cache
def _hints(task: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(task)


@cache
def sources_by_option(task: Callable[..., Any]) -> dict[str, tuple[Any, ...]]:
    """Options of a task that name something to read, and what it wants of each."""
    kinds = {
        option.name: tuple(filter(_is_input, [*get_args(option.type), option.type]))
        for option in registry.options(task)
    }
    return {name: kind for name, kind in kinds.items() if kind}


def _is_input(kind: Any) -> bool:
    """Whether a type is one that data is opened as."""
    return kind is torch.Tensor or (isinstance(kind, type) and issubclass(kind, Input))


@cache
def _by_position(task: Callable[..., Any]) -> tuple[Any, ...]:
    """What a task wants of what a person gives by position, in the order of its signature."""
    hints = _hints(task)
    return tuple(
        kind
        for source in sources(task)
        for kind in get_args(hints[source.name]) or [hints[source.name]]
    )


@cache
def takes_several(task: Callable[..., Any]) -> bool:
    """Whether a task works on any number of sources as on one."""
    return ScoredStream in _hints(task).values()


def _followed(modality: Modality, sources: Sequence[Any], weigh: ScoreFunction) -> Iterator[Scored]:
    """What is in a file and what is added to it, until Ctrl-C or SIGTERM: what was read by then is
    done first."""
    if len(sources) != 1 or not isinstance(sources[0], str | Path):
        raise InputError("--follow is for one file that grows; name just that one")
    stop = threading.Event()
    with stop_on_signal(stop):
        yield from modality.score(modality.open(sources[0]).follow(stop.wait), weigh)


def modality_name(source: Any, as_: str | None, through: Path | None) -> str:
    """The modality that a training reads a source as: what was said, or what it looks like."""
    return "latents" if through else as_ or guess_modality(source)


def guess_modality(source: Any) -> str:
    """The modality that a source looks like. Raises InputError where it looks like none."""
    for name in registry.names("modalities"):
        if registry.load("modalities", name).recognises(source):
            return name
    if isinstance(source, str | Path) and not Path(source).exists():
        raise InputError(f"{source} does not exist; check the path")
    shown = repr(source) if isinstance(source, str | Path) else f"the {type(source).__name__}"
    raise InputError(
        f"{shown} looks like nothing Ganvas reads; say what it is with --as, or see `ganvas --help`"
    )


def _together(source: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Two domains of which the second is in memory are one source, which can be given again as it
    is."""
    to = options.get("to")
    if to is None or isinstance(to, str | Path):
        return source, options
    return {"first": source, "second": to}, {
        name: value for name, value in options.items() if name != "to"
    }


def source_name(source: Any) -> str:
    """A short name for a source, for a folder's name."""
    return Path(source).name.split(".")[0] or "data" if isinstance(source, str | Path) else "data"


def _check(settings: Mapping[str, Any], make: type[Model]) -> None:
    for name in ("steps", "epochs", "minutes", "batch", "accumulate", "clip", "save_every"):
        value = settings[name]
        if value is not None and value <= 0:
            raise InputError(f"--{name.replace('_', '-')} is {value}; it must be above zero")
    for name, most in (("ema", 1), ("held_out", 0.9)):
        if not 0 <= settings[name] < most:
            raise InputError(
                f"--{name.replace('_', '-')} is {settings[name]}; it must be at least 0 and below"
                f" {most}"
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
            raise InputError(f"{out} is a folder of something else; choose another --out")
        return Run.create(out, card)
    run = Run(out)
    for place in ("model", "options", "modality", "source", "training"):
        old, new = run.config[place], json.loads(json.dumps(card[place]))
        if place == "training":  # a setting that was not there yet is as it was then
            new = {name: value for name, value in new.items() if name in old}
        if old != new:
            raise InputError(
                f"{out} holds another training: {_difference(place, old, new)}; choose another"
                " --out"
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


def run_training(run: Run, source: Any, quiet: bool, follow: Follow | None = None) -> Trained:
    """Trains a run to its end, from wherever it is.

    follow: Told every line of the log, with the model as it would be used then. What is followed is
        one of many: it gets no report.
    """
    settings = run.config["training"]
    device = choose_device(settings["device"])
    data = run.modality.read(source, device)
    learn, held = data.split(settings["held_out"])
    if len(learn) < 2:
        raise InputError(
            f"only {len(learn)} examples are left to learn from; give more, or a smaller --held-out"
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
    return Trained(trained, source)


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
                "--compile cannot differentiate twice, and penalties of slopes want that; leave"
                " one out"
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
            " --out"
        )
    run.state["data"] = found


def _promise(run: Run, model: Model, rows: int, batch: int, until: Until) -> None:
    """Prepares a model that is to learn with differential privacy, and writes what it promises into
    the run."""
    if not isinstance(model, Private) or not model.epsilon:
        return
    if until.steps == inf:
        raise InputError(
            "--epsilon is promised for a number of steps; say --epochs or --steps, not --minutes"
            " alone"
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
