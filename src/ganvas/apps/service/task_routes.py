"""What runs are asked: one route for each task, and descriptions of what a run is and can do."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from math import prod
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, NamedTuple

from fastapi import APIRouter, HTTPException, Request, Response
from PIL import Image
from starlette.responses import StreamingResponse

from ...core import Continuous, InputError, Result
from ...core.detection import ScoredStream
from ...core.scoring import Part, score_jointly
from ...results.packed import Packed, read_header
from ...runs.run import Run
from ...runs.summary import RunSummary
from ...runtime import registry
from ...tasks._inputs import takes_several
from ...tasks._trained import Trained
from . import forms
from . import responses as replies
from .forms import Form
from .limits import Limits
from .requests import TaskRequest, read_request
from .responses import Reply
from .run_cache import OpenedRun, RunCache
from .schemas import ANSWERS, ERRORS
from .streams import Stream
from .uploads import check_endings, write_uploads
from .worker import Worker, WorkTimeout

TOGETHER = 64  # examples that a request may bring to be scored with those of others
MEMORY, SMALL = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None, 2**22
"""Where files are kept that have no more bytes than this, where there is such a place: it has no
disk to wait for."""


class Question(NamedTuple):
    """A task that a run is asked to do."""

    run: str
    form: Form
    request: TaskRequest


class TaskHandlers:
    """Answers what tasks are asked."""

    def __init__(self, run_cache: RunCache, worker: Worker, limits: Limits) -> None:
        self.run_cache, self.worker, self.limits = run_cache, worker, limits

    async def answer(self, run: str, form: Form, request: Request) -> Response:
        """Does a task as a request asks."""
        self.run_cache.path(run)
        kind = replies.negotiate(request.headers.get("accept", ""))
        question = Question(run, form, await read_request(request, form, self.limits))
        if kind == replies.JSON and takes_several(registry.load("tasks", form.name)):
            key = (run, form.name, repr(question.request.options))
            work = self.worker.submit(self._answer_together, question, key, self.limits.seconds)
            return _to_response(await self._wait_for(work))
        if kind in replies.ROWS:
            return await self._stream_rows(question, kind)
        alone = partial(self._answer_alone, question, kind)
        return _to_response(await self._wait_for(self.worker.run(alone, self.limits.seconds)))

    async def _wait_for(self, work: Awaitable[Any]) -> Any:
        try:
            return await work
        except WorkTimeout:
            raise self._timeout() from None

    def _timeout(self) -> HTTPException:
        words = f"it was not done within {self.limits.seconds:g} seconds; ask again, or for less"
        return HTTPException(503, words, {"retry-after": "5"})

    async def _stream_rows(self, question: Question, kind: str) -> Response:
        """A table, sent while it is generated where it is generated in parts."""
        stream = Stream()
        work = self.worker.run(partial(self._answer_alone, question, kind, stream))
        done = asyncio.ensure_future(work)
        first = {done, stream.started}
        await asyncio.wait(first, timeout=self.limits.seconds, return_when=asyncio.FIRST_COMPLETED)
        if stream.started.done():
            return StreamingResponse(stream.read(), media_type=kind)
        stream.leave()
        if done.done():
            return _to_response(done.result())
        done.cancel()
        raise self._timeout()

    def _answer_alone(self, question: Question, kind: str, stream: Stream | None = None) -> Reply:
        """What the worker does for one request."""
        with self._folder() as folder:
            opened = self.run_cache.open(question.run)
            modality = opened.trained.run.modality
            with _explaining_packed(question.form):
                result = self._do(opened, question, folder / "given")
                if stream and result.synthetic and (tables := result.tables(modality)):
                    stream.fill(tables["rows"], kind)
                    return Reply(kind, b"", "rows")
                return replies.reply(result, modality, kind, folder / "answer")

    def _do(self, opened: OpenedRun, question: Question, folder: Path) -> Result:
        trained, form = opened.trained, question.form
        files = self._write_files(opened, question, folder)
        options = {name: path for name, path in files.items() if form.sources[name].by_option}
        given: list[Any] = [path for name, path in files.items() if name not in options]
        if takes_several(registry.load("tasks", form.name)):
            given = [_score_in_batches(opened, given[0])]
        return trained.do(form.name, *given, **question.request.options, **options)

    def _write_files(self, opened: OpenedRun, question: Question, folder: Path) -> dict[str, Path]:
        """What was sent, as files. Raises InputError where the run cannot do the task, or it would
        be too much."""
        form, run = question.form, opened.trained.run
        if form.name not in opened.tasks:
            raise InputError(
                f"{run.config['model']} cannot {form.name}; it can {', '.join(opened.tasks)}"
            )
        self._refuse_too_much(opened, question)
        written = dict[str, Path]()
        for name, files in question.request.files.items():
            path = write_uploads(files, Path(f"{folder}-{name}"), self.limits)
            written[name] = check_endings(path, run.modality, form.sources[name].kinds)
        return written

    def _refuse_too_much(self, opened: OpenedRun, question: Question) -> None:
        """Raises InputError where more is to be generated than is allowed."""
        counts = _read_counts(question)
        space = opened.trained.run.modality.inner.space
        if isinstance(space, Continuous) and len(space.shape) > 2:
            each, most, what = prod(space.shape[1:]), self.limits.pixels, "pixels"
        else:
            each, most, what = 1, self.limits.rows, "rows"
        if prod(max(count, 1) for count in counts.values()) * each > most:
            named = ", ".join(f"{name} {count:,}" for name, count in counts.items())
            raise InputError(f"{named} would be more than {most:,} {what}; ask for less")

    def _answer_together(self, questions: Sequence[Question]) -> list[Reply | Exception]:
        """What the worker does for requests of one run, task and options: their examples are scored
        as one batch."""
        size = sum(question.request.size for question in questions)
        with self._folder(small=size < SMALL) as folder:
            opened = self.run_cache.open(questions[0].run)
            examples = [
                _catch(partial(self._read_examples, opened, question, folder / str(number)))
                for number, question in enumerate(questions)
            ]
            few = [parts for parts in examples if isinstance(parts, list)]
            scored = iter(self._score_together(opened, questions[0], few) if few else [])
            return [
                self._pick_outcome(question, parts, scored)
                for question, parts in zip(questions, examples, strict=True)
            ]

    def _pick_outcome(
        self, question: Question, parts: list[Part] | Exception | None, scored: Iterator[Reply]
    ) -> Reply | Exception:
        """The reply to one of several requests: its own of the batch, why it cannot be read, or
        what it gets alone."""
        if isinstance(parts, list):
            return next(scored)
        if parts is not None:
            return parts
        outcome: Reply | Exception = _catch(partial(self._answer_alone, question, replies.JSON))
        return outcome

    def _score_together(
        self, opened: OpenedRun, question: Question, requests: list[list[Part]]
    ) -> list[Reply]:
        """What a task finds among the examples of each of several requests."""
        sizes = tuple(sum(len(data) for data, _ in parts) for parts in requests)
        whole = score_jointly(requests, opened.score_with_attribution)
        stream = ScoredStream(lambda _: iter([whole]), sizes)
        result = opened.trained.do(question.form.name, stream, **question.request.options)
        return replies.replies_apart(result, opened.trained.run.modality, sizes)

    def _read_examples(
        self, opened: OpenedRun, question: Question, folder: Path
    ) -> list[Part] | None:
        """The examples of a request, or None where they are many, or overlap."""
        with self._folder(folder):
            (path,) = self._write_files(opened, question, folder).values()
            if opened.overlaps:
                return None
            parts, examples = list[Part](), 0
            for part in opened.trained.run.modality.open(path).parts():
                parts.append(part)
                examples += len(part[0])
                if examples > TOGETHER:
                    return None
            return parts

    @contextmanager
    def _folder(self, at: Path | None = None, small: bool = False) -> Iterator[Path]:
        """A new folder that is gone afterwards; what is said of files in it does not tell where it
        was."""
        folder = at or Path(mkdtemp(prefix="ganvas-", dir=MEMORY if small else None))
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = self.limits.pixels // 2  # Pillow refuses twice as many
        try:
            yield folder
        except InputError as error:
            words = re.sub(rf"{re.escape(str(folder))}[^/ ]*/(given-\w+/)?", "", error.words)
            raise InputError(self.run_cache.hide_paths(words)) from error
        finally:
            Image.MAX_IMAGE_PIXELS = before
            if at is None:
                rmtree(folder, ignore_errors=True)

    def list_runs(self) -> list[dict[str, Any]]:
        """All runs in short."""
        return [_describe_briefly(self.run_cache.path(name)) for name in self.run_cache]

    def describe_run(self, name: str) -> dict[str, Any]:
        """What a run is, how far it came, how well it is, and what it can be asked."""
        trained, path = self.run_cache.open(name).trained, self.run_cache.path(name)
        run, summary, metrics = trained.run, RunSummary(trained.run), path / "evaluation.json"
        evaluation = json.loads(metrics.read_text("utf-8")) if metrics.exists() else None
        return _describe_briefly(path) | {
            "options": replies.finite(summary.options),
            "training": run.config["training"],
            "seconds": run.state["seconds"],
            "diagnoses": summary.diagnoses,
            "recoveries": summary.interventions,
            "privacy": summary.privacy,
            "metrics": replies.finite(evaluation),
            "tasks": {task: _describe_task(task, trained) for task in trained.tasks},
        }


def _describe_briefly(path: Path) -> dict[str, Any]:
    """What a run is, without its weights. Of its data no more than what it was called."""
    known: dict[str, Any] = {
        "model": None,
        "modality": None,
        "data": None,
        "step": 0,
        "finished": False,
    }
    with suppress(ValueError, KeyError, TypeError, OSError):  # half-written, or another program's
        summary = RunSummary(Run(path))
        known = {
            "model": summary.model,
            "modality": summary.modality,
            "data": summary.data_name,
            "step": summary.step,
            "finished": summary.finished,
        }
    return {"name": path.name} | known


def _describe_task(task: str, trained: Trained) -> dict[str, Any]:
    """What a run can be asked to do a task: options and files that it does not heed are left
    out."""
    form, options = forms.task_form(task), registry.options(registry.load("tasks", task))
    model, modality = trained.model, trained.run.modality
    deaf = {option.name for option in options if not option.kind.heeded(model, modality)}
    files = {
        name: {"required": source.needed}
        for name, source in form.sources.items()
        if name not in deaf
    }
    schema = forms.schema(form.options)
    properties = schema.get("properties", {})
    asked = {name: one for name, one in properties.items() if name not in deaf}
    return {
        "summary": registry.summary("tasks", task),
        "files": files,
        "options": schema | {"properties": asked},
    }


def _read_counts(question: Question) -> dict[str, int]:
    """How many of something are asked for, by options that are not as by default, and by what
    packed files say they hold."""
    options = question.request.options
    counts: dict[str, int] = {
        name: int(options[name])
        for name, default in question.form.counts.items()
        if options[name] not in (default, None)
    }
    for name, files in question.request.files.items():
        if Packed in question.form.sources[name].kinds:
            for file in files:
                counts[f"{file.name}:"] = read_header(file.content, file.name)[0]["examples"]
    return counts


def _score_in_batches(opened: OpenedRun, path: Path) -> ScoredStream:
    """The examples of a path, scored as those of several requests are."""
    modality = opened.trained.run.modality
    return ScoredStream(
        lambda _: modality.score(modality.open(path).parts(), opened.score_with_attribution)
    )


@contextmanager
def _explaining_packed(form: Form) -> Iterator[None]:
    """Inside, whatever is wrong in a packed file is said in a sentence: its checksum proves that it
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


