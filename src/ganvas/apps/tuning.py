"""Hyperparameter search: many short trainings on one's own data, each chosen by what became of
others (Optuna).

What is searched is read from the signature: numbers around their defaults, words and switches in
all their kinds, and how fast each player learns. An option that is given stays as it is.
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
from ..abilities import Samples
from ..core import Evidence, InputError, Model, seeded_rng
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

SCORED = 1000  # held-out examples, at most
FEWEST = 10
SELDOM = 3
"""Of the times that a training looks at held-out examples, each so many-th measures it too."""
LEARNING_RATE = "lr."
PREFERRED = (
    "frechet",
    "restoration",
    "super_resolution",
    "translation",
    "inpainting",
    "reconstruction",
)
"""Of metrics that fit a model without an early-stopping metric, the first of these scores it."""


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


def choices(make: type[Model], given: Mapping[str, Any]) -> dict[str, Choice]:
    """What is searched for a model: of its options all that were not given and have more than one
    sensible value.

    Numbers that are zero by default stay: zero stands for none, or for what fits, and nothing says
    what else would be sensible. So do those that say what is to be learned rather than how,
    `Model.objective_options`.
    """
    fixed = {*given, *make.objective_options}
    options = [option for option in registry.options(make) if option.name not in fixed]
    found = {option.name: choice for option in options if (choice := _choice(option))}
    if "lr" not in given:
        for player, optimizer in make.players.items():
            lr = optimizer.keywords["lr"]  # type: ignore[attr-defined] # partials
            found[f"{LEARNING_RATE}{player}"] = _around(lr, FASTER)
    return found


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
    **given: Any,
) -> SearchResult:
    """Searches a model's options for those with which it does best on what training holds out.

    Arguments:
        model: Name of the model.
        source: Files, or arrays, tensors or images in memory.
        trials: Trainings to try, with those that are given up early.
        minutes_each: Time of each training, where --steps or --epochs does not say it.
        out: Folder of the search; by default runs/tune-MODEL-SOURCE.
        storage: File that remembers the trials; by default in the folder of the search.
        quiet: Say nothing on the way.
        given: Options of the training, the modality and the model, which stay as they are.

    Raises InputError where an option is wrong or nothing measures the model, Interrupted after
    Ctrl-C: the same again goes on.
    """
    if not find_spec("optuna"):
        raise InputError("ganvas tune needs an extra: pip install 'ganvas[tune]'")
    if trials < 1:
        raise InputError(f"{flag('trials')} is {trials}; it must be at least 1")
    given = {name: value for name, value in given.items() if value is not None}
    given |= {"minutes": minutes_each} if minutes_each else {}
    out = Path(out or f"runs/tune-{model}-{source_name(source)}")
    search = Search(model, source, out, given, Path(storage or out / "trials.db"), quiet)
    return search.run(trials)


class Search:
    """Many short trainings of a model, in a folder; goes on with what is remembered.

    given: Options that stay.
    """

    def __init__(
        self,
        model: str,
        source: Any,
        out: Path,
        given: Mapping[str, Any],
        storage: Path,
        quiet: bool,
    ) -> None:
        self.model, self.source, self.given = model, source, given
        self.out, self.storage = out, storage
        self.console = Console(stderr=True, quiet=quiet, highlight=False, markup=False)
        self.make = registry.load("models", model)
        self.choices = choices(self.make, given)
        self.goal = Goal(self.make.defaults.early_stopping_metric)
        self.study = self._open_study()
        self.goal.name, self.goal.sign = self.study.user_attrs.get(
            "measure", (self.goal.name, self.goal.sign)
        )

    def _open_study(self) -> optuna.Study:
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
        # resuming is no repetition
        study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))
        asked = json.dumps({"data": self.data, **self.given}, default=str)
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

    def run(self, trials: int) -> SearchResult:
        """Tries until there are so many. The first trial is the model as it is."""
        done = [trial for trial in self.study.trials if trial.state.name in ("COMPLETE", "PRUNED")]
        for number in range(len(done) + 1, trials + 1):
            self.console.print(f"trial {number} of {trials}: {self._run_trial()}", soft_wrap=True)
        if not self.complete:
            raise InputError(
                f"no training came to its end; give each more {flag('steps')}, or try more of them"
            )
        best = self.complete[0]
        run = Run(self.folder(best.number))
        if not (run.path / "report.html").exists():
            run_training(run, self.source, quiet=True)
        return SearchResult(self, best)

    def _run_trial(self) -> str:
        """One more training, of which nothing stays unless it is the best so far; what came of it,
        in words."""
        import optuna

        states = optuna.trial.TrialState
        trial = self.study.ask()
        options = {name: choice.suggest(name, trial) for name, choice in self.choices.items()}
        value, state, words = None, states.FAIL, ""
        try:
            value = self._train(trial, options)
            self.study.set_user_attr("measure", (self.goal.name, self.goal.sign))
            state, words = states.COMPLETE, f"{self.goal.name} {self.goal.format(value)}"
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
            self._remove_losers()
        return words

    def _train(self, trial: optuna.Trial, options: Mapping[str, Value]) -> float:
        """Trains with these options, and says how good that is: less is better. Raises TrialPruned
        where it falls behind."""
        import optuna

        looks = count(1)

        def follow(line: Mapping[str, float], model: Model) -> None:
            if not any(name.startswith("held_out/") for name in line):
                return
            look = next(looks)
            if (value := self.goal.score_step(line, model, look)) is not None:
                trial.report(value, look)
                if trial.should_prune():
                    raise optuna.TrialPruned

        run, source = self._open_run(trial.number, {**self.given, **_to_options(options)})
        self.goal.prepare(run, source)
        return self.goal.score_run(run_training(run, source, True, follow))

    def _open_run(self, number: int, given: Mapping[str, Any]) -> tuple[Run, Any]:
        """The run of a training with these options, and its source as it is read."""
        places = ("out", "as_", "through", "quiet")
        known = [one for one in registry.options(api.train) if one.name not in places]
        settings = {option.name: given.get(option.name, option.default) for option in known}
        others = {*settings, *places}
        options = {name: value for name, value in given.items() if name not in others}
        shutil.rmtree(self.folder(number), ignore_errors=True)
        return open_training(
            self.model,
            self.source,
            self.folder(number),
            given.get("as_"),
            given.get("through"),
            settings,
            options,
        )

    @property
    def complete(self) -> list[optuna.trial.FrozenTrial]:
        """Trials that came to their end, the best first."""
        trials = [trial for trial in self.study.trials if trial.state.name == "COMPLETE"]
        return sorted(trials, key=_value_of)

    def folder(self, number: int) -> Path:
        """Where a trial's training lies."""
        return self.out / f"trial-{number}"

    def _remove_losers(self) -> None:
        """Leaves nothing of all trainings but the best."""
        with suppress(KeyError):
            kept = [self.folder(trial.number) for trial in self.complete[:1]]
            for folder in self.out.glob("trial-*"):
                if folder not in kept and folder.is_dir():
                    shutil.rmtree(folder)


