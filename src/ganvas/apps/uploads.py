"""What of the files that people hand in is safe to read: archives that unpack to no more than is
allowed, and lists that name no other files.

Studio, service and assistant ask the same; where they keep the files, each of them says itself.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from ..core.images import lists_images
from ..runtime.errors import InputError

PRIVATE = (".", "__MACOSX")
"""What names of files begin with that nobody put there on purpose."""


def list_files(path: Path) -> list[Path]:
    """The file itself, or all files below a folder, in order."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file())


def find_image_list(path: Path) -> Path | None:
    """The first CSV file at or below a path that lists images: it would name files anywhere on this
    machine."""
    tables = (file for file in list_files(path) if file.suffix.lower() == ".csv")
    return next((file for file in tables if lists_images(file)), None)


def refuse_large(size: int, most: int, name: str) -> None:
    """Raises InputError where a file unpacks to more bytes than are allowed."""
    if size > most:
        raise InputError(
            f"{name} unpacks to {size / 2**20:,.0f} MiB, and {most / 2**20:,.0f} are allowed"
        )


def refuse_many(count: int, most: int, name: str, what: str = "rows") -> None:
    """Raises InputError where a file has more rows, or other parts, than are allowed."""
    if count > most:
        raise InputError(f"{name} has {count:,} {what}, and {most:,} are allowed; send fewer")


def check_members(members: Sequence[ZipInfo], name: str, most: int, most_bytes: int) -> None:
    """Raises InputError where an archive holds too many files, or unpacks to too much."""
    refuse_many(len(members), most, name, "files")
    refuse_large(sum(member.file_size for member in members), most_bytes, name)


def is_plain_file(member: ZipInfo) -> bool:
    """Whether a member of an archive is a file that somebody put there: no folder, no link."""
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    return not member.is_dir() and not is_link and not is_private(Path(member.filename))


def is_private(file: Path) -> bool:
    """Whether a system put a file there and no person."""
    return file.name.startswith(PRIVATE)


def zip_files(files: Iterable[Path], folder: Path, target: Path) -> Path:
    """Packs files below a folder into one archive, by their names in that folder."""
    with ZipFile(target, "w", ZIP_STORED) as archive:
        for file in files:
            archive.write(file, file.relative_to(folder))
    return target


def describe_error(error: Exception) -> str:
    """The first line of what another program says went wrong, cut to a sentence's length."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
