"""Files that people hand in: kept in RUNS/.data, and nothing in them leads out of there."""

from __future__ import annotations

import csv
import re
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex
from time import time

from ...core.images import lists_images
from ...runtime.errors import InputError
from ..uploads import check_members, is_plain_file, is_private, list_files

UPLOADS, ANSWERS = Path(".data", ".uploads"), Path(".data", ".answers")
MOST = 20 * 2**30  # bytes that archives may unpack to
FILES = 1_000_000
OLD = 24 * 3600.0  # seconds for which answers are kept


def store_uploads(files: Sequence[str], runs: Path) -> Path:
    """Keeps files in a folder of their own; returns what to read: the one file there is, or the
    folder.

    Zip files are unpacked. Raises InputError where nothing is handed in, or something names files
    of somewhere else.
    """
    if not files:
        raise InputError("nothing was handed in; drop files, or a folder as a zip")
    inbox = (runs / UPLOADS).resolve()
    if not all(Path(file).resolve().is_relative_to(inbox) for file in files):
        raise InputError("only what was uploaded can be worked on; drop the files again")
    folder = runs / ".data" / f"{_simplify(Path(files[0]).stem)}-{token_hex(3)}"
    folder.mkdir(parents=True)
    try:
        for file in map(Path, files):
            if file.suffix.lower() == ".zip":
                _unpack(file, folder)
            else:
                shutil.copyfile(file, _find_free_name(folder / _simplify(file.name)))
        _refuse_lists_of_other_files(folder)
    except InputError:
        shutil.rmtree(folder)
        raise
    return _find_content(folder)


def create_answer_folder(runs: Path) -> Path:
    """A new folder for one answer; those of yesterday are gone then."""
    answers = runs / ANSWERS
    for folder in answers.iterdir() if answers.exists() else ():
        if time() - folder.stat().st_mtime > OLD:
            shutil.rmtree(folder, ignore_errors=True)
    folder = answers / token_hex(8)
    folder.mkdir(parents=True)
    return folder


def _simplify(name: str) -> str:
    """A name of letters, digits, dots and dashes, which may become that of a run."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-")[:60] or "data"


def _find_free_name(file: Path) -> Path:
    """The file, under another name where there is one already."""
    return file if not file.exists() else file.with_stem(f"{file.stem}-{token_hex(2)}")


def _unpack(archive: Path, folder: Path) -> None:
    """Raises InputError where an archive is none, is too large, or leads out of the folder."""
    try:
        with zipfile.ZipFile(archive) as packed:
            members = [member for member in packed.infolist() if is_plain_file(member)]
            check_members(members, archive.name, FILES, MOST)
            for member in members:
                target = _place_inside(folder, member.filename, archive.name)
                with packed.open(member) as content, target.open("wb") as copy:
                    shutil.copyfileobj(content, copy)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError) as error:
        raise InputError(
            f"{archive.name} is not a whole zip file ({error}); make it again"
        ) from error


def _place_inside(folder: Path, name: str, archive: str) -> Path:
    """Where a member of an archive goes, with the folders above it. Raises InputError where that is
    outside."""
    target = (folder / name).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise InputError(f"{archive} holds {name!r}, which leads out of it; make it again")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _refuse_lists_of_other_files(folder: Path) -> None:
    """Raises InputError where a list of images names files outside the folder."""
    for file in list_files(folder):
        if file.suffix == ".csv" and lists_images(file):
            _check_image_list(file, folder)


def _check_image_list(file: Path, folder: Path) -> None:
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        for number, row in enumerate(csv.DictReader(stream), 2):
            path = row.get("path") or ""
            if not (file.parent / path).resolve().is_relative_to(folder.resolve()):
                raise InputError(
                    f"{file.name} row {number} names {path}, which was not handed in; put list and"
                    " images into one zip"
                )


def _find_content(folder: Path) -> Path:
    """The one file, or the folder below which there is more than one thing."""
    inside = [entry for entry in folder.iterdir() if not is_private(entry)]
    if len(inside) != 1:
        return folder
    return _find_content(inside[0]) if inside[0].is_dir() else inside[0]
