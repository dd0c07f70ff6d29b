"""The verbs of Ganvas as tools of the Model Context Protocol, for assistants: within two folders
and limits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import wraps
from io import BytesIO
from itertools import count, islice
from pathlib import Path
from sys import stderr
from typing import Any

from PIL import Image

from .. import __version__, api
from ..core.images import IMAGE_ENDINGS
from ..data._recognition import guess_modality
from ..runs.run import Run
from ..runs.summary import RunSummary
from ..runtime import registry
from ..runtime.errors import InputError, flag
from .spelling import spell_field
from .uploads import find_image_list, list_files

try:
    from mcp.server.mcpserver import Image as ImageContent
    from mcp.server.mcpserver import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from pydantic import TypeAdapter, ValidationError

    from .jobs import NAME, Busy, Job, Jobs
except ImportError as error:
    raise InputError(
        "assistants need the Model Context Protocol: pip install 'ganvas[mcp]'"
    ) from error

INSTRUCTIONS = """Ganvas trains, evaluates and uses GANs and autoencoders on images, tables, texts
and videos. `data` says what there is, `describe` what it is, `train` starts a training, which goes
on by itself, `job` says how it is; then `runs` says what each run can do, `do` does it, and
`evaluate` says how good the run is. Options: see `options`."""

SIDE, BYTES = 512, 300_000
"""Pixels a side, and bytes, of an image that is shown, at most."""

SOURCE = 256 * 2**20
"""Bytes of data that a task may be given."""

MOST = {
    "n": 10_000,
    "draws": 20,
    "best": 16,
    "per_class": 10_000,
    "k": 1_000,
    "steps": 1_000,
    "decoding_steps": 2_000,
    "inversion_steps": 2_000,
}
"""Of options of tasks, the largest that is done."""

LINES, LETTERS = 12, 4_000
"""Lines of a table or text, and letters of an answer, that are shown."""

LISTED = 200
"""Files that are listed."""

OURS = {"out", "quiet", "device", "tensorboard", "tracker", "compile"}
"""Options that are not an assistant's to choose."""

FIRST = ("sheet", "before-and-after", "strip", "typical", "map", "series", "beside")
"""Names of the image that shows best what came out."""


