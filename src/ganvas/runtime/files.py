"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(file: Path, content: bytes) -> None:
    """The file has either its old content or all of the new, even if the machine stops."""
    beside = file.with_name(file.name + ".part")
    with beside.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(beside, file)
    sync_folder(file.parent)


def is_partial_file(file: Path) -> bool:
    """Whether a file is what an atomic write left behind when it was cut short."""
    return file.suffix == ".part"


def sync_folder(folder: Path) -> None:
    """Makes a rename last: the folder's own entry goes to the disk (where the system lets a folder
    be opened)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
