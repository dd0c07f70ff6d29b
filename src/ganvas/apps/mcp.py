"""A door for assistants: the verbs of Ganvas as tools of the Model Context Protocol, within two
folders and limits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import wraps
from io import BytesIO
from pathlib import Path
from sys import stderr
from typing import Any

from PIL import Image

from .. import __version__, api
from ..core import IMAGE_ENDINGS, lists_images
from ..data._recognition import guess_modality
from ..results import save as delivery
from ..runs.available import available_tasks
from ..runs.run import Run
from ..runtime import registry
from ..runtime.errors import InputError
from .spelling import spell_field

try:
    from mcp.server.mcpserver import Image as Shown
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
"""Pixels a side, and bytes, that an image has which is shown."""

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
"""Lines of a table or text, and letters of an answer, that are told."""

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
    trainings: How many may be at work at once.
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
        return _lines("models")

    def tasks(self) -> str:
        """What trained runs can be used for: a line each."""
        return _lines("tasks")

    def options(self, name: str, run: str | None = None) -> str:
        """Options of a model, a task, or a kind of data (images, tables, texts, videos, series), as
        JSON.

        run: Of a task, leave out what this run does not heed.
        """
        return json.dumps(
            [
                {
                    "name": option.name,
                    "takes": str(option.plain),
                    "default": str(option.default),
                    "help": option.help,
                }
                for option in (_options(name) if run is None else self._heeded(name, run))
                if option.name not in OURS and not option.kind.endless
            ]
        )

    def runs(self) -> str:
        """The runs there are: model, how far each came, and what it can do."""
        return "\n".join(self._runs()) or "no run yet; start one with `train`"

    def data(self) -> str:
        """Files and folders that may be learned from or worked on."""
        return (
            "\n".join(self._data()) or "nothing may be read; start `ganvas mcp` with --data FOLDER"
        )

    def describe(self, path: str) -> str:
        """What data is, as Ganvas reads it: its kind, how much of it, sizes or columns."""
        source = self._inside(path)
        kind = guess_modality(source)
        modality = registry.load("modalities", kind).learn(str(source))
        return f"{kind}: {modality.describe(modality.read(str(source)))}"

    def train(self, model: str, path: str, name: str, options: dict[str, Any] | None = None) -> str:
        """Starts a training that goes on by itself, as the run `name`.

        options: those of the model and of the data, and steps, epochs, minutes, batch, seed.
        """
        return _state(
            self._jobs.start(
                name, model, self._inside(path), self._allowed(options or {}, _options(model))
            )
        )

    def job(self, name: str) -> str:
        """How a training is: its state, its last figures, what is wrong if something is."""
        return _state(self._jobs[name])

    def stop(self, name: str) -> str:
        """Asks a training to save and end; it can be gone on with."""
        self._jobs[name].stop()
        return _state(self._jobs[name])

    def resume(self, name: str) -> str:
        """Goes on with a training that was stopped."""
        if self._trained(run := self._run(name)).source is None:
            raise InputError(
                f"{name} learned from what may not be read here; go on with `ganvas train --resume`"
            )
        return _state(self._jobs.resume(run.path.name))

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
        function, found = registry.load("tasks", task), self._run(run)
        given = self._allowed(options or {}, registry.options(function))
        for name, most in MOST.items():
            if isinstance(given.get(name), int) and given[name] > most:
                raise InputError(
                    f"{name} is {given[name]:,}; at most {most:,} are done here, more by `ganvas"
                    f" {task}`"
                )
        answer = self._trained(found).do(
            task, *(str(self._inside(path)) for path in paths or []), **given
        )
        out = _free(found.path / "answers", task)
        files = delivery.save_result(answer, found.modality, out)
        told = (
            f"wrote {len(files):,} files below"
            f" {out}\n{json.dumps(delivery.figures(answer))[:LETTERS]}"
        )
        return ["\n".join([told, *_read(files)]), *_shown(files)]

    def evaluate(self, run: str, path: str | None = None) -> str:
        """Judges a run, on data it has not seen or on what its training held out: figures, and a
        verdict in words."""
        source = None if path is None else str(self._inside(path))
        return json.dumps(self._trained(self._run(run)).evaluate(source, quiet=True).to_json())

    def _heeded(self, task: str, name: str) -> list[registry.Option]:
        """The options of a task that a run heeds."""
        run, function = self._run(name), registry.load("tasks", task)
        make = registry.load("models", run.config["model"])
        return registry.heeded_options(function, make, run.modality)

    @property
    def _jobs(self) -> Jobs:
        return Jobs(self.home, self.trainings)

    @property
    def _folders(self) -> list[Path]:
        return [folder.resolve() for folder in (self.library, self.home) if folder is not None]

    def _run(self, name: str) -> Run:
        """A run of this name. Raises InputError where there is none, or the name is a path."""
        if not NAME.fullmatch(name) or not (self.home / name / "run.json").is_file():
            raise InputError(
                f"no run is called {name!r}; there are {', '.join(self._names()) or 'none'}"
            )
        return Run(self.home / name)

    def _inside(self, path: str) -> Path:
        """A file or folder that may be read. Raises InputError where it lies elsewhere, or is too
        large."""
        for folder in self._folders:
            found = (folder / path).resolve()
            if found.is_relative_to(folder) and found.exists() and ".jobs" not in found.parts:
                _weigh(found)
                return found
        raise InputError(f"{path!r} is not among what may be read; `data` lists that")

    def _trained(self, run: Run) -> api.Trained:
        """A run in hand; the data of its training is at hand only where that may be read."""
        trained = api.load(run.path)
        if trained.source is not None:
            where = Path(trained.source).resolve()
            trained.source = (
                trained.source if any(where.is_relative_to(one) for one in self._folders) else None
            )
        return trained

    def _allowed(
        self,
        said: Mapping[str, Any],
        known: Sequence[registry.Option],
    ) -> dict[str, Any]:
        """Options of the right types, in which every path may be read. Raises InputError where one
        is not."""
        by_name = {option.name: option for option in known}
        ours = OURS | {option.name for option in known if option.kind.endless}
        if unknown := set(said) - set(by_name) | set(said) & ours:
            raise InputError(
                f"there is no option {min(unknown)!r}; there are"
                f" {', '.join(sorted(set(by_name) - ours))}"
            )
        given = {}
        for name, value in said.items():
            option = by_name[name]
            if value is not None and (option.kind.names_file or option.takes(Path)):
                given[name] = self._inside(str(value))
            else:
                given[name] = _typed(option, value)
        return given

    def _names(self) -> list[str]:
        return sorted(file.parent.name for file in self.home.glob("*/run.json"))

    def _runs(self) -> Iterator[str]:
        for name in self._names():
            run = Run(self.home / name)
            tasks = ", ".join(
                available_tasks(registry.load("models", run.config["model"]), run.modality)
            )
            end = "finished" if run.state["finished"] else "not finished"
            yield f"{name}: {run.config['model']}, {run.state['step']:,} steps, {end}; can {tasks}"

    def _data(self) -> Iterator[str]:
        if self.library is None:
            return
        files = [
            f
            for f in sorted(self.library.rglob("*"))
            if not any(part.startswith(".") for part in f.parts)
        ]
        folders = {f: sum(1 for _ in f.iterdir()) for f in files if f.is_dir()}
        large = {f for f, n in folders.items() if n > LISTED // 10}
        shown = [f for f in files if f.parent not in large]
        for file in shown[:LISTED]:
            much = (
                f"a folder of {folders[file]:,}"
                if file in folders
                else f"{file.stat().st_size:,} bytes"
            )
            yield f"{file.relative_to(self.library)}: {much}"
        if len(shown) > LISTED:
            yield f"and {len(shown) - LISTED:,} more"


def server(assistant: Assistant) -> MCPServer:
    """The tools of an assistant, to be spoken to."""
    made = MCPServer("ganvas", version=__version__, instructions=INSTRUCTIONS, log_level="WARNING")
    for tool in assistant.tools:
        made.add_tool(_polite(tool), structured_output=False)
    return made


def serve(runs: Path, data: Path | None, trainings: int) -> None:
    """Speaks to an assistant by standard input and output until it hangs up."""
    if data is not None and not data.is_dir():
        raise InputError(f"{data} is no folder; name one that may be read")
    runs.mkdir(parents=True, exist_ok=True)
    server(Assistant(runs, data, trainings)).run("stdio")


def _polite(tool: Callable[..., Any]) -> Callable[..., Any]:
    """What is wrong is said in a sentence; what is printed stays off standard output, where the
    protocol speaks."""

    @wraps(tool)
    def asked(**given: Any) -> Any:
        try:
            with redirect_stdout(stderr):
                return tool(**given)
        except (InputError, Busy) as error:
            raise ToolError(_said_here(error)) from error

    return asked


def _said_here(error: InputError | Busy) -> str:
    return error.spelled(spell_field) if isinstance(error, InputError) else str(error)


def _lines(kind: registry.Kind) -> str:
    return "\n".join(f"{name}: {registry.summary(kind, name)}" for name in registry.names(kind))


def _options(name: str) -> list[registry.Option]:
    """Options of what has this name; of a model, those of training and of every kind of data
    too."""
    if name in registry.names("tasks"):
        return registry.options(registry.load("tasks", name))
    readers = [registry.load("modalities", kind).learn for kind in registry.names("modalities")]
    if name in registry.names("modalities"):
        return registry.options(registry.load("modalities", name).learn)
    all_of_them = [
        o
        for plug in (registry.load("models", name), api.train, *readers)
        for o in registry.options(plug)
    ]
    return list({option.name: option for option in reversed(all_of_them)}.values())[::-1]


def _typed(option: registry.Option, value: Any) -> Any:
    if isinstance(value, str) and option.takes(list):
        value = [value]  # a constraint that is said once
    try:
        return TypeAdapter(option.plain).validate_python(value)
    except ValidationError as error:
        raise InputError(f"{option.name} cannot be {value!r}: {error.errors()[0]['msg']}") from None


def _weigh(path: Path) -> None:
    """Raises InputError for data that is too large, and for lists of images, which name files
    anywhere."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    if (size := sum(file.stat().st_size for file in files)) > SOURCE:
        raise InputError(
            f"{path.name} has {size:,} bytes, and at most {SOURCE:,} are read here; use the command"
            " line"
        )
    for file in files:
        if file.suffix.lower() == ".csv" and lists_images(file):
            raise InputError(
                f"{file.name} lists paths of images; give the folder in which they lie"
            )


