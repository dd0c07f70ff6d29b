"""What runs are asked: one route for each task, and cards that say what a run is and can."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import contextmanager
from functools import partial
from math import prod
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from PIL import Image
from starlette.responses import StreamingResponse

from ...core import Answer, Continuous, InputError, Made, Packed, ScoredStream, Tabular, data_of
from ...core.scoring import Part, score_jointly, score_parts
from ...results.packed import read_header as unpacked
from ...runtime import registry
from ...tasks._inputs import takes_several
from ...tasks._trained import Trained
from . import forms
from . import responses as replies
from .forms import Form
from .limits import Limits
from .requests import asked
from .responses import Reply
from .run_cache import Opened, RunCache
from .streams import Stream
from .uploads import Asked, fit, place
from .worker import Late, Worker

TOGETHER = 64  # examples that a request may bring to be weighed with those of others
MEMORY, SMALL = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None, 2**22
"""Where files are kept that have no more bytes than this, where there is such a place: it has no
disk to wait for."""

Thing = tuple[str, Form, Asked]
"""A run, a task and what was asked."""


class TaskHandlers:
    """Answers what tasks are asked."""

    def __init__(self, shelf: RunCache, hand: Worker, limits: Limits) -> None:
        self.shelf, self.hand, self.limits = shelf, hand, limits

    async def answer(self, run: str, form: Form, request: Request) -> Response:
        """Does a task as a request asks."""
        self.shelf.path(run)
        kind = replies.wanted(request.headers.get("accept", ""))
        thing = run, form, await asked(request, form, self.limits)
        if kind == replies.JSON and takes_several(registry.load("tasks", form.name)):
            key = (run, form.name, repr(thing[2].options))
            return _response(
                await self._waited(
                    self.hand.together(self._together, thing, key, self.limits.seconds)
                )
            )
        if kind in replies.ROWS:
            return await self._streamed(thing, kind)
        return _response(
            await self._waited(self.hand.do(lambda: self._alone(thing, kind), self.limits.seconds))
        )

    async def _waited(self, coming: Awaitable[Any]) -> Any:
        try:
            return await coming
        except Late:
            raise self._late() from None

    def _late(self) -> HTTPException:
        words = f"it was not done within {self.limits.seconds:g} seconds; ask again, or for less"
        return HTTPException(503, words, {"retry-after": "5"})

    async def _streamed(self, thing: Thing, kind: str) -> Response:
        """A table, sent while it is made where it is made in parts."""
        stream = Stream()
        done = asyncio.ensure_future(self.hand.do(lambda: self._alone(thing, kind, stream)))
        first = {done, stream.begun}
        await asyncio.wait(first, timeout=self.limits.seconds, return_when=asyncio.FIRST_COMPLETED)
        if stream.begun.done():
            return StreamingResponse(stream.read(), media_type=kind)
        stream.leave()
        if done.done():
            return _response(done.result())
        done.cancel()
        raise self._late()

    def _alone(self, thing: Thing, kind: str, stream: Stream | None = None) -> Reply:
        """The hand's work for one request."""
        run, form, asking = thing
        with self._folder() as folder:
            opened = self.shelf.open(run)
            modality = opened.trained.run.modality
            with _whole(form):
                answer = self._answered(opened, form, asking, folder / "given")
                if stream and isinstance(answer, Made) and isinstance(modality, Tabular):
                    stream.fill(modality.finish(answer.parts), kind)
                    return Reply(kind, b"", "rows")
                return replies.reply(answer, modality, kind, folder / "answer")

    def _answered(self, opened: Opened, form: Form, asking: Asked, folder: Path) -> Answer:
        trained = opened.trained
        files = self._placed(opened, form, asking, folder)
        given: list[Any] = [
            path for name, path in files.items() if not form.sources[name].by_option
        ]
        if takes_several(registry.load("tasks", form.name)):
            modality, path = trained.run.modality, given[0]
            given = [
                ScoredStream(
                    lambda _: score_parts(
                        modality, modality.read_any(path), opened.score_with_attribution
                    )
                )
            ]
        options = {name: path for name, path in files.items() if form.sources[name].by_option}
        return trained.do(form.name, *given, **asking.options, **options)

    def _placed(self, opened: Opened, form: Form, asking: Asked, folder: Path) -> dict[str, Path]:
        """What was sent, as files. Raises InputError where the run cannot do the task, or it would
        be too much."""
        trained = opened.trained
        if form.name not in opened.tasks:
            raise InputError(
                f"{trained.run.config['model']} cannot {form.name}; it can"
                f" {', '.join(opened.tasks)}"
            )
        self._bound(opened, form, asking)
        modality = trained.run.modality
        return {
            name: fit(
                place(files, Path(f"{folder}-{name}"), self.limits),
                modality,
                form.sources[name].kinds,
            )
            for name, files in asking.files.items()
        }

    def _bound(self, opened: Opened, form: Form, asking: Asked) -> None:
        """Raises InputError where more is to be made than is allowed."""
        said = {
            name: asking.options[name]
            for name, default in form.counts.items()
            if asking.options[name] != default
        }
        parcels = [
            file
            for name, files in asking.files.items()
            if Packed in form.sources[name].kinds
            for file in files
        ]
        said |= {
            f"{file.name}:": unpacked(file.content, file.name)[0]["examples"] for file in parcels
        }
        space = data_of(opened.trained.run.modality).space
        drawn = isinstance(space, Continuous) and len(space.shape) > 2
        each, most = (prod(space.shape[1:]), self.limits.pixels) if drawn else (1, self.limits.rows)
        if prod(max(number, 1) for number in said.values() if number is not None) * each > most:
            asks = ", ".join(f"{name} {number:,}" for name, number in said.items())
            raise InputError(
                f"{asks} would be more than {most:,} {'pixels' if drawn else 'rows'}; ask for less"
            )

    def _together(self, things: Sequence[Thing]) -> list[Reply | Exception]:
        """The hand's work for requests of one run, task and options, whose examples are weighed as
        one batch."""
        with self._folder(small=sum(asking.size for _, _, asking in things) < SMALL) as folder:
            run, form, _ = things[0]
            opened = self.shelf.open(run)
            read = [
                _tried(partial(self._read, opened, form, asking, folder / str(i)))
                for i, (_, _, asking) in enumerate(things)
            ]
            small = [parts for parts in read if isinstance(parts, list)]
            ready = iter(self._judged(opened, things[0], small) if small else [])
            return [
                (
                    next(ready)
                    if isinstance(parts, list)
                    else parts or _tried(partial(self._alone, thing, replies.JSON))
                )
                for thing, parts in zip(things, read, strict=True)
            ]

    def _judged(self, opened: Opened, thing: Thing, several: list[list[Part]]) -> list[Reply]:
        """What a task finds among the examples of each of several requests."""
        _, form, asking = thing
        sizes = tuple(sum(len(data) for data, _ in parts) for parts in several)
        whole = score_jointly(several, opened.score_with_attribution)
        answer = opened.trained.do(
            form.name, ScoredStream(lambda _: iter([whole]), sizes), **asking.options
        )
        return replies.judged_apart(answer, opened.trained.run.modality, sizes)

    def _read(self, opened: Opened, form: Form, asking: Asked, folder: Path) -> list[Part] | None:
        """The examples of a request, or None where they are many, or hang together."""
        with self._folder(folder):
            (path,) = self._placed(opened, form, asking, folder).values()
            if opened.alone:
                return None
            parts, examples = list[Part](), 0
            for part in opened.trained.run.modality.read_any(path):
                parts.append(part)
                examples += len(part[0])
                if examples > TOGETHER:
                    return None
            return parts

    @contextmanager
    def _folder(self, at: Path | None = None, small: bool = False) -> Any:
        """A new folder that is gone afterwards; what is said of files in it does not tell where it
        was."""
        folder = at or Path(mkdtemp(prefix="ganvas-", dir=MEMORY if small else None))
        usual, Image.MAX_IMAGE_PIXELS = (
            Image.MAX_IMAGE_PIXELS,
            self.limits.pixels // 2,
        )  # it refuses twice as many
        try:
            yield folder
        except InputError as error:
            words = re.sub(rf"{re.escape(str(folder))}[^/ ]*/(given-\w+/)?", "", error.words)
            raise InputError(words.replace(str(self.shelf.runs), "RUNS")) from error
        finally:
            Image.MAX_IMAGE_PIXELS = usual
            if at is None:
                rmtree(folder, ignore_errors=True)

    def listed(self) -> list[dict[str, Any]]:
        """All runs in short."""
        return [_short(name, self.shelf.path(name)) for name in self.shelf]

    def config(self, name: str) -> dict[str, Any]:
        """What a run is, how far it came, how well it is, and what it can be asked."""
        trained, path = self.shelf.open(name).trained, self.shelf.path(name)
        run, judged = trained.run, path / "evaluation.json"
        return _short(name, path) | {
            "options": replies.finite(run.config["options"]),
            "training": run.config["training"],
            "seconds": run.state["seconds"],
            "health": [str(one) for one in run.diagnoses],
            "treated": [str(one) for one in run.interventions],
            "privacy": str(run.promise) if run.promise else None,
            "metrics": (
                replies.finite(json.loads(judged.read_text("utf-8"))) if judged.exists() else None
            ),
            "tasks": {task: _asks(task, trained) for task in trained.tasks},
        }


