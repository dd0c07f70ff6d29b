"""The runs of a folder that can be asked for: found by name, never outside of the folder, and few
kept in memory."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from ... import api
from ...core import InputError, Overlapping
from ...runs.run import Run
from ..jobs import NAME
from ..spelling import spell_field
from .batching import ForwardBatcher, tried

Stamp = tuple[tuple[int, int], ...]
CHANGES = ("run.json", "state.json", "evaluation.json")


class Unknown(Exception):
    """There is no such run."""


class Unready(Exception):
    """There is a run, and it cannot be used (yet)."""


@dataclass(frozen=True)
class Opened:
    """A run in memory.

    stamp: By which it is known that the run has not changed since.
    gather: Examples of several requests that may be weighed in one pass.
    """

    trained: api.Trained
    stamp: Stamp
    gather: int

    @property
    def alone(self) -> bool:
        """Whether its examples hang together, so that those of several requests cannot be weighed
        as one batch."""
        return isinstance(self.trained.run.modality, Overlapping)

    @cached_property
    def tasks(self) -> list[str]:
        """What it can do."""
        return self.trained.tasks

    @cached_property
    def score_with_attribution(self) -> ForwardBatcher:
        """What scores examples, wherever they lie."""
        model = self.trained.model
        self.trained.prepare()
        weigh = lambda x: model.score_with_attribution(x.to(model.device))  # type: ignore[operator] # noqa: E731
        return tried(weigh, model.space, 1 if self.alone else self.gather)


class RunCache:
    """Runs by name."""

    def __init__(self, runs: Path, most: int, gather: int) -> None:
        self.runs, self.most, self.gather = runs.resolve(), most, gather
        self._opened = OrderedDict[str, Opened]()

    def __iter__(self) -> Any:
        """Names of all runs."""
        folders = sorted(self.runs.iterdir()) if self.runs.is_dir() else []
        return (folder.name for folder in folders if self._holds(folder.name))

    def path(self, name: str) -> Path:
        """The folder of a run. Raises Unknown where there is none of this name, or where it leads
        elsewhere."""
        if not self._holds(name):
            raise Unknown(f"no run is called {name[:100]!r}; GET /runs has them all")
        return self.runs / name

    def open(self, name: str) -> Opened:
        """A run, read again where it has changed. Raises Unknown, and Unready where it has no
        weights."""
        path = self.path(name)
        stamp = _stamp(path)
        opened = self._opened.get(name)
        if opened is None or opened.stamp != stamp:
            opened = Opened(_loaded(path), stamp, self.gather)
            self._opened[name] = opened
        self._opened.move_to_end(name)
        while len(self._opened) > self.most:
            self._opened.popitem(last=False)
        return opened

    def _holds(self, name: str) -> bool:
        path = self.runs / name
        return (
            bool(NAME.fullmatch(name)) and (path / "run.json").is_file() and _stays(path, self.runs)
        )


def _stays(path: Path, runs: Path) -> bool:
    """Whether a folder and its files are where they seem to be: below the folder of runs."""
    links = [file for file in (path, *map(Path, os.scandir(path))) if file.is_symlink()]
    return all(link.resolve().is_relative_to(runs) for link in links)


def _stamp(path: Path) -> Stamp:
    files = [path / name for name in CHANGES]
    found = [file.stat() for file in files if file.exists()]
    return tuple((one.st_mtime_ns, one.st_size) for one in found)


def _loaded(path: Path) -> api.Trained:
    """A run with its weights. Raises Unready where it cannot be had."""
    try:
        trained = api.Trained(Run(path))
        trained.model  # noqa: B018 # reads the weights
        return trained
    except InputError as error:
        raise Unready(error.spelled(spell_field).replace(str(path), path.name)) from error
    except (json.JSONDecodeError, SafetensorError, KeyError, OSError) as error:
        raise Unready(
            f"{path.name} cannot be opened: {type(error).__name__}; it may be half-written"
        ) from error
