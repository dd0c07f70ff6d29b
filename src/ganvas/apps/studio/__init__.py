"""Everything Ganvas does, in the browser. Forms are made of the signatures of the plug-ins."""

from __future__ import annotations

import threading
from pathlib import Path

from ...runtime.errors import InputError, flag
from ..loopback import is_loopback


def open_studio(runs: Path, host: str, port: int, password: str | None, most: int) -> None:
    """Serves the page until Ctrl-C; trainings that were started go on afterwards.

    Raises InputError where Gradio is missing, the port is taken, or others could come in without a
    password.
    """
    if not is_loopback(host) and not password:
        raise InputError(
            f"others could reach the studio at {host}; give it a {flag('password')}, or leave"
            f" {flag('host')} as it is"
        )
    if runs.exists() and not runs.is_dir():
        raise InputError(f"{runs} is no folder; name one in which runs are found and written")
    runs.mkdir(parents=True, exist_ok=True)
    try:
        from .page import serve
    except ModuleNotFoundError as error:
        raise InputError(
            f"the studio needs {error.name}; install it: pip install 'ganvas[studio]'"
        ) from None
    close = serve(runs.resolve(), host, port, password, most)
    print(f"studio: http://{host}:{port}  (Ctrl-C closes it; trainings go on)", flush=True)
    try:
        threading.Event().wait()
    finally:
        close()
