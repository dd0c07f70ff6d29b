"""Trained runs and trainings over HTTP: the same verbs as on the command line, within limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .limits import Limits

if TYPE_CHECKING:
    from fastapi import FastAPI

    from .tokens import Tokens

__all__ = ["Limits", "app"]


def app(runs: Path | str, limits: Limits | None = None, tokens: Tokens | None = None) -> FastAPI:
    """The service of a folder of runs, for any ASGI server.

    tokens: Who may ask; None where anybody on this machine may, and nobody else reaches it.
    """
    from .application import application  # FastAPI is loaded by those who serve

    return application(Path(runs), limits or Limits(), tokens)