@dataclass(frozen=True)
class Assistant:
    """What an assistant may do: read two folders, write below one. What is public with a docstring
    is a tool.

    home: Folder of runs, which is read and written.
    library: Folder of data that may be read; without one, the runs alone.
    trainings: How many may run at once.
    """

    home: Path
    library: Path | None = None
    trainings: int = 1

    @property
    def tools(self) -> list[Callable[..., Any]]:
        """All that can be asked; the docstring of each says what for."""
        return [
            self.models,
            self.tasks,
            self.options,
            self.runs,
            self.data,
            self.describe,
            self.train,
            self.job,
            self.stop,
            self.resume,
            self.do,
            self.evaluate,
        ]

    def models(self) -> str:
        """What can be trained: a line each."""
        return _list_plugins("models")

    def tasks(self) -> str:
        """What trained runs can be used for: a line each."""
        return _list_plugins("tasks")

    def options(self, name: str, run: str | None = None) -> str:
        """Options of a model, a task, or a kind of data (images, tables, texts, videos, series), as
        JSON.

        run: Of a task, leave out what this run does not heed.
        """
        options = _list_options(name) if run is None else self._heeded_options(name, run)
        return json.dumps([_describe_option(one) for one in options if _is_offered(one)])

    def runs(self) -> str:
        """The runs there are: model, how far each came, and what it can do."""
        return "\n".join(self._describe_runs()) or "no run yet; start one with `train`"

    def data(self) -> str:
        """Files and folders that may be learned from or worked on."""
        listed = "\n".join(self._list_data())
        return listed or "nothing may be read; start `ganvas mcp` with --data FOLDER"

    def describe(self, path: str) -> str:
        """What data is, as Ganvas reads it: its kind, how much of it, sizes or columns."""
        source = self._find_data(path)
        kind = guess_modality(source)
        modality = registry.load("modalities", kind).learn(str(source))
        return f"{kind}: {modality.describe(modality.read(str(source)))}"

    def train(self, model: str, path: str, name: str, options: dict[str, Any] | None = None) -> str:
        """Starts a training that runs by itself, as the run `name`.

        options: those of the model and of the data, and steps, epochs, minutes, batch, seed.
        """
        source = self._find_data(path)
        converted = self._convert_options(options or {}, _list_options(model))
        return _describe_job(self._jobs.start(name, model, source, converted))

    def job(self, name: str) -> str:
        """How a training is: its state, its last figures, what is wrong if something is."""
        return _describe_job(self._jobs[name])

    def stop(self, name: str) -> str:
        """Asks a training to save and end; it can be resumed."""
        self._jobs[name].stop()
        return _describe_job(self._jobs[name])

    def resume(self, name: str) -> str:
        """Resumes a training that was stopped."""
        run = self._find_run(name)
        if self._load(run).source is None:
            raise InputError(
                f"{name} learned from what may not be read here; resume it with `ganvas train"
                f" {flag('resume')}`"
            )
        return _describe_job(self._jobs.resume(run.path.name))

    def do(
        self,
        task: str,
        run: str,
        paths: list[str] | None = None,
        options: dict[str, Any] | None = None,
    ) -> list[Any]:
        """Does a task (sample, detect, complete, ...) with a run, on files where it needs some.

        Shows what came out, and says where it lies.
        """
        if task not in registry.names("tasks"):
            raise InputError(
                f"no task is called {task!r}; there are {', '.join(registry.names('tasks'))}"
            )
        function, found = registry.load("tasks", task), self._find_run(run)
        given = self._convert_options(options or {}, registry.options(function))
        _refuse_too_much(task, given)
        sources = [str(self._find_data(path)) for path in paths or []]
        result = self._load(found).do(task, *sources, **given)
        out = _next_folder(found.path / "answers", task)
        files = result.save(found.modality, out)
        figures = json.dumps(result.figures())[:LETTERS]
        words = [f"wrote {len(files):,} files below {out}", figures, *_read_beginning(files)]
        return ["\n".join(words), *_show_image(files)]

    def evaluate(self, run: str, path: str | None = None) -> str:
        """Evaluates a run, on data it has not seen or on what its training held out: figures, and a
        verdict in words."""
        source = None if path is None else str(self._find_data(path))
        evaluation = self._load(self._find_run(run)).evaluate(source, quiet=True)
        return json.dumps(evaluation.to_json())

    @property
    def _jobs(self) -> Jobs:
        return Jobs(self.home, self.trainings)

    @property
    def _folders(self) -> list[Path]:
        return [folder.resolve() for folder in (self.library, self.home) if folder is not None]

    def _find_run(self, name: str) -> Run:
        """A run of this name. Raises InputError where there is none, or the name is a path."""
        if not NAME.fullmatch(name) or not (self.home / name / "run.json").is_file():
            names = ", ".join(self._list_names()) or "none"
            raise InputError(f"no run is called {name!r}; there are {names}")
        return Run(self.home / name)

    def _find_data(self, path: str) -> Path:
        """A file or folder that may be read. Raises InputError where it lies elsewhere, or is too
        large."""
        for folder in self._folders:
            found = (folder / path).resolve()
            if found.is_relative_to(folder) and found.exists() and ".jobs" not in found.parts:
                _refuse_unreadable(found)
                return found
        raise InputError(f"{path!r} is not among what may be read; `data` lists that")

    def _load(self, run: Run) -> api.Trained:
        """A trained run; the data of its training is at hand only where that may be read."""
        trained = api.load(run.path)
        if trained.source is not None:
            where = Path(trained.source).resolve()
            if not any(where.is_relative_to(folder) for folder in self._folders):
                trained.source = None
        return trained

    def _heeded_options(self, task: str, name: str) -> list[registry.Option]:
        """The options of a task that a run heeds."""
        run, function = self._find_run(name), registry.load("tasks", task)
        make = registry.load("models", run.config["model"])
        return registry.heeded_options(function, make, run.modality)

    def _convert_options(
        self,
        given: Mapping[str, Any],
        known: Sequence[registry.Option],
    ) -> dict[str, Any]:
        """Options of the right types, in which every path may be read. Raises InputError where one
        is not."""
        by_name = {option.name: option for option in known if _is_offered(option)}
        if unknown := set(given) - set(by_name):
            raise InputError(
                f"there is no option {min(unknown)!r}; there are {', '.join(sorted(by_name))}"
            )
        converted = dict[str, Any]()
        for name, value in given.items():
            option = by_name[name]
            is_file = option.kind.names_file or option.takes(Path)
            if value is not None and is_file:
                converted[name] = self._find_data(str(value))
            else:
                converted[name] = _convert(option, value)
        return converted

    def _list_names(self) -> list[str]:
        return sorted(file.parent.name for file in self.home.glob("*/run.json"))

    def _describe_runs(self) -> Iterator[str]:
        for name in self._list_names():
            summary = RunSummary(Run(self.home / name))
            end = "finished" if summary.finished else "not finished"
            tasks = ", ".join(summary.tasks)
            yield f"{name}: {summary.model}, {summary.step:,} steps, {end}; can {tasks}"

    def _list_data(self) -> Iterator[str]:
        """Files and folders, but for what lies in folders of very many."""
        if self.library is None:
            return
        files = [file for file in sorted(self.library.rglob("*")) if not _is_hidden(file)]
        sizes = {file: sum(1 for _ in file.iterdir()) for file in files if file.is_dir()}
        shown = [file for file in files if sizes.get(file.parent, 0) <= LISTED // 10]
        for file in shown[:LISTED]:
            content = f"{file.stat().st_size:,} bytes"
            if file in sizes:
                content = f"a folder of {sizes[file]:,}"
            yield f"{file.relative_to(self.library)}: {content}"
        if len(shown) > LISTED:
            yield f"and {len(shown) - LISTED:,} more"


def server(assistant: Assistant) -> MCPServer:
    """The tools of an assistant, to be spoken to."""
    tools = MCPServer("ganvas", version=__version__, instructions=INSTRUCTIONS, log_level="WARNING")
    for tool in assistant.tools:
        tools.add_tool(_explain_errors(tool), structured_output=False)
    return tools


def serve(runs: Path, data: Path | None, trainings: int) -> None:
    """Speaks to an assistant by standard input and output until it hangs up."""
    if data is not None and not data.is_dir():
        raise InputError(f"{data} is no folder; name one that may be read")
    runs.mkdir(parents=True, exist_ok=True)
    server(Assistant(runs, data, trainings)).run("stdio")


def _explain_errors(tool: Callable[..., Any]) -> Callable[..., Any]:
    """What is wrong is said in a sentence; what is printed stays off standard output, where the
    protocol speaks."""

    @wraps(tool)
    def call_tool(**given: Any) -> Any:
        try:
            with redirect_stdout(stderr):
                return tool(**given)
        except (InputError, Busy) as error:
            raise ToolError(_spell(error)) from error

    return call_tool


def _spell(error: InputError | Busy) -> str:
    return error.spelled(spell_field) if isinstance(error, InputError) else str(error)


def _list_plugins(kind: registry.Kind) -> str:
    return "\n".join(f"{name}: {registry.summary(kind, name)}" for name in registry.names(kind))


def _list_options(name: str) -> list[registry.Option]:
    """Options of what has this name; of a model, those of training and of every kind of data
    too."""
    if name in registry.names("tasks"):
        return registry.options(registry.load("tasks", name))
    readers = [registry.load("modalities", kind).learn for kind in registry.names("modalities")]
    if name in registry.names("modalities"):
        return registry.options(registry.load("modalities", name).learn)
    plugs = [registry.load("models", name), api.train, *readers]
    options = dict[str, registry.Option]()
    for option in [option for plug in plugs for option in registry.options(plug)]:
        options.setdefault(option.name, option)
    return [*options.values()]


def _is_offered(option: registry.Option) -> bool:
    """Whether an option is an assistant's to choose."""
    return option.name not in OURS and not option.kind.endless


def _describe_option(option: registry.Option) -> dict[str, str]:
    return {
        "name": option.name,
        "takes": str(option.plain),
        "default": str(option.default),
        "help": option.help,
    }


def _convert(option: registry.Option, value: Any) -> Any:
    """A value of JSON as an option's type. Raises InputError where it does not fit."""
    if isinstance(value, str) and option.takes(list):
        value = [value]  # a constraint that is said once
    try:
        return TypeAdapter(option.plain).validate_python(value)
    except ValidationError as error:
        raise InputError(f"{option.name} cannot be {value!r}: {error.errors()[0]['msg']}") from None


def _refuse_too_much(task: str, options: Mapping[str, Any]) -> None:
    """Raises InputError where more is asked for than is done for an assistant."""
    for name, most in MOST.items():
        value = options.get(name)
        if isinstance(value, int) and value > most:
            raise InputError(
                f"{name} is {value:,}; at most {most:,} are done here, more by `ganvas {task}`"
            )


def _refuse_unreadable(path: Path) -> None:
    """Raises InputError for data that is too large, and for lists of images, which name files
    anywhere."""
    size = sum(file.stat().st_size for file in list_files(path))
    if size > SOURCE:
        raise InputError(
            f"{path.name} has {size:,} bytes, and at most {SOURCE:,} are read here; use the command"
            " line"
        )
    if listed := find_image_list(path):
        raise InputError(f"{listed.name} lists paths of images; give the folder in which they lie")


def _is_hidden(file: Path) -> bool:
    return any(part.startswith(".") for part in file.parts)


def _describe_job(job: Job) -> str:
    """A training in words."""
    lines = [f"{job.name}: {job.state}"]
    if job.error:
        lines.append(job.error)
    if summary := job.summary:
        lines += [json.dumps(line) for line in summary.run.read_log()[-1:]]
        lines += [f"diagnosis: {words}" for words in summary.diagnoses]
    return "\n".join(lines)[:LETTERS]


def _next_folder(folder: Path, task: str) -> Path:
    """A folder for an answer that is not there yet."""
    numbers = count(1)
    return next(out for n in numbers if not (out := folder / f"{task}-{n}").exists())


def _read_beginning(files: Sequence[Path]) -> Iterator[str]:
    """The beginning of the first table or text."""
    for file in [file for file in files if file.suffix in (".csv", ".txt", ".jsonl")][:1]:
        with file.open(encoding="utf-8", errors="replace") as stream:
            lines = [line[:300] for line in islice(stream, LINES)]
        yield f"{file.name} begins:\n{''.join(lines)}"


def _show_image(files: Sequence[Path]) -> list[ImageContent]:
    """One small image of what came out, where there are images."""
    images = [file for file in files if file.suffix.lower() in IMAGE_ENDINGS]
    if not images:
        return []
    with Image.open(min(images, key=_rank_image)) as image:
        return [ImageContent(data=_encode_small(image.convert("RGB")), format="png")]


def _rank_image(file: Path) -> int:
    return FIRST.index(file.stem) if file.stem in FIRST else len(FIRST)


def _encode_small(image: Image.Image) -> bytes:
    """An image as PNG, as small as is shown."""
    content = BytesIO()
    for side in (SIDE, SIDE // 2, SIDE // 4):
        image.thumbnail((side, side))
        content = BytesIO()
        image.save(content, "PNG")
        if content.tell() <= BYTES:
            break
    return content.getvalue()
