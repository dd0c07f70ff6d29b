"""Files that people hand in: kept in RUNS/.data, and nothing in them leads out of there."""

from __future__ import annotations

import csv
import re
import shutil
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex
from time import time

from ...runtime.errors import InputError

UPLOADS, ANSWERS = Path(".data", ".uploads"), Path(".data", ".answers")
MOST = 20 * 2**30  # bytes that archives may unpack to
FILES = 1_000_000
OLD = 24 * 3600.0  # seconds for which answers are kept


def kept(files: Sequence[str], runs: Path) -> Path:
    """Keeps files in a folder of their own; returns what to read: the one file there is, or the
    folder.

    Zip files are unpacked. Raises InputError where nothing is handed in, or something names files
    of somewhere else.
    """
    if not files:
        raise InputError("nothing was handed in; drop files, or a folder as a zip")
    if not all(Path(file).resolve().is_relative_to((runs / UPLOADS).resolve()) for file in files):
        raise InputError("only what was uploaded can be worked on; drop the files again")
    folder = runs / ".data" / f"{_plain(Path(files[0]).stem)}-{token_hex(3)}"
    folder.mkdir(parents=True)
    try:
        for file in map(Path, files):
            if file.suffix.lower() == ".zip":
                _unpack(file, folder)
            else:
                shutil.copyfile(file, _free(folder / _plain(file.name)))
        _stay_inside(folder)
    except InputError:
        shutil.rmtree(folder)
        raise
    return _inmost(folder)


def _plain(name: str) -> str:
    """A name of letters, digits, dots and dashes."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-")[:60] or "data"


def _free(file: Path) -> Path:
    """The file, under another name where there is one already."""
    return file if not file.exists() else file.with_stem(f"{file.stem}-{token_hex(2)}")


def _unpack(archive: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as packed:
            members = [one for one in packed.infolist() if not one.is_dir() and _wanted(one)]
            if len(members) > FILES or sum(one.file_size for one in members) > MOST:
                raise InputError(
                    f"{archive.name} would unpack to more than 20 GiB or a million files; give less"
                )
            for one in members:
                target = (folder / one.filename).resolve()
                if not target.is_relative_to(folder.resolve()):
                    raise InputError(
                        f"{archive.name} holds {one.filename!r}, which leads out of it; make it"
                        " again"
                    )
                target.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(one) as content, target.open("wb") as copy:
                    shutil.copyfileobj(content, copy)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError) as error:
        raise InputError(
            f"{archive.name} is not a whole zip file ({error}); make it again"
        ) from error


def _wanted(member: zipfile.ZipInfo) -> bool:
    """Whether a member is a file that somebody put there, and no link."""
    parts = Path(member.filename).parts
    return not stat.S_ISLNK(member.external_attr >> 16) and not any(
        p.startswith((".", "__MACOSX")) for p in parts[-1:]
    )


def _stay_inside(folder: Path) -> None:
    """Raises InputError where a list of images names files outside the folder."""
    for file in folder.rglob("*.csv"):
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            rows = csv.DictReader(stream)
            if "path" not in (rows.fieldnames or []):
                continue
            for number, row in enumerate(rows, 2):
                named = (file.parent / (row["path"] or "")).resolve()
                if not named.is_relative_to(folder.resolve()):
                    raise InputError(
                        f"{file.name} row {number} names {row['path']}, which was not handed in; "
                        "put list and images into one zip"
                    )


def _inmost(folder: Path) -> Path:
    """The one file, or the folder below which there is more than one thing."""
    inside = [one for one in folder.iterdir() if not one.name.startswith((".", "__MACOSX"))]
    return folder if len(inside) != 1 else _inmost(inside[0]) if inside[0].is_dir() else inside[0]


def answers(runs: Path) -> Path:
    """A new folder for one answer; those of yesterday are gone then."""
    place = runs / ANSWERS
    for folder in place.iterdir() if place.exists() else ():
        if time() - folder.stat().st_mtime > OLD:
            shutil.rmtree(folder, ignore_errors=True)
    (folder := place / token_hex(8)).mkdir(parents=True)
    return folder