def _state(job: Job) -> str:
    """A training in words."""
    lines = [f"{job.name}: {job.state}"]
    if job.error:
        lines.append(job.error)
    if (job.run / "run.json").is_file():
        run = Run(job.run)
        lines += [json.dumps(line) for line in run.read_log()[-1:]] + [
            f"health: {one}" for one in run.diagnoses
        ]
    return "\n".join(lines)[:LETTERS]


def _free(folder: Path, task: str) -> Path:
    """A folder for an answer that is not there yet."""
    number = 1
    while (folder / f"{task}-{number}").exists():
        number += 1
    return folder / f"{task}-{number}"


def _read(files: Sequence[Path]) -> Iterator[str]:
    """The beginning of the first table or text."""
    for file in [file for file in files if file.suffix in (".csv", ".txt", ".jsonl")][:1]:
        with file.open(encoding="utf-8", errors="replace") as stream:
            yield f"{file.name} begins:\n" + "".join(
                line[:300] for _, line in zip(range(LINES), stream, strict=False)
            )


def _shown(files: Sequence[Path]) -> list[Shown]:
    """One small image of what came out, where there are images."""
    images = [file for file in files if file.suffix.lower() in IMAGE_ENDINGS]
    for file in sorted(
        images, key=lambda f: FIRST.index(f.stem) if f.stem in FIRST else len(FIRST)
    )[:1]:
        with Image.open(file) as image:
            return [Shown(data=_small(image.convert("RGB")), format="png")]
    return []


def _small(image: Image.Image) -> bytes:
    """An image as PNG, as small as is shown."""
    for side in (SIDE, SIDE // 2, SIDE // 4):
        image.thumbnail((side, side))
        image.save(held := BytesIO(), "PNG")
        if held.tell() <= BYTES:
            break
    return held.getvalue()
