"""Trainings that are asked for: processes of their own, so many at once, on data that was sent."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from shutil import rmtree
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BeforeValidator, Field

from ...core import lists_images
from ...runs.run import Run
from ...runtime import registry
from ...runtime.errors import InputError
from ..jobs import Job, Jobs, refuse_name
from . import forms
from .forms import Source
from .limits import Limits
from .requests import asked, parsed
from .responses import finite
from .run_cache import RunCache, Unknown
from .task_routes import WRONG
from .uploads import Asked, place

TAIL, LINES = 4000, 50  # letters, and lines of losses, that are told
MOST = 20_000  # letters of options: they become words of a command
OURS = {"out", "quiet", "resume", "tracker"}
"""Options that are not for those who ask: where the run goes is known, nobody reads along, and
nothing leaves the machine."""

FORM = forms.formed(
    "training",
    {"data": Source(True, False, frozenset()), "to": Source(False, True, frozenset())},
    {
        "name": (
            Annotated[str, Field(max_length=100)],
            Field(description="What the run shall be called."),
        ),
        "model": (
            Annotated[str, Field(max_length=100)],
            Field(description="The model, such as vae; see /models."),
        ),
        "options": (
            Annotated[
                dict[str, Any],
                BeforeValidator(lambda said: parsed(said) if isinstance(said, str) else said),
            ],
            Field(
                default_factory=dict,
                description="Options as for `ganvas train`; `through` names a run.",
            ),
        ),
    },
    {
        "data": "What to learn from.",
        "to": "Images to turn these into, for models that translate.",
    },
)


class TrainingHandlers:
    """Starts trainings, and tells of them."""

    def __init__(self, shelf: RunCache, limits: Limits) -> None:
        self.shelf, self.limits = shelf, limits
        self.jobs = Jobs(shelf.runs, limits.trainings)
        self.turn = asyncio.Lock()

    async def start(self, request: Request) -> dict[str, Any]:
        asking = await asked(request, FORM, self.limits)
        async with self.turn:
            return await asyncio.to_thread(self._start, asking)

    def _start(self, asking: Asked) -> dict[str, Any]:
        """Keeps the data and starts a training on it. Raises InputError where something is wrong,
        and Busy."""
        name, model = asking.options["name"], asking.options["model"]
        refuse_name(name)
        if model not in registry.names("models"):
            raise InputError(
                f"no model is called {model!r}; there are {', '.join(registry.names('models'))}"
            )
        self.jobs.refuse_more()
        options = self._options(model, asking.options["options"])
        home = self.shelf.runs / ".data" / name
        try:
            home.mkdir(parents=True)
        except FileExistsError:
            raise InputError(
                f"there is a training called {name!r} already; choose another name"
            ) from None
        try:
            paths = {
                own: place(files, home / own, self.limits) for own, files in asking.files.items()
            }
            _refuse_lists(paths, options)
            more = {own: path for own, path in paths.items() if own != "data"}
            job = self.jobs.start(name, model, paths["data"], options | more)
        except InputError as error:
            rmtree(home)
            raise InputError(self.plain(error.words)) from error
        except BaseException:
            rmtree(home)
            raise
        return self.told(job)

    def _options(self, model: str, said: dict[str, Any]) -> dict[str, Any]:
        """Options, in which a run is named and never a path."""
        try:
            written = json.dumps(said, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            written = b"\\u0000"
        if len(written) > MOST or b"\\u0000" in written:
            raise InputError(f"options are up to {MOST:,} letters, which are all to be read")
        if wrong := (OURS | _paths(model)) & set(said):
            raise InputError(f"{min(wrong)!r} is no option of a training that is served")
        if "to" in said:
            raise InputError("images of the other domain are sent as files, as `to`")
        if not isinstance(said.get("as_"), str | None):
            raise InputError(f"`as_` is one of {', '.join(registry.names('modalities'))}")
        if (through := said.get("through")) is None:
            return said
        if not isinstance(through, str):
            raise InputError("`through` names a run")
        return said | {"through": self.shelf.path(through)}

    def told(self, job: Job) -> dict[str, Any]:
        """How a training is."""
        run = Run(job.run) if (job.run / "run.json").is_file() else None
        return {
            "name": job.name,
            "state": job.state,
            "error": self.plain(job.error),
            "said": self.plain(job.said)[-TAIL:],
            "step": run.state["step"] if run else 0,
            "losses": finite(run.read_log()[-LINES:]) if run else [],
            "health": [str(one) for one in run.diagnoses] if run else [],
        }

    def plain(self, words: str) -> str:
        """Words that do not tell where runs lie."""
        return words.replace(str(self.shelf.runs), "RUNS")

    def find(self, name: str) -> Job:
        try:
            return self.jobs[name]
        except InputError as error:
            raise Unknown(str(error)) from None

    def resume(self, name: str) -> dict[str, Any]:
        self.shelf.path(name)
        return self.told(self.jobs.resume(name))

    def stop(self, name: str) -> dict[str, Any]:
        job = self.find(name)
        job.stop()
        return self.told(job)


def _paths(model: str) -> set[str]:
    """Options of a training that take a path, but for those that have another way to be said."""
    plugs = [
        registry.load("models", model),
        *(registry.load("modalities", n).learn for n in registry.names("modalities")),
    ]
    options = [option for plug in plugs for option in registry.options(plug)]
    return {option.name for option in options if option.takes(Path)} - {"to", "through"}


def _refuse_lists(paths: dict[str, Path], options: dict[str, Any]) -> None:
    """Raises InputError for a CSV list of images, which names files of the machine that
    serves."""
    tables = options.get("as_") in ("tables", "texts", "series") and not options.get("through")
    for path in paths.values():
        for file in path.iterdir() if path.is_dir() else [path]:
            if file.suffix.lower() == ".csv" and not tables and lists_images(file):
                raise InputError(
                    f"{file.name} has a column called path, as lists of images have; send the"
                    " images, or say as_: tables"
                )


def routes(office: TrainingHandlers) -> APIRouter:
    """Trainings, and what can be trained."""
    busy: dict[int | str, dict[str, Any]] = {
        429: WRONG[503] | {"description": "As many trainings as are allowed are at work"}
    }
    router = APIRouter(tags=["trainings"], responses=WRONG | busy)

    @router.get("/models", summary="What can be trained, and with what options")
    async def models() -> dict[str, Any]:
        return await asyncio.to_thread(_models)

    @router.get("/jobs", summary="All trainings")
    async def jobs() -> list[dict[str, Any]]:
        return await asyncio.to_thread(
            lambda: [{"name": job.name, "state": job.state} for job in office.jobs]
        )

    @router.post(
        "/jobs",
        status_code=201,
        summary="Train a model on files",
        openapi_extra={"requestBody": forms.body(FORM, raw=False)},
    )
    async def start(request: Request) -> dict[str, Any]:
        return await office.start(request)

    @router.get("/jobs/{name}", summary="How a training is")
    async def job(name: str) -> dict[str, Any]:
        return await asyncio.to_thread(lambda: office.told(office.find(name)))

    @router.post("/jobs/{name}/stop", summary="Save and end")
    async def stop(name: str) -> dict[str, Any]:
        return await asyncio.to_thread(office.stop, name)

    @router.post("/jobs/{name}/resume", summary="Go on where it was stopped")
    async def resume(name: str) -> dict[str, Any]:
        async with office.turn:
            return await asyncio.to_thread(office.resume, name)

    return router


def _models() -> dict[str, Any]:
    """By model what it is, and its options in words."""
    return {
        name: {
            "summary": registry.summary("models", name),
            "options": {
                o.name: {
                    "type": str(o.plain),
                    "default": json.loads(json.dumps(o.default, default=str)),
                    "help": o.help,
                }
                for o in registry.options(registry.load("models", name))
            },
        }
        for name in registry.names("models")
    }
