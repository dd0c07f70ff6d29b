"""Which modality a source is read as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core import InputError, Modality
from ..runtime import registry
from ..runtime.errors import flag


def modality_name(source: Any, as_: str | None, through: Path | None) -> str:
    """The modality that a training reads a source as: what was said, or what it looks like."""
    return "latents" if through else as_ or guess_modality(source)


def guess_modality(source: Any) -> str:
    """The modality that a source looks like: of several that recognise it, the first of which it
    has files. Raises InputError where it looks like none."""
    others = list[str]()
    for name in registry.names("modalities"):
        kind = registry.load("modalities", name)
        if kind.recognises(source):
            if _has_files_of(source, kind):
                return name
            others.append(name)  # such as images, which say of any folder why it is none of them
    if others:
        return others[0]
    if isinstance(source, str | Path) and not Path(source).exists():
        raise InputError(f"{source} does not exist; check the path")
    shown = repr(source) if isinstance(source, str | Path) else f"the {type(source).__name__}"
    raise InputError(
        f"{shown} looks like nothing Ganvas reads; say what it is with {flag('as_')}, or see"
        " `ganvas --help`"
    )


def _has_files_of(source: Any, kind: type[Modality]) -> bool:
    """Whether a folder has a file of a modality's kinds; whatever is no folder, was looked into."""
    if not isinstance(source, str | Path) or not Path(source).is_dir():
        return True
    return any(file.suffix.lower() in kind.endings for file in Path(source).rglob("*"))


def source_name(source: Any) -> str:
    """A short name for a source, for a folder's name."""
    return Path(source).name.split(".")[0] or "data" if isinstance(source, str | Path) else "data"