def _value_of(trial: optuna.trial.FrozenTrial) -> float:
    """Less is better."""
    return torch.inf if trial.value is None else trial.value


def _to_options(chosen: Mapping[str, Value]) -> dict[str, Any]:
    """What was chosen, as options of a training: numbers with the digits that matter."""
    options, rates = dict[str, Any](), dict[str, Any]()
    for name, value in chosen.items():
        short = float(f"{value:.3g}") if isinstance(value, float) else value
        if name.startswith(LEARNING_RATE):
            rates[name.removeprefix(LEARNING_RATE)] = short
        else:
            options[name] = short
    return options | ({"lr": rates} if rates else {})


class Goal:
    """What decides between trainings, as a number of which less is better: the early-stopping
    metric, where a model has one; else the first metric that fits, on what training holds out."""

    evidence: Evidence | None = None

    def __init__(self, early_stopping_metric: str) -> None:
        self.name = self.early_stopping_metric = early_stopping_metric
        self.sign = 1.0

    def prepare(self, run: Run, source: Any) -> None:
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
        conditional = isinstance(model, Samples) and model.condition is not None
        self.evidence = _gather_evidence(run, source, conditional)

    def score_step(self, line: Mapping[str, float], model: Model, look: int) -> float | None:
        """How good a model in training is, where that is looked at in this step."""
        if self.early_stopping_metric:
            return line.get(self.early_stopping_metric)
        return self._measure(model) if look % SELDOM == 0 else None

    def score_run(self, run: Run) -> float:
        """How good a trained one is."""
        if self.early_stopping_metric:
            return float(run.state["best"]["loss"])
        return self._measure(run.model)

    def format(self, value: float) -> str:
        """The number as its name says."""
        return f"{self.sign * value:.5g}"

    @torch.no_grad()
    def _measure(self, model: Model) -> float:
        training = model.training
        model.eval()
        try:
            for metric in self.metrics:
                with seeded_rng(0):
                    measured = metric(model, self.evidence)
                for name, larger in measured.larger_is_better.items():
                    if larger is not None:
                        self.name, self.sign = name, -1.0 if larger else 1.0
                        return self.sign * float(measured.numbers[name].value)
        finally:
            model.train(training)
        raise InputError("what training holds out says nothing of how good this model is")


def _gather_evidence(run: Run, source: Any, conditional: bool) -> Evidence:
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
    seen, unseen = train.gather(SCORED).to(device), held.gather(SCORED).to(device)
    paired = modality.pairs
    asked = unseen.y if conditional else None
    return Evidence(
        seen, unseen, asked, lambda x: features(x.cpu()), None, modality.frame, None, paired
    )


@dataclass(frozen=True)
class SearchResult:
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
        from .jobs import spell_options, training_options

        search = self.search
        lengths = ("steps", "epochs", "minutes")
        given = {name: value for name, value in search.given.items() if name not in lengths}
        options = training_options(search.model, search.given, search.source)
        words = spell_options(given | _to_options(self.best.params), options)
        return shlex.join(["ganvas", "train", search.model, search.data, *words])

    def table(self) -> Table:
        """Every trial that came to its end, the best first; what is not as by default stands
        out."""
        search = self.search
        table = Table("trial", search.goal.name or "value", *search.choices)
        for trial in search.complete:
            cells = [
                _format_cell(trial.params[name], choice) for name, choice in search.choices.items()
            ]
            table.add_row(str(trial.number), search.goal.format(_value_of(trial)), *cells)
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
            "options": _to_options(self.best.params),
            "command": self.command,
            "trials": len(self.search.study.trials),
        }


def _format_cell(value: Value, choice: Choice) -> str:
    words = f"{value:.3g}" if isinstance(value, float) else str(value)
    return words if value == choice.default else f"[bold]{words}"
