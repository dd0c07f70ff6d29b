"""The best options of a model on one's own data: many short trainings, each chosen by what became
of others (Optuna).

What is searched is read from the signature: numbers around their defaults, words and switches in
all their kinds, and how fast each player learns. An option that is said stays as it was said.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import torch
from rich.console import Console
from rich.table import Table

from .. import api
from ..core import Evidence, ImageFiles, InputError, Model, Samples, seeded_rng
from ..data._recognition import source_name
from ..runs.run import Run
from ..runtime import registry
from ..runtime.device import choose_device
from ..runtime.errors import flag
from ..training.start import TrainingInterrupted, open_training, run_training

if TYPE_CHECKING:
    import optuna

Value = bool | int | float | str

WIDER = (0.25, 0.5, 1.0, 2.0, 4.0)
"""How many times its default a number is, in steps."""

FASTER = 10.0
"""How many times as fast as by default, or as slow, a player learns at most."""

JUDGED = 1000  # held-out examples, at most
FEWEST = 10
SELDOM = (
    3  # of the times that a training looks at held-out examples, each so many-th measures it too
)
LEARNING_RATE = "lr."
PREFERRED = ("frechet", "restoration", "resolution", "translation", "completion", "reconstruction")
"""Of metrics that fit a model which no loss decides about, the first of these judges it."""


@dataclass(frozen=True)
class Choice:
    """What an option may be: one of these; or anything between two numbers, on a scale of factors.

    default: What it is where nobody searches.
    """

    values: Sequence[Value]
    default: Value
    between: bool = False

    def suggest(self, name: str, trial: optuna.Trial) -> Value:
        if self.between:
            low, high = map(float, self.values)
            return trial.suggest_float(name, low, high, log=True)
        chosen = trial.suggest_categorical(name, self.values)
        assert chosen is not None, "nothing is no choice"
        return chosen


def choices(make: type[Model], said: Mapping[str, Any]) -> dict[str, Choice]:
    """What is searched for a model: of its options all that were not said and have more than one
    sensible value.

    Numbers that are zero by default stay: zero stands for none, or for what fits, and nothing says
    what else would be sensible. So do those that say what is to be learned rather than how,
    `Model.aims`.
    """
    options = [
        option
        for option in registry.options(make)
        if option.name not in {*said, *make.objective_options}
    ]
    found = {option.name: choice for option in options if (choice := _choice(option))}
    rates = {}
    for player, how in make.players.items():
        rate = how.keywords["lr"]  # type: ignore[attr-defined] # partials
        rates[f"{LEARNING_RATE}{player}"] = _around(rate, FASTER)
    return found if "lr" in said else found | rates


def _choice(option: registry.Option) -> Choice | None:
    default = option.default
    if get_origin(option.type) is Literal:
        return Choice(get_args(option.type), default)
    if isinstance(default, bool):
        return Choice((False, True), default)
    if isinstance(default, int) and default > 0:
        return Choice(sorted({max(round(default * factor), 1) for factor in WIDER}), default)
    if isinstance(default, float) and default > 0:
        return _around(
            default, WIDER[-1], most=1.0 if default < 1 else torch.inf
        )  # shares are below one
    return None


def _around(default: float, factor: float, most: float = torch.inf) -> Choice:
    return Choice((default / factor, min(default * factor, most)), default, between=True)


def tune(
    model: str,
    source: Any,
    *,
    trials: int = 30,
    minutes_each: float | None = None,
    out: Path | None = None,
    storage: Path | None = None,
    quiet: bool = False,
    **said: Any,
) -> Found:
    """Searches a model's options for those with which it does best on what training holds out.

    Arguments:
        model: Name of the model.
        source: Files, or arrays, tensors or images in memory.
        trials: Trainings to try, with those that are given up early.
        minutes_each: Time of each training, where --steps or --epochs does not say it.
        out: Folder of the search; by default runs/tune-MODEL-SOURCE.
        storage: File that remembers the trials; by default in the folder of the search.
        quiet: Say nothing on the way.
        said: Options of the training, the modality and the model, which stay as they are said.

    Raises InputError where an option is wrong or nothing measures the model, Interrupted after
    Ctrl-C: the same again goes on.
    """
    if not find_spec("optuna"):
        raise InputError("ganvas tune needs an extra: pip install 'ganvas[tune]'")
    if trials < 1:
        raise InputError(f"{flag('trials')} is {trials}; it must be at least 1")
    said = {name: value for name, value in said.items() if value is not None}
    said |= {"minutes": minutes_each} if minutes_each else {}
    out = Path(out or f"runs/tune-{model}-{source_name(source)}")
    return Search(model, source, out, said, Path(storage or out / "trials.db"), quiet).go(trials)


class Search:
    """Many short trainings of a model, in a folder; goes on with what is remembered.

    said: Options that stay.
    """

    def __init__(
        self,
        model: str,
        source: Any,
        out: Path,
        said: Mapping[str, Any],
        storage: Path,
        quiet: bool,
    ) -> None:
        self.model, self.source, self.out, self.said, self.storage = (
            model,
            source,
            out,
            said,
            storage,
        )
        self.console = Console(stderr=True, quiet=quiet, highlight=False, markup=False)
        self.make = registry.load("models", model)
        self.choices = choices(self.make, said)
        self.goal = Goal(self.make.defaults.early_stopping_metric)
        self.study = self._study()
        self.goal.name, self.goal.sign = self.study.user_attrs.get(
            "measure", (self.goal.name, self.goal.sign)
        )

    def _study(self) -> optuna.Study:
        """What was tried so far. Raises InputError where that is another search."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.storage.parent.mkdir(parents=True, exist_ok=True)
        study = optuna.create_study(
            storage=self._database,
            study_name=self.model,
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
        )
        study.sampler = optuna.samplers.TPESampler(
            seed=len(study.trials)
        )  # going on is no repetition
        asked = json.dumps({"data": self.data, **self.said}, default=str)
        if study.user_attrs.get("asked", asked) != asked:
            raise InputError(
                f"{self.storage} remembers another search, {study.user_attrs['asked']}, and this is"
                f" {asked}; choose another {flag('out')} or {flag('storage')}"
            )
        if not study.trials:
            study.set_user_attr("asked", asked)
            study.enqueue_trial({name: choice.default for name, choice in self.choices.items()})
        for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):  # was cut short
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        return study

    @property
    def data(self) -> str:
        """The data, as it is named on the command line."""
        return str(self.source) if isinstance(self.source, str | Path) else "DATA"

    @property
    def _database(self) -> str:
        return f"sqlite:///{self.storage.resolve()}"

    def go(self, trials: int) -> Found:
        """Tries until there are so many. The first trial is the model as it is."""
        done = [trial for trial in self.study.trials if trial.state.name in ("COMPLETE", "PRUNED")]
        for number in range(len(done) + 1, trials + 1):
            self.console.print(f"trial {number} of {trials}: {self._try()}", soft_wrap=True)
        best = self._best
        if best is None:
            raise InputError(
                f"no training came to its end; give each more {flag('steps')}, or try more of them"
            )
        run = Run(self.folder(best.number))
        if not (run.path / "report.html").exists():
            run_training(run, self.source, quiet=True)
        return Found(self, best)

    def _try(self) -> str:
        """One more training, of which nothing stays unless it is the best so far; what came of it,
        in words."""
        import optuna

        states = optuna.trial.TrialState
        trial = self.study.ask()
        options = {name: choice.suggest(name, trial) for name, choice in self.choices.items()}
        value, state, words = None, states.FAIL, ""
        try:
            value = self._trained(trial, options)
            self.study.set_user_attr("measure", (self.goal.name, self.goal.sign))
            state, words = states.COMPLETE, f"{self.goal.name} {self.goal.shown(value)}"
        except optuna.TrialPruned:
            state, words = states.PRUNED, "given up early, behind the others"
        except InputError as error:
            if trial.number == 0:  # then it is not the options that are wrong
                optuna.delete_study(study_name=self.model, storage=self._database)
                raise
            words = f"cannot be: {error}"
        except TrainingInterrupted as error:
            raise TrainingInterrupted(
                "stopped; what was tried is remembered: repeat the command to go on"
            ) from error
        finally:
            with suppress(KeyError):  # there is no study any more
                self.study.tell(trial, value, state)
            self._sweep()
        return words

    def _trained(self, trial: optuna.Trial, options: Mapping[str, Value]) -> float:
        """Trains with these options, and says how good that is: less is better. Raises TrialPruned
        where it falls behind."""
        import optuna

        looks = count(1)

        def follow(line: Mapping[str, float], model: Model) -> None:
            if not any(name.startswith("held_out/") for name in line):
                return
            look = next(looks)
            if (value := self.goal.glance(line, model, look)) is not None:
                trial.report(value, look)
                if trial.should_prune():
                    raise optuna.TrialPruned

        run, source = self._begun(trial.number, {**self.said, **_spoken(options)})
        self.goal.meet(run, source)
        return self.goal.final(run_training(run, source, True, follow))

    def _begun(self, number: int, said: Mapping[str, Any]) -> tuple[Run, Any]:
        """The run of a training with all that is said of it."""
        places = ("out", "as_", "through", "quiet")
        usual = {
            option.name: option.default
            for option in registry.options(api.train)
            if option.name not in places
        }
        settings = {name: said.get(name, default) for name, default in usual.items()}
        options = {name: value for name, value in said.items() if name not in {*usual, *places}}
        shutil.rmtree(self.folder(number), ignore_errors=True)
        return open_training(
            self.model,
            self.source,
            self.folder(number),
            said.get("as_"),
            said.get("through"),
            settings,
            options,
        )

    @property
    def _best(self) -> optuna.trial.FrozenTrial | None:
        done = [
            trial
            for trial in self.study.trials
            if trial.value is not None and trial.state.name == "COMPLETE"
        ]
        return min(done, key=lambda trial: trial.value or 0.0) if done else None

    def folder(self, number: int) -> Path:
        """Where a trial's training lies."""
        return self.out / f"trial-{number}"

    def _sweep(self) -> None:
        """Leaves nothing of all trainings but the best."""
        with suppress(KeyError):
            kept = self.folder(self._best.number) if self._best else None
            for folder in self.out.glob("trial-*"):
                if folder != kept and folder.is_dir():
                    shutil.rmtree(folder)


