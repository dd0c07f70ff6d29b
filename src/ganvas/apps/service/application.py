"""The service as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from ...runtime.errors import InputError
from ..jobs import Busy
from ..spelling import spell_field
from . import task_routes, training_routes
from .limits import Limits
from .middleware import Middleware, TooLarge
from .monitoring import Monitoring
from .responses import NotThat
from .run_cache import RunCache, Unknown, Unready
from .tokens import Tokens
from .worker import Late, Worker

SOON, LATER = {"retry-after": "5"}, {"retry-after": "60"}
WORDS: Mapping[type[Exception], tuple[int, dict[str, str]]] = {
    InputError: (422, {}),
    NotThat: (406, {}),
    Unknown: (404, {}),
    Unready: (409, {}),
    TooLarge: (413, {"connection": "close"}),
    Busy: (429, LATER),
    Late: (503, SOON),
}
"""What each trouble is to HTTP; its own sentence is the answer."""


def application(runs: Path, limits: Limits, tokens: Tokens | None) -> FastAPI:
    """See `service.app`. Raises InputError where there is no such folder."""
    if not runs.is_dir():
        raise InputError(f"{runs} is no folder of runs; name one")
    measures = Monitoring()
    hand = Worker(limits.gather, limits.patience, lambda n: measures.together.observe(n))
    shelf = RunCache(runs, limits.loaded, limits.gather)
    office = training_routes.TrainingHandlers(shelf, limits)

    @asynccontextmanager
    async def living(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(hand.close)

    app = FastAPI(
        title="Ganvas",
        version=version("ganvas"),
        lifespan=living,
        docs_url=None,
        redoc_url=None,
        description="Trained runs, and trainings, over HTTP.",
    )
    app.state.runs = shelf.runs
    for kind, (status, headers) in WORDS.items():
        app.add_exception_handler(kind, _said(status, headers))
    app.include_router(task_routes.routes(task_routes.TaskHandlers(shelf, hand, limits)))
    app.include_router(training_routes.routes(office))

    @app.get("/healthz", tags=["service"], summary="Whether it is well")
    async def healthz() -> dict[str, Any]:
        return {"status": "ok", "waiting": len(hand)}

    @app.get(
        "/metrics", tags=["service"], summary="Counts, for Prometheus", response_class=Response
    )
    async def metrics() -> Response:
        measures.waiting.set(len(hand))
        measures.trainings.set(
            await asyncio.to_thread(lambda: sum(job.state == "training" for job in office.jobs))
        )
        return Response(measures.said(), media_type="text/plain; version=0.0.4; charset=utf-8")

    app.add_middleware(Middleware, limits=limits, tokens=tokens, measures=measures)
    return app


def _said(status: int, headers: Mapping[str, str]) -> Any:
    async def answer(request: Request, error: Exception) -> JSONResponse:
        words = error.spelled(spell_field) if isinstance(error, InputError) else str(error)
        return JSONResponse(
            {"detail": words or "it was not done in time; ask again"}, status, headers
        )

    return answer
