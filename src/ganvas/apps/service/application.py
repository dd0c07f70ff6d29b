"""The service as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from ...runtime.errors import InputError
from ..jobs import Busy, Jobs
from ..spelling import spell_field
from . import task_routes, training_routes
from .limits import Limits
from .middleware import BodyTooLarge, Middleware
from .monitoring import Monitoring
from .responses import NotThat
from .run_cache import RunCache, RunNotFound, RunNotReady
from .tokens import Tokens
from .worker import Worker, WorkTimeout

SOON, LATER = {"retry-after": "5"}, {"retry-after": "60"}
STATUS: Mapping[type[Exception], tuple[int, dict[str, str]]] = {
    InputError: (422, {}),
    NotThat: (406, {}),
    RunNotFound: (404, {}),
    RunNotReady: (409, {}),
    BodyTooLarge: (413, {"connection": "close"}),
    Busy: (429, LATER),
    WorkTimeout: (503, SOON),
}
"""What each exception is to HTTP; its own sentence is the answer."""

ExceptionHandler = Callable[[Request, Exception], Awaitable[Response]]


def application(runs: Path, limits: Limits, tokens: Tokens | None) -> FastAPI:
    """See `service.app`. Raises InputError where there is no such folder."""
    if not runs.is_dir():
        raise InputError(f"{runs} is no folder of runs; name one")
    monitoring = Monitoring()
    worker = Worker(limits.gather, limits.patience, monitoring.batch_size.observe)
    run_cache = RunCache(runs, limits.loaded, limits.gather)
    tasks = task_routes.TaskHandlers(run_cache, worker, limits)
    trainings = training_routes.TrainingHandlers(run_cache, limits)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(worker.close)

    app = FastAPI(
        title="Ganvas",
        version=version("ganvas"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        description="Trained runs, and trainings, over HTTP.",
    )
    app.state.runs = run_cache.runs
    for kind, (status, headers) in STATUS.items():
        app.add_exception_handler(kind, _exception_handler(status, headers))
    app.include_router(task_routes.routes(tasks))
    app.include_router(training_routes.routes(trainings))
    _add_service_routes(app, worker, trainings.jobs, monitoring)
    app.add_middleware(Middleware, limits=limits, tokens=tokens, monitoring=monitoring)
    return app


def _add_service_routes(app: FastAPI, worker: Worker, jobs: Jobs, monitoring: Monitoring) -> None:
    @app.get("/healthz", tags=["service"], summary="Whether the process is well")
    async def healthz() -> dict[str, Any]:
        return {"status": "ok", "queued": len(worker)}

    @app.get(
        "/metrics", tags=["service"], summary="Counts, for Prometheus", response_class=Response
    )
    async def metrics() -> Response:
        monitoring.queued.set(len(worker))
        monitoring.trainings.set(await asyncio.to_thread(jobs.count_running))
        return Response(monitoring.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _exception_handler(status: int, headers: Mapping[str, str]) -> ExceptionHandler:
    async def answer(request: Request, error: Exception) -> JSONResponse:
        words = error.spelled(spell_field) if isinstance(error, InputError) else str(error)
        sentence = words or "it was not done in time; ask again"
        return JSONResponse({"detail": sentence}, status, headers)

    return answer