def _spoken(options: Mapping[str, Value]) -> dict[str, Any]:
    """What was chosen, as it is said to a training: numbers with the digits that matter."""
    told = {
        name: float(f"{value:.3g}") if isinstance(value, float) else value
        for name, value in options.items()
    }
    rates = {
        name.removeprefix(LEARNING_RATE): value
        for name, value in told.items()
        if name.startswith(LEARNING_RATE)
    }
    own = {name: value for name, value in told.items() if not name.startswith(LEARNING_RATE)}
    return own | ({"lr": rates} if rates else {})


class Goal:
    """What decides between trainings, as a number of which less is better: the held-out loss that
    decides which weights are kept, where a model has one; else the first metric that fits, on what
    training holds out."""

    evidence: Evidence | None = None

    def __init__(self, decides: str) -> None:
        self.name = self.early_stopping_metric = decides
        self.sign = 1.0

    def meet(self, run: Run, source: Any) -> None:
        """Looks at the model and the data, once. Raises InputError where nothing measures such a
        model."""
        if self.early_stopping_metric or self.evidence:
            return
        model = run.build()
        fitting = registry.fitting(model)
        self.metrics = [registry.load("metrics", name) for name in PREFERRED if name in fitting]
        if not self.metrics:
            raise InputError(
                f"no metric says how good {run.config['model']} is, so that options could be"
                " compared"
            )
        self.evidence = _evidence(
            run, source, isinstance(model, Samples) and model.condition is not None
        )

    def glance(self, line: Mapping[str, float], model: Model, look: int) -> float | None:
        """How good a model in training is, where that is looked at in this step."""
        if self.early_stopping_metric:
            return line.get(self.early_stopping_metric)
        return self._measured(model) if look % SELDOM == 0 else None

    def final(self, run: Run) -> float:
        """How good a trained one is."""
        return (
            run.state["best"]["loss"] if self.early_stopping_metric else self._measured(run.model)
        )

    def shown(self, value: float) -> str:
        """The number as it is called."""
        return f"{self.sign * value:.5g}"

    @torch.no_grad()
    def _measured(self, model: Model) -> float:
        training = model.training
        model.eval()
        try:
            for metric in self.metrics:
                with seeded_rng(0):
                    measured = metric(model, self.evidence)
                for name, larger in measured.larger_is_better.items():
                    if larger is not None:
                        self.name, self.sign = name, -1.0 if larger else 1.0
                        return self.sign * measured.numbers[name].value
        finally:
            model.train(training)
        raise InputError("what training holds out says nothing of how good this model is")