def _short(name: str, path: Path) -> dict[str, Any]:
    """What a run is, without its weights. Of its data no more than what it was called."""
    try:
        card = json.loads((path / "run.json").read_text("utf-8"))
        state = path / "state.json"
        known = json.loads(state.read_text("utf-8")) if state.exists() else {}
        return {
            "name": name,
            "model": card["model"],
            "modality": card["modality"]["name"],
            "data": Path(card["source"]).name if card["source"] else None,
            "step": known.get("step", 0),
            "finished": known.get("finished", False),
        }
    except (ValueError, KeyError, TypeError, OSError):
        return {
            "name": name,
            "model": None,
            "modality": None,
            "data": None,
            "step": 0,
            "finished": False,
        }


def _asks(task: str, trained: Trained) -> dict[str, Any]:
    """What a run can be asked to do a task: options and files that it does not heed are left
    out."""
    form, options = forms.form(task), registry.options(registry.load("tasks", task))
    model, modality = trained.model, trained.run.modality
    deaf = {one.name for one in options if not one.kind.heeded(model, modality)}
    schema = forms.schema(form.options)
    asked = {name: said for name, said in schema.get("properties", {}).items() if name not in deaf}
    return {
        "summary": registry.summary("tasks", task),
        "files": {
            name: {"required": source.needed}
            for name, source in form.sources.items()
            if name not in deaf
        },
        "options": schema | {"properties": asked},
    }


