"""A trained run in a person's hands: every task that its model can do is a method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..abilities import Completes
from ..core import InputError, Masked, Model, Result
from ..core.detection import Scored, ScoredStream, ScoreFunction
from ..core.options import Context
from ..evaluation.evaluate import evaluate_run
from ..evaluation.figures import Evaluation
from ..runs import notebook
from ..runs.available import available_tasks
from ..runs.diagnosis import Diagnosis
from ..runs.run import Run
from ..runtime import registry
from ..runtime.device import choose_device, prepare
from ..runtime.options import Option, alternatives
from ._inputs import KEPT, follow_file, sources, takes_several, task_hints, wanted_by_position
from ._methods import TaskMethods
from ._reading import read_input


class Trained(TaskMethods):
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
        self.prepare()
        with torch.no_grad():
            said = self._parsed(function, options)
            read = self._given(function, given, self._endless(function, said))
            own = [self._kept(kind) for kind in task_hints(function).values() if kind in KEPT]
            result: Result = function(self._able(function), *read, *own, **said)
            return result

    def _parsed(self, function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Options as the task takes them, of what was said. Raises InputError for what cannot be
        meant, and for what this run does not heed."""
        known = {option.name: option for option in registry.options(function)}
        return {name: self._meant(known[name], said, function) for name, said in options.items()}

    def _meant(self, option: Option, said: Any, function: Callable[..., Any]) -> Any:
        """What an option means here."""
        if said is None or (option.default is not None and said == option.default):
            return said
        modality, kind = self.run.modality, option.kind
        read = self._reader(function, alternatives(option.type))
        meant = kind.parse(said, Context(option.name, modality, self.source, read))
        if not kind.heeded(self.model, modality):
            model, data = self.run.config["model"], self.run.config["modality"]["name"]
            raise InputError(kind.refusal(option.name, f"a run of {model} on {data}"))
        return meant

    def _endless(self, function: Callable[..., Any], said: Mapping[str, Any]) -> bool:
        """Whether a task was asked to go on for as long as a file grows."""
        return any(
            said.get(option.name, False)
            for option in registry.options(function)
            if option.kind.endless
        )

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
        return partial(self._use, name)

    def __dir__(self) -> list[str]:
        """What this run can be asked: no task that its model is not able to do."""
        others = {*registry.names("tasks")} - {*self.tasks}
        return sorted({*super().__dir__(), *self.tasks} - others)

    def _use(self, task: str, *sources: Any, **options: Any) -> Any:
        given = [source for source in sources if source is not None]
        result = self.do(task, *given, **options)
        return notebook.for_notebook(result.to_python(self.run.modality))

    def _given(
        self, function: Callable[..., Any], sources: Sequence[Any], follow: bool
    ) -> list[Any]:
        """What a task works on: one thing of each source, or of all together what arrives."""
        if not takes_several(function):
            return [*map(self._reader(function, wanted_by_position(function)), sources)]
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
            yield from follow_file(modality, sources, on_device)
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
        if Masked not in wanted_by_position(function):
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