def _evidence(run: Run, source: Any, conditional: bool) -> Evidence:
    """What metrics look at: examples that training holds out, at most so many, and some that it
    learns from."""
    modality, device = run.modality, choose_device()
    train, held = modality.read(source).split(run.config["training"]["held_out"])
    if len(held) < FEWEST:
        raise InputError(
            f"training holds out {len(held)} examples, too few to compare by; give a larger"
            f" {flag('held_out')}"
        )
    features = registry.load("features", modality.features).fit(
        train, modality, run.path.parent / ".features"
    )
    seen, unseen = train.gather(JUDGED).to(device), held.gather(JUDGED).to(device)
    paired = isinstance(modality, ImageFiles) and modality.pairs
    asked = unseen.y if conditional else None
    return Evidence(
        seen, unseen, asked, lambda x: features(x.cpu()), None, modality.frame, None, paired
    )


@dataclass(frozen=True)
class Found:
    """What a search came to."""

    search: Search
    best: optuna.trial.FrozenTrial

    @property
    def run(self) -> Path:
        """The best training, which may be used as it is."""
        return self.search.folder(self.best.number)

    @property
    def command(self) -> str:
        """What trains with the best options, and as long as the model likes."""
        from .jobs import known, words

        search = self.search
        stay = {
            name: value
            for name, value in search.said.items()
            if name not in ("steps", "epochs", "minutes")
        }
        options = known(search.model, search.said, search.source)
        spoken = words(stay | _spoken(self.best.params), options)
        return shlex.join(["ganvas", "train", search.model, search.data, *spoken])

    def table(self) -> Table:
        """Every trial that came to its end, the best first; what is not as by default stands
        out."""
        search = self.search
        done = [
            trial
            for trial in search.study.trials
            if trial.value is not None and trial.state.name == "COMPLETE"
        ]
        table = Table("trial", search.goal.name or "value", *search.choices)
        for trial in sorted(done, key=lambda trial: trial.value or 0.0):
            cells = [_cell(trial.params[name], choice) for name, choice in search.choices.items()]
            table.add_row(str(trial.number), search.goal.shown(trial.value or 0.0), *cells)
        return table

    def to_json(self) -> dict[str, Any]:
        """Plain values: the best run, its number, its options, and the command that trains so
        again."""
        value = self.search.goal.sign * (self.best.value or 0.0)
        return {
            "run": str(self.run),
            "trial": self.best.number,
            "measure": self.search.goal.name,
            "value": value,
            "options": _spoken(self.best.params),
            "command": self.command,
            "trials": len(self.search.study.trials),
        }


def _cell(value: Value, choice: Choice) -> str:
    words = f"{value:.3g}" if isinstance(value, float) else str(value)
    return words if value == choice.default else f"[bold]{words}"
