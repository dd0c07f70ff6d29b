"""`ganvas serve`: the service on a port, in one process or several."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from ...runtime.errors import InputError, flag
from ..loopback import free_port, is_loopback
from .limits import Limits
from .tokens import Tokens, new_token

SETTINGS = "GANVAS_SERVE"
"""The variable by which processes of the server learn the options of the command line."""


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
    uvicorn = _import_uvicorn()
    _check_options(runs, host, tokens, workers, limits)
    free_port(host, port)
    settings = {
        "runs": str(runs),
        "tokens": str(tokens) if tokens else None,
        "limits": asdict(limits),
    }
    os.environ[SETTINGS] = json.dumps(settings)
    console = Console(stderr=True, highlight=False)
    console.print(f"serving {runs} at http://{host}:{port}", soft_wrap=True)
    with TemporaryDirectory(prefix="ganvas-counts-") as counts:
        if workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = counts
        uvicorn.run(
            f"{__name__}:create_app",
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


def create_app() -> Any:
    """The application that the command line described, in a process of the server."""
    from .application import application

    settings = json.loads(os.environ[SETTINGS])
    tokens = Tokens(Path(settings["tokens"])) if settings["tokens"] else None
    return application(Path(settings["runs"]), Limits(**settings["limits"]), tokens)


def make_token(file: Path | None, name: str) -> str:
    """A new token for a file. Raises InputError where no file is named."""
    if file is None:
        raise InputError(
            f"{flag('new_token')} writes the token's hash into a file; name it with"
            f" {flag('tokens', 'FILE')}"
        )
    return new_token(file, name)


def _check_options(
    runs: Path, host: str, tokens: Path | None, workers: int, limits: Limits
) -> None:
    """Raises InputError where an option is wrong, or others could ask without a token."""
    for field in fields(limits):
        value = getattr(limits, field.name)
        if value <= 0 and field.name != "patience":
            raise InputError(f"{flag(field.name)} is {value}; it must be above zero")
    if workers < 1:
        raise InputError(f"{flag('workers')} is {workers}; it takes one at least")
    if not runs.is_dir():
        raise InputError(f"{runs} is no folder of runs; name one")
    if tokens is not None:
        Tokens(tokens)
    elif not is_loopback(host):
        raise InputError(
            f"{host} can be reached by others, so they need tokens: ganvas serve --new-token NAME"
            f" {flag('tokens', 'FILE')} makes one; say {flag('tokens', 'FILE')}"
        )


def _import_uvicorn() -> Any:
    """Raises InputError where something lacks that the service needs."""
    try:
        import fastapi  # noqa: F401 # with the rest of what is needed
        import prometheus_client  # noqa: F401 # likewise
        import psutil  # noqa: F401 # likewise
        import python_multipart  # noqa: F401 # likewise
        import uvicorn
    except ImportError as error:
        raise InputError(f"the service needs {error.name}: pip install 'ganvas[serve]'") from error
    return uvicorn
