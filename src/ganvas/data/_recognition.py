"""Which modality a source is read as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core import InputError
from ..runtime import registry
from ..runtime.errors import flag


def modality_name(source: Any, as_: str | None, through: Path | None) -> str:
    """The modality that a training reads a source as: what was said, or what it looks like."""
    return "latents" if through else as_ or guess_modality(source)


def guess_modality(source: Any) -> str:
    """The modality that a source looks like. Raises InputError where it looks like none."""
    for name in registry.names("modalities"):
        if registry.load("modalities", name).recognises(source):
            return name
    if isinstance(source, str | Path) and not Path(source).exists():
        raise InputError(f"{source} does not exist; check the path")
    shown = repr(source) if isinstance(source, str | Path) else f"the {type(source).__name__}"
    raise InputError(
        f"{shown} looks like nothing Ganvas reads; say what it is with {flag('as_')}, or see"
        " `ganvas --help`"
    )


def source_name(source: Any) -> str:
    """A short name for a source, for a folder's name."""
    return Path(source).name.split(".")[0] or "data" if isinstance(source, str | Path) else "data"