@contextmanager
def _whole(form: Form) -> Any:
    """Inside, whatever is wrong in a parcel is said in a sentence: its checksum proves that it
    arrived as it was sent, and not that it was sent as it was packed."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, LookupError, TypeError, AssertionError, RuntimeError, OSError) as error:
        if not any(Packed in source.kinds for source in form.sources.values()):
            raise
        raise InputError(
            f"what was sent is packed as nothing that can be unpacked ({type(error).__name__})"
        ) from error


def _tried(do: Callable[[], Any]) -> Any:
    """What is done, or what went wrong."""
    try:
        return do()
    except Exception as error:  # one request's trouble is not the others'
        return error


def _response(reply: Reply) -> Response:
    headers = (
        {}
        if reply.kind == replies.JSON
        else {"content-disposition": f'attachment; filename="{reply.name}"'}
    )
    if isinstance(reply.content, bytes):
        return Response(reply.content, media_type=reply.kind, headers=headers)
    return StreamingResponse(replies.pieces(reply.content), media_type=reply.kind, headers=headers)


WRONG: dict[int | str, dict[str, Any]] = {
    code: {
        "description": words,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"detail": {"type": "string"}},
                    "required": ["detail"],
                }
            }
        },
    }
    for code, words in {
        400: "The request is malformed",
        401: "No token, or one that is not known",
        403: "A page of elsewhere asks",
        404: "There is no such run",
        406: "The answer cannot be had in this form",
        408: "The request came too slowly",
        409: "The run cannot be used yet",
        413: "Too much was sent",
        415: "What was sent is of no kind that is read",
        422: "What was sent, or an option, is wrong",
        503: "Too busy, or it would take too long; ask again",
    }.items()
}
ANSWERS: dict[str, Any] = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["figures", "rows", "files"],
            "properties": {
                "figures": {"type": "object", "description": "What the answer says in numbers."},
                "rows": {"type": "array", "items": {"type": "object"}},
                "files": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": {"type": "string"},
                            "type": {"type": "string"},
                            "base64": {"type": "string"},
                            "text": {"type": "string"},
                            "rows": {"type": "array"},
                        },
                        "required": ["name", "type"],
                    },
                },
            },
        }
    },
    **{
        kind: {"schema": {"type": "string", "contentMediaType": kind}} for kind in replies.KINDS[1:]
    },
}


def routes(desk: TaskHandlers) -> APIRouter:
    """Runs, and one route for every task."""
    router = APIRouter(tags=["runs"], responses=WRONG)

    @router.get("/runs", summary="All runs")
    async def runs() -> list[dict[str, Any]]:
        return await asyncio.to_thread(desk.listed)

    @router.get("/runs/{run}", summary="What a run is, how well it is, and what it can be asked")
    async def card(run: str) -> dict[str, Any]:
        desk.shelf.path(run)
        return await desk.hand.do(lambda: desk.config(run), desk.limits.seconds)

    for task in registry.names("tasks"):
        form = forms.form(task)
        router.add_api_route(
            f"/runs/{{run}}/{task}",
            _endpoint(desk, form),
            methods=["POST"],
            name=task,
            operation_id=task,
            summary=registry.summary("tasks", task),
            response_class=Response,
            responses={200: {"description": "The answer", "content": ANSWERS}},
            openapi_extra={"requestBody": forms.body(form)},
        )
    return router


def _endpoint(desk: TaskHandlers, form: Form) -> Callable[..., Any]:
    async def endpoint(run: str, request: Request) -> Response:
        return await desk.answer(run, form, request)

    return endpoint
