"""`ganvas serve`: the service on a port, in one process or several."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from ...runtime.errors import InputError, flag
from ..loopback import free_port, is_loopback
from .limits import Limits
from .tokens import Tokens, new_token

SAID = "GANVAS_SERVE"
"""The variable by which processes learn what was said on the command line."""


def serve(
    runs: Path,
    *,
    host: str,
    port: int,
    tokens: Path | None,
    workers: int,
    limits: Limits,
    log: str = "warning",
) -> None:
    """Serves a folder of runs until SIGTERM or Ctrl-C; what was begun is finished. Raises
    InputError."""
    uvicorn = _needed()
    for field in fields(limits):
        if getattr(limits, field.name) <= 0 and field.name != "patience":
            raise InputError(
                f"{flag(field.name)} is {getattr(limits, field.name)}; it must be above zero"
            )
    if workers < 1:
        raise InputError(f"{flag('workers')} is {workers}; it takes one at least")
    if not runs.is_dir():
        raise InputError(f"{runs} is no folder of runs; name one")
    if tokens is None and not is_loopback(host):
        make = "ganvas serve --new-token NAME --tokens FILE"
        raise InputError(
            f"{host} can be reached by others, so they need tokens: {make} makes one; say"
            f" {flag('tokens', 'FILE')}"
        )
    if tokens is not None:
        Tokens(tokens)
    free_port(host, port)
    said = {"runs": str(runs), "tokens": str(tokens) if tokens else None, "limits": asdict(limits)}
    os.environ[SAID] = json.dumps(said)
    Console(stderr=True, highlight=False).print(
        f"serving {runs} at http://{host}:{port}", soft_wrap=True
    )
    with TemporaryDirectory(prefix="ganvas-counts-") as counts:
        if workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = counts
        uvicorn.run(
            f"{__name__}:made",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            log_level=log,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=int(limits.seconds) + 5,
            backlog=2048,
            timeout_keep_alive=30,
        )


def made() -> Any:
    """The application that was asked for on the command line, in a process of the server."""
    from .application import application

    said = json.loads(os.environ[SAID])
    tokens = Tokens(Path(said["tokens"])) if said["tokens"] else None
    return application(Path(said["runs"]), replace(Limits(), **said["limits"]), tokens)


def make_token(file: Path | None, name: str) -> str:
    """A new token for a file. Raises InputError where no file is named."""
    if file is None:
        raise InputError(
            f"{flag('new_token')} writes the token's hash into a file; name it with"
            f" {flag('tokens', 'FILE')}"
        )
    return new_token(file, name)


def _needed() -> Any:
    try:
        import fastapi  # noqa: F401 # with the rest of what is needed
        import prometheus_client  # noqa: F401 # likewise
        import psutil  # noqa: F401 # likewise
        import python_multipart  # noqa: F401 # likewise
        import uvicorn
    except ImportError as error:
        raise InputError(f"the service needs {error.name}: pip install 'ganvas[serve]'") from error
    return uvicorn
