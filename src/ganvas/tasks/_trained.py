"""A trained run in a person's hands: every task that its model can do is a method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pyarrow import Table, concat_tables

from ..core import (
    Answer,
    Attributes,
    Augmented,
    Clustered,
    Completed,
    Completes,
    Detections,
    Edited,
    Embedded,
    EncodedModality,
    Enlarged,
    Filled,
    Frames,
    Given,
    ImageFile,
    ImageFiles,
    ImageSet,
    InputError,
    Interval,
    LabelledExamples,
    Lossless,
    Made,
    Mask,
    Maskable,
    Masked,
    Modality,
    Model,
    NamedExamples,
    Packed,
    Pairs,
    Restored,
    Scored,
    ScoredStream,
    ScoreFunction,
    Tabular,
    Unpacked,
    data_of,
    held_out_rows,
    image_to_levels,
)
from ..core.options import Context
from ..core.scoring import score_parts
from ..data.images import attributes
from ..evaluation.evaluate import evaluate_run
from ..evaluation.figures import Evaluation
from ..results import cluster_table, embedding_map
from ..results.detection_table import detection_table
from ..results.packed import pack_bytes, unpack_bytes
from ..runs import notebook
from ..runs.available import available_tasks
from ..runs.diagnosis import Diagnosis
from ..runs.run import Run, fingerprint
from ..runtime import registry
from ..runtime.device import choose_device, prepare
from ..runtime.errors import flag
from ..runtime.options import Option, alternatives
from ._inputs import (
    KEPT,
    Source,
    follow_file,
    sources,
    takes_several,
    task_hints,
    wanted_by_position,
)
from ._methods import TaskMethods


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

    def do(self, task: str, *given: Any, **options: Any) -> Answer:
        """Does a task on what is given and gives its answer as tensors. Raises InputError where the
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
            answer: Answer = function(self._able(function), *read, *own, **said)
            return answer

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
        read = lambda source: self._reader(function, {*alternatives(option.type)})(source)  # noqa: E731
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
        return notebook.for_notebook(self._present(self.do(task, *given, **options)))

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
            for part in score_parts(modality, modality.read_any(source), on_device):
                yield replace(part, names=[where + name for name in part.names]) if where else part

    def _able(self, function: Callable[..., Any]) -> Any:
        """The model as a task works with it: where parts of the data may be missing, and it learned
        latents of that, one that fills in the data."""
        model, modality = self.model, self.run.modality
        if not isinstance(modality, EncodedModality) or Masked not in wanted_by_position(function):
            return model
        assert isinstance(model, Completes), "what fills in is asked of a model that can"
        return modality.completing(model)

    def _reader(self, function: Callable[..., Any], kinds: set[Any]) -> Callable[[Any], Source]:
        """What makes of a source what a task wants: examples, perhaps with their names, or what was
        given as it is."""
        modality = self.run.modality
        if NamedExamples in kinds:
            return self._named
        if Attributes in kinds:
            return attributes.read_attributes
        if Mask in kinds and not isinstance(modality, Maskable):
            raise InputError(
                f"{flag('mask')} is for images, and these are {self.run.config['modality']['name']}"
            )
        if kinds & {Masked, Mask} and not (Given in kinds and isinstance(modality, Tabular)):
            if not isinstance(modality, Maskable):
                name = self.run.config["modality"]["name"]
                raise InputError(
                    f"{function.__name__} fills in images, videos, texts and rows; these are {name}"
                )
            return (
                modality.mask
                if Mask in kinds
                else lambda source: modality.masked(source).to(self.model.device)
            )
        if ImageSet in kinds:
            if not isinstance(modality, ImageFiles):
                name = self.run.config["modality"]["name"]
                raise InputError(f"{function.__name__} is for images, and these are {name}")
            return modality.whole
        if LabelledExamples in kinds and not isinstance(modality, Tabular):
            return self._labelled
        if not kinds & {Given, Unpacked, Packed}:
            return lambda source: modality.read(source).gather().x.to(self.model.device)
        if Given in kinds and isinstance(modality, Tabular):
            share = self.run.config["training"]["held_out"]
            return lambda source: modality.given(source, share).to(self.model.device)
        if Given in kinds or not isinstance(modality, Lossless):
            fit = "rows of tables" if Given in kinds else "what can be packed without loss"
            raise InputError(
                f"{function.__name__} is for {fit}, and these are"
                f" {self.run.config['modality']['name']}"
            )
        own = fingerprint(self.run, self.model)
        if Packed in kinds:
            return partial(self._parcel, own)
        return lambda source: Unpacked(*modality.exact(source), own)

    def _parcel(self, own: str, source: bytes | str | Path) -> Packed:
        """What was compressed, in memory or in a file."""
        if isinstance(source, bytes):
            return unpack_bytes(source, "what was given", own)
        if not Path(source).is_file():
            raise InputError(f"{source} does not exist; check the path")
        return unpack_bytes(Path(source).read_bytes(), str(source), own)

    def _named(self, source: Any) -> NamedExamples:
        """Examples with their names, and labels where they have them."""
        parts = [data for data, _ in self.run.modality.read_any(source)]
        wholes = [data.gather() for data in parts]
        labels = [whole.y for whole in wholes if whole.y is not None]
        x = torch.cat([whole.x for whole in wholes]).to(self.model.device)
        names, classes = [name for data in parts for name in data.names], self.run.modality.classes
        return NamedExamples(x, names, torch.cat(labels).to(x.device) if labels else None, classes)

    def _labelled(self, source: Any) -> LabelledExamples:
        """Examples with their classes. Raises InputError where they have none."""
        data, classes = self.run.modality.read(source), self.run.modality.classes
        whole, device = data.gather(), self.model.device
        if whole.y is None:
            lack = "what is given has no labels" if classes else "the training had no labels"
            raise InputError(
                f"{lack}, so there is no class to add to; put images into one sub-folder per class"
            )
        out = held_out_rows(data.keys(), self.run.config["training"]["held_out"])
        return LabelledExamples(whole.x.to(device), whole.y.squeeze(1).to(device), classes, out)

    def _present(self, answer: Answer) -> Any:
        """What a person in Python wants of an answer: examples as they came in; pairs and frames as
        lists of those."""
        modality, present = self.run.modality, self.run.modality.present
        match answer:
            case Made() if isinstance(modality, Tabular):
                return modality.collect(modality.finish(answer.parts))
            case Filled(given, between=Interval() as between) if isinstance(modality, Tabular):
                return modality.collect([modality.ranged(between, given)], given.form)
            case Pairs(between=Interval() as between) if isinstance(modality, Tabular):
                return modality.collect([modality.ranged(between)])
            case Pairs(after=rows) if isinstance(modality, Tabular):
                return present(rows)
            case Pairs(a, b, Interval() as between):
                return list(zip(*map(present, (a, b, *between.ends_like(b.cpu()))), strict=True))
            case Filled(given, draws) if isinstance(modality, Tabular):
                frames = [modality.collect([modality.filled(given, x)], given.form) for x in draws]
                return frames if len(frames) > 1 else frames[0]
            case Augmented(given, added) if isinstance(modality, Tabular) and isinstance(
                given, Given
            ):
                return modality.collect([modality.extended(given, added)], given.form)
            case Augmented(given, added, y) if isinstance(given, LabelledExamples):
                return {
                    name: present(added[y == i])
                    for i, name in enumerate(given.classes)
                    if (y == i).any()
                }
            case Detections() | Embedded() | Clustered():
                tables = _tabled(answer, modality)
                return (
                    modality.collect(tables)
                    if isinstance(modality, Tabular)
                    else concat_tables(tables).to_pandas()
                )
            case Completed(given, draws):
                drawn = [_images(data_of(modality), x, given.form) for x in draws]
                return drawn if len(drawn) > 1 else drawn[0]
            case Edited(frames=frames, names=names, directions=directions):
                walks = [present(walk) for walk in frames.transpose(0, 1)]
                n = len(directions)
                return [
                    dict(zip(directions, walks[i * n : (i + 1) * n], strict=True))
                    for i in range(len(names))
                ]
            case Packed():
                return pack_bytes(answer)
            case Unpacked(codes, rest) if isinstance(modality, Lossless):
                return modality.rebuilt(codes, rest)
            case Restored(given) if isinstance(modality, ImageFiles):
                return modality.album((own for _, _, own in answer.made), given.form)
            case Enlarged(given, _, larger) if isinstance(modality, ImageFiles):
                return modality.album((after for _, after in larger), given.form)
            case Made(examples=x):
                return present(x)
            case Pairs(before=a, after=b):
                return list(zip(present(a), present(b), strict=True))
            case Frames(examples=frames, names=names):
                walks = [present(walk) for walk in frames.transpose(0, 1)]
                return dict(zip(names, walks, strict=True)) if names else walks

    def _repr_html_(self) -> str:
        return notebook.run_html(self.run)

    def __repr__(self) -> str:
        return f"Trained({self.run!r}, can {', '.join(self.tasks)})"


def _images(modality: Modality, x: Sequence[torch.Tensor], form: str) -> Any:
    """Examples of one size or of several as a person in Python wants them."""
    if isinstance(modality, ImageFiles):
        return modality.album((ImageFile(image_to_levels(one, 255)) for one in x), form)
    return modality.present(torch.stack([*x]))


def _tabled(answer: Detections | Embedded | Clustered, modality: Modality) -> list[Table]:
    """What an answer says of each example, one row each, as tables that belong together."""
    match answer:
        case Detections():
            return [detection_table(part, answer.normal, modality) for part in answer.parts]
        case Embedded():
            return [embedding_map.latents_table(answer, modality)]
        case Clustered():
            return [cluster_table.cluster_members(answer, modality)]
