"""A door for assistants: the verbs of Ganvas as tools of the Model Context Protocol, within two folders and limits."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import wraps
from io import BytesIO
from pathlib import Path
from sys import stderr
from typing import Any, get_args, get_origin

from PIL import Image

from . import __version__, api, delivery, plugins
from .core import PICTURES, Likeness
from .errors import InputError
from .jobs import NAME, Busy, Job, Jobs
from .run import Run

try:
    from mcp.server.mcpserver import Image as Shown
    from mcp.server.mcpserver import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from pydantic import TypeAdapter, ValidationError
except ImportError as error:
    raise InputError("assistants need the Model Context Protocol: pip install 'ganvas[mcp]'") from error

INSTRUCTIONS = """Ganvas trains, judges and uses GANs and autoencoders on pictures, tables, texts and videos. Call `data`
to see what there is, `describe` to see what it is, `train` to start a training (it goes on by itself), `job` to see how it is;
then `runs` says what each run can do, `do` does it, and `evaluate` says how good the run is. Options: see `options`."""

SIDE, BYTES = 512, 300_000
"""Pixels a side, and bytes, that a picture has which is shown."""

SOURCE = 256 * 2**20
"""Bytes of data that a task may be given."""

MOST = {"n": 10_000, "draws": 20, "best": 16, "per_class": 10_000, "k": 1_000, "steps": 1_000, "rounds": 2_000}
"""Of options of tasks, the largest that is done."""

LINES, LETTERS = 12, 4_000
"""Lines of a table or text, and letters of an answer, that are told."""

LISTED = 200
"""Files that are listed."""

OURS = {"out", "quiet", "device", "tensorboard", "compile", "follow"}
"""Options that are not an assistant's to choose."""

FIRST = ("sheet", "before-and-after", "strip", "typical", "map", "series", "beside")
"""Names of the picture that shows best what came out."""


