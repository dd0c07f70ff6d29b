"""Trainings that are asked for: processes of their own, so many at once, on data that was sent."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from shutil import rmtree
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BeforeValidator, Field

from ...runtime import registry
from ...runtime.errors import InputError
from ..jobs import Job, Jobs, refuse_name
from ..uploads import find_image_list
from . import forms
from .forms import Source
from .limits import Limits
from .requests import TaskRequest, parse_json, read_request
from .responses import finite
from .run_cache import RunCache, RunNotFound
from .schemas import ERRORS, error_schema
from .uploads import write_uploads

TAIL, LINES = 4000, 50  # letters of the log, and lines of losses, that are shown
MOST = 20_000  # letters of options: they become words of a command
OURS = {"out", "quiet", "resume", "tracker"}
"""Options that are not for those who ask: where the run goes is known, nobody reads along, and
nothing leaves the machine."""


def _parse_options(options: Any) -> Any:
    """Options of a form with files, which come as JSON in a string."""
    return parse_json(options) if isinstance(options, str) else options


FORM = forms.build_form(
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
            Annotated[dict[str, Any], BeforeValidator(_parse_options)],
            Field(
                default_factory=dict,
                description="Options as for `ganvas train`; `through` names a run.",
            ),
        ),
    },
    {
        "data": "What to learn from.",
        "to": "Images of the target domain, for models that translate.",
    },
)


class TrainingHandlers:
    """Starts trainings, and tells of them."""

    def __init__(self, run_cache: RunCache, limits: Limits) -> None:
        self.run_cache, self.limits = run_cache, limits
        self.jobs = Jobs(run_cache.runs, limits.trainings)
        self.turn = asyncio.Lock()

    async def start(self, request: Request) -> dict[str, Any]:
        """Starts the training that a request describes."""
        asked = await read_request(request, FORM, self.limits)
        async with self.turn:
            return await asyncio.to_thread(self._start, asked)

    def _start(self, asked: TaskRequest) -> dict[str, Any]:
        """Keeps the data and starts a training on it. Raises InputError where something is wrong,
        and Busy."""
        name, model = asked.options["name"], asked.options["model"]
        refuse_name(name)
        registry.load("models", model)
        self.jobs.refuse_more()
        options = self._check_options(model, asked.options["options"])
        home = self.run_cache.runs / ".data" / name
        try:
            home.mkdir(parents=True)
        except FileExistsError:
            raise InputError(
                f"there is a training called {name!r} already; choose another name"
            ) from None
        try:
            job = self._launch(name, model, options, asked, home)
        except InputError as error:
            rmtree(home)
            raise InputError(self.run_cache.hide_paths(error.words)) from error
        except BaseException:
            rmtree(home)
            raise
        return self.describe(job)

    def _launch(
        self, name: str, model: str, options: dict[str, Any], asked: TaskRequest, home: Path
    ) -> Job:
        paths = {
            source: write_uploads(files, home / source, self.limits)
            for source, files in asked.files.items()
        }
        _refuse_image_lists(paths, options)
        data = paths.pop("data")
        return self.jobs.start(name, model, data, options | paths)

    def _check_options(self, model: str, options: dict[str, Any]) -> dict[str, Any]:
        """Options, in which a run is named and never a path."""
        _refuse_unreadable(options)
        if wrong := (OURS | _path_options(model)) & set(options):
            raise InputError(f"{min(wrong)!r} is no option of a training that is served")
        if "to" in options:
            raise InputError("images of the target domain are sent as files, as `to`")
        if not isinstance(options.get("as_"), str | None):
            raise InputError(f"`as_` is one of {', '.join(registry.names('modalities'))}")
        through = options.get("through")
        if through is None:
            return options
        if not isinstance(through, str):
            raise InputError("`through` names a run")
        return options | {"through": self.run_cache.path(through)}

    def describe(self, job: Job) -> dict[str, Any]:
        """How a training is."""
        summary = job.summary
        return {
            "name": job.name,
            "state": job.state,
            "error": self.run_cache.hide_paths(job.error),
            "log": self.run_cache.hide_paths(job.log)[-TAIL:],
            "step": summary.step if summary else 0,
            "losses": finite(summary.run.read_log()[-LINES:]) if summary else [],
            "diagnoses": summary.diagnoses if summary else [],
        }

    def list_jobs(self) -> list[dict[str, Any]]:
        """All trainings in short."""
        return [{"name": job.name, "state": job.state} for job in self.jobs]

    def find(self, name: str) -> Job:
        """A training of this name. Raises RunNotFound where there is none."""
        try:
            return self.jobs[name]
        except InputError as error:
            raise RunNotFound(str(error)) from None

    def resume(self, name: str) -> dict[str, Any]:
        """Goes on where a training was stopped."""
        self.run_cache.path(name)
        return self.describe(self.jobs.resume(name))

    def stop(self, name: str) -> dict[str, Any]:
        """Asks a training to save and end."""
        job = self.find(name)
        job.stop()
        return self.describe(job)


def _refuse_unreadable(options: dict[str, Any]) -> None:
    """Raises InputError for options that are too long, or no text, to be words of a command."""
    try:
        written = json.dumps(options, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        written = b"\\u0000"
    if len(written) > MOST or b"\\u0000" in written:
        raise InputError(f"options are up to {MOST:,} letters, which are all to be read")


def _path_options(model: str) -> set[str]:
    """Options of a training that take a path, but for those that have another way to be said."""
    readers = [registry.load("modalities", name).learn for name in registry.names("modalities")]
    plugins = [registry.load("models", model), *readers]
    options = [option for plugin in plugins for option in registry.options(plugin)]
    return {option.name for option in options if option.takes(Path)} - {"to", "through"}


def _refuse_image_lists(paths: dict[str, Path], options: dict[str, Any]) -> None:
    """Raises InputError for a CSV list of images, which names files of the machine that
    serves."""
    kind = options.get("as_")
    if kind and not options.get("through") and not registry.load("modalities", kind).lists:
        return  # to which a column called path is a column like any other
    for path in paths.values():
        if listed := find_image_list(path):
            raise InputError(
                f"{listed.name} has a column called path, as lists of images have; send the"
                " images, or say as_: tables"
            )


def routes(handlers: TrainingHandlers) -> APIRouter:
    """Trainings, and what can be trained."""
    busy = error_schema("As many trainings as are allowed are running")
    router = APIRouter(tags=["trainings"], responses={**ERRORS, 429: busy})

    @router.get("/models", summary="What can be trained, and with what options")
    async def models() -> dict[str, Any]:
        return await asyncio.to_thread(_describe_models)

    @router.get("/jobs", summary="All trainings")
    async def jobs() -> list[dict[str, Any]]:
        return await asyncio.to_thread(handlers.list_jobs)

    @router.post(
        "/jobs",
        status_code=201,
        summary="Train a model on files",
        openapi_extra={"requestBody": forms.request_body(FORM, raw=False)},
    )
    async def start(request: Request) -> dict[str, Any]:
        return await handlers.start(request)

    @router.get("/jobs/{name}", summary="How a training is")
    async def job(name: str) -> dict[str, Any]:
        return await asyncio.to_thread(lambda: handlers.describe(handlers.find(name)))

    @router.post("/jobs/{name}/stop", summary="Save and end")
    async def stop(name: str) -> dict[str, Any]:
        return await asyncio.to_thread(handlers.stop, name)

    @router.post("/jobs/{name}/resume", summary="Resume where it was stopped")
    async def resume(name: str) -> dict[str, Any]:
        async with handlers.turn:
            return await asyncio.to_thread(handlers.resume, name)

    return router


def _describe_models() -> dict[str, Any]:
    """By model what it is, and its options in words."""
    return {
        name: {
            "summary": registry.summary("models", name),
            "options": _describe_options(registry.load("models", name)),
        }
        for name in registry.names("models")
    }


def _describe_options(plugin: Any) -> dict[str, Any]:
    return {
        option.name: {
            "type": str(option.plain),
            "default": json.loads(json.dumps(option.default, default=str)),
            "help": option.help,
        }
        for option in registry.options(plugin)
    }