def _catch(function: Callable[[], Any]) -> Any:
    """What a function returns, or what it raises."""
    try:
        return function()
    except Exception as error:  # one request's trouble is not the others'
        return error


def _to_response(reply: Reply) -> Response:
    headers = dict[str, str]()
    if reply.kind != replies.JSON:
        headers["content-disposition"] = f'attachment; filename="{reply.name}"'
    if isinstance(reply.content, bytes):
        return Response(reply.content, media_type=reply.kind, headers=headers)
    return StreamingResponse(replies.pieces(reply.content), media_type=reply.kind, headers=headers)


def routes(handlers: TaskHandlers) -> APIRouter:
    """Runs, and one route for every task."""
    router = APIRouter(tags=["runs"], responses=ERRORS)

    @router.get("/runs", summary="All runs")
    async def runs() -> list[dict[str, Any]]:
        return await asyncio.to_thread(handlers.list_runs)

    @router.get("/runs/{run}", summary="What a run is, how well it is, and what it can be asked")
    async def describe(run: str) -> dict[str, Any]:
        handlers.run_cache.path(run)
        return await handlers.worker.run(
            partial(handlers.describe_run, run), handlers.limits.seconds
        )

    for task in registry.names("tasks"):
        form = forms.task_form(task)
        router.add_api_route(
            f"/runs/{{run}}/{task}",
            _endpoint(handlers, form),
            methods=["POST"],
            name=task,
            operation_id=task,
            summary=registry.summary("tasks", task),
            response_class=Response,
            responses={200: {"description": "The answer", "content": ANSWERS}},
            openapi_extra={"requestBody": forms.request_body(form)},
        )
    return router


def _endpoint(handlers: TaskHandlers, form: Form) -> Callable[..., Awaitable[Response]]:
    async def endpoint(run: str, request: Request) -> Response:
        return await handlers.answer(run, form, request)

    return endpoint