@dataclass(frozen=True)
class Assistant:
    """What an assistant may do: see `runs` and `data`, write below `runs`.

    data: Folder that may be read; without one, the runs alone.
    trainings: How many may be at work at once.
    """

    runs: Path
    data: Path | None = None
    trainings: int = 1

    @property
    def jobs(self) -> Jobs:
        return Jobs(self.runs, self.trainings)

    def tools(self) -> list[Callable[..., Any]]:
        """All that can be asked, each a function with a docstring that says what for."""

        def models() -> str:
            """What can be trained: a line each."""
            return _lines("models")

        def tasks() -> str:
            """What trained runs can be used for: a line each."""
            return _lines("tasks")

        def options(name: str) -> str:
            """Options of a model, a task, or a kind of data (images, tables, texts, videos, windows), as JSON."""
            return json.dumps([{"name": o.name, "takes": str(o.plain).replace("<class ", "").replace(">", ""),
                                "default": None if o.default is o.default.__class__ else str(o.default),
                                "help": o.help} for o in _options(name)])  # fmt: skip

        def runs() -> str:
            """The runs there are: model, how far each came, and what it can do."""
            return "\n".join(self._runs()) or "no run yet; start one with `train`"

        def data() -> str:
            """Files and folders that may be learned from or worked on."""
            return "\n".join(self._data()) or "nothing may be read; start `ganvas mcp` with --data FOLDER"

        def describe(path: str) -> str:
            """What data is, as Ganvas reads it: its kind, how much of it, sizes or columns."""
            source = self.inside(path)
            kind = api.guess(source)
            modality = plugins.load("modalities", kind).learn(str(source))
            return f"{kind}: {modality.describe(modality.read(str(source)))}"

        def train(model: str, path: str, name: str, options: dict[str, Any] | None = None) -> str:
            """Starts a training that goes on by itself, as the run `name`. Options: of the model, of the data, and steps,
            epochs, minutes, batch, seed."""
            given = self._allowed(dict(options or {}), _options(model))
            return _state(self.jobs.start(name, model, self.inside(path), given))

        def job(name: str) -> str:
            """How a training is: its state, its last figures, what is wrong if something is."""
            return _state(self.jobs[name])

        def stop(name: str) -> str:
            """Asks a training to save and end; it can be gone on with."""
            self.jobs[name].stop()
            return _state(self.jobs[name])

        def resume(name: str) -> str:
            """Goes on with a training that was stopped."""
            return _state(self.jobs.resume(self.run(name).path.name))

        def do(task: str, run: str, paths: list[str] | None = None, options: dict[str, Any] | None = None) -> list[Any]:
            """Does a task (sample, detect, complete, ...) with a run, on files where it needs some; shows what came out, and
            says where it lies."""
            return self._do(task, self.run(run), [self.inside(path) for path in paths or []], dict(options or {}))

        def evaluate(run: str, path: str | None = None) -> str:
            """Judges a run, on data it has not seen or on what its training held out: figures, and a verdict in words."""
            source = None if path is None else str(self.inside(path))
            return json.dumps(self._trained(self.run(run)).evaluate(source, quiet=True).to_json())[: 4 * LETTERS]

        return [models, tasks, options, runs, data, describe, train, job, stop, resume, do, evaluate]

    def run(self, name: str) -> Run:
        """A run of this name. Raises InputError where there is none, or the name is a path."""
        if not NAME.fullmatch(name) or not (self.runs / name / "run.json").is_file():
            raise InputError(f"no run is called {name!r}; there are {', '.join(self._names()) or 'none'}")
        return Run(self.runs / name)

    def inside(self, path: str) -> Path:
        """A file or folder that may be read. Raises InputError where it lies elsewhere, is not there, or is too large."""
        homes = [home.resolve() for home in (self.data, self.runs) if home is not None]
        for home in homes:
            found = (home / path).resolve()
            if found.is_relative_to(home) and found.exists() and ".jobs" not in found.parts:
                _weigh(found)
                return found
        raise InputError(f"{path!r} is not among what may be read; `data` lists that")

    def _trained(self, run: Run) -> api.Trained:
        """A run in hand; the data of its training is at hand only where that may be read."""
        trained = api.load(run.path)
        homes = [home.resolve() for home in (self.data, self.runs) if home is not None]
        if trained.source is not None and not any(Path(trained.source).resolve().is_relative_to(h) for h in homes):
            trained.source = None
        return trained

    def _do(self, task: str, run: Run, sources: Sequence[Path], said: dict[str, Any]) -> list[Any]:
        if task not in plugins.names("tasks"):
            raise InputError(f"no task is called {task!r}; there are {', '.join(plugins.names('tasks'))}")
        function = plugins.load("tasks", task)
        read = api.sources_by_option(function)
        given = self._allowed(said, plugins.options(function), set(read))
        for name, most in MOST.items():
            if isinstance(given.get(name), int) and given[name] > most:
                raise InputError(f"{name} is {given[name]:,}; at most {most:,} are done here, more by `ganvas {task}`")
        answer = self._trained(run).do(task, *map(str, sources), **given)
        out = _free(run.path / "answers", task)
        files = delivery.deliver(answer, run.modality, out)
        told = f"wrote {len(files):,} files below {out}\n{json.dumps(delivery.figures(answer))[:LETTERS]}"
        return ["\n".join([told, *_read(files)]), *_shown(files)]

    def _allowed(
        self, said: dict[str, Any], known: Sequence[plugins.Option], read: set[str] = frozenset()  # type: ignore[assignment] # none
    ) -> dict[str, Any]:  # fmt: skip
        """Options of the right types, in which every path may be read. Raises InputError where one is not."""
        by_name = {option.name: option for option in known}
        if unknown := set(said) - set(by_name) | set(said) & OURS:
            raise InputError(f"there is no option {min(unknown)!r}; there are {', '.join(sorted(set(by_name) - OURS))}")
        given = {}
        for name, value in said.items():
            kind = by_name[name].plain
            files = {Path, Likeness} & {by_name[name].type, *get_args(by_name[name].type)}
            if value is not None and (name in read or files):
                given[name] = self.inside(str(value))
            else:
                given[name] = _typed(name, value, kind)
        return given

    def _names(self) -> list[str]:
        return sorted(file.parent.name for file in self.runs.glob("*/run.json"))

    def _runs(self) -> Iterator[str]:
        for name in self._names():
            run = Run(self.runs / name)
            able = plugins.load("models", run.card["model"])
            tasks = [t for t in plugins.names("tasks") if issubclass(able, plugins.needs(plugins.load("tasks", t)))]
            end = "finished" if run.state["finished"] else "not finished"
            yield f"{name}: {run.card['model']}, {run.state['step']:,} rounds, {end}; can {', '.join(tasks)}"

    def _data(self) -> Iterator[str]:
        if self.data is None:
            return
        files = [f for f in sorted(self.data.rglob("*")) if not any(part.startswith(".") for part in f.parts)]
        folders = {f: sum(1 for g in f.iterdir() if g.is_file()) for f in files if f.is_dir()}
        large = {f for f, n in folders.items() if n > LISTED // 10}
        shown = [f for f in files if f.parent not in large]
        for file in shown[:LISTED]:
            much = f"{folders[file]:,} files" if file in folders else f"{file.stat().st_size:,} bytes"
            yield f"{file.relative_to(self.data)}: {much}"
        if len(shown) > LISTED:
            yield f"and {len(shown) - LISTED:,} more"


def server(assistant: Assistant) -> MCPServer:
    """The tools of an assistant, to be spoken to."""
    made = MCPServer("ganvas", version=__version__, instructions=INSTRUCTIONS, log_level="WARNING")
    for tool in assistant.tools():
        made.add_tool(_polite(tool), structured_output=False)
    return made


def serve(runs: Path, data: Path | None, trainings: int) -> None:
    """Speaks to an assistant by standard input and output until it hangs up."""
    if data is not None and not data.is_dir():
        raise InputError(f"{data} is no folder; name one that may be read")
    runs.mkdir(parents=True, exist_ok=True)
    server(Assistant(runs, data, trainings)).run("stdio")


def _polite(tool: Callable[..., Any]) -> Callable[..., Any]:
    """What is wrong is said in a sentence, and nothing but answers goes to standard output, which the protocol speaks by."""

    @wraps(tool)
    def asked(**given: Any) -> Any:
        try:
            with redirect_stdout(stderr):
                return tool(**given)
        except (InputError, Busy) as error:
            raise ToolError(str(error)) from error

    return asked


def _lines(kind: plugins.Kind) -> str:
    return "\n".join(f"{name}: {plugins.summary(kind, name)}" for name in plugins.names(kind))


def _options(name: str) -> list[plugins.Option]:
    """Options of what has this name; of a model, those of training and of every kind of data too."""
    if name in plugins.names("tasks"):
        return plugins.options(plugins.load("tasks", name))
    readers = [plugins.load("modalities", kind).learn for kind in plugins.names("modalities")]
    if name in plugins.names("modalities"):
        return plugins.options(plugins.load("modalities", name).learn)
    all_of_them = [o for plug in (plugins.load("models", name), api.train, *readers) for o in plugins.options(plug)]
    return list({option.name: option for option in reversed(all_of_them)}.values())[::-1]


def _typed(name: str, value: Any, kind: Any) -> Any:
    if isinstance(value, str) and list in map(get_origin, get_args(kind)):
        value = [value]  # a wish that is said once
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise InputError(f"{name} cannot be {value!r}: {error.errors()[0]['msg']}") from None


def _weigh(path: Path) -> None:
    """Raises InputError for data that is too large, and for lists of pictures, which name files anywhere."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    if (size := sum(file.stat().st_size for file in files)) > SOURCE:
        raise InputError(f"{path.name} has {size:,} bytes, and at most {SOURCE:,} are read here; use the command line")
    for file in files:
        if file.suffix.lower() == ".csv":
            with file.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
                if "path" in next(csv.reader(stream), []):
                    raise InputError(f"{file.name} lists paths of pictures; give the folder in which they lie")


def _state(job: Job) -> str:
    """A training in words."""
    lines = [f"{job.name}: {job.state}"]
    if job.error:
        lines.append(job.error)
    if (job.run / "run.json").is_file():
        run = Run(job.run)
        lines += [json.dumps(line) for line in run.read_log()[-1:]] + [f"health: {one}" for one in run.health]
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
            yield f"{file.name} begins:\n" + "".join(line[:300] for _, line in zip(range(LINES), stream, strict=False))


def _shown(files: Sequence[Path]) -> list[Shown]:
    """One small picture of what came out, where there are pictures."""
    pictures = [file for file in files if file.suffix.lower() in PICTURES]
    for file in sorted(pictures, key=lambda f: FIRST.index(f.stem) if f.stem in FIRST else len(FIRST))[:1]:
        with Image.open(file) as picture:
            return [Shown(data=_small(picture.convert("RGB")), format="png")]
    return []


def _small(picture: Image.Image) -> bytes:
    """A picture as PNG, as small as is shown."""
    for side in (SIDE, SIDE // 2, SIDE // 4):
        picture.thumbnail((side, side))
        picture.save(held := BytesIO(), "PNG")
        if held.tell() <= BYTES:
            break
    return held.getvalue()
