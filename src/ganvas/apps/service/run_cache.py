"""The runs of a folder that can be asked for: found by name, never outside of the folder, and few
kept in memory."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor

from ... import api
from ...core import InputError
from ...runs.run import Run
from ..jobs import NAME
from ..spelling import spell_field
from .batching import ForwardBatcher, build_batcher

Stamp = tuple[tuple[int, int], ...]
CHANGES = ("run.json", "state.json", "evaluation.json")


class RunNotFound(Exception):
    """There is no such run."""


class RunNotReady(Exception):
    """There is a run, and it cannot be used (yet)."""


@dataclass(frozen=True)
class OpenedRun:
    """A run in memory.

    stamp: By which it is known that the run has not changed since.
    gather: Examples of several requests that may be scored in one batch.
    """

    trained: api.Trained
    stamp: Stamp
    gather: int

    @property
    def overlaps(self) -> bool:
        """Whether its examples overlap, so that those of several requests cannot be scored as one
        batch."""
        return self.trained.run.modality.overlapping

    @cached_property
    def tasks(self) -> list[str]:
        """What it can do."""
        return self.trained.tasks

    @cached_property
    def score_with_attribution(self) -> ForwardBatcher:
        """What scores examples, wherever they lie."""
        model = self.trained.model
        self.trained.prepare()

        def score(x: Tensor) -> tuple[Tensor, Tensor]:
            # of models that detect
            scored: tuple[Tensor, Tensor] = model.score_with_attribution(  # type: ignore[operator]
                x.to(model.device)
            )
            return scored

        return build_batcher(score, model.space, 1 if self.overlaps else self.gather)


class RunCache:
    """Runs by name.

    capacity: Runs that are kept in memory.
    """

    def __init__(self, runs: Path, capacity: int, gather: int) -> None:
        self.runs, self.capacity, self.gather = runs.resolve(), capacity, gather
        self._opened = OrderedDict[str, OpenedRun]()

    def __iter__(self) -> Iterator[str]:
        """Names of all runs."""
        folders = sorted(self.runs.iterdir()) if self.runs.is_dir() else []
        return (folder.name for folder in folders if self._holds(folder.name))

    def path(self, name: str) -> Path:
        """The folder of a run. Raises RunNotFound where there is none of this name, or where it
        leads elsewhere."""
        if not self._holds(name):
            raise RunNotFound(f"no run is called {name[:100]!r}; GET /runs has them all")
        return self.runs / name

    def open(self, name: str) -> OpenedRun:
        """A run, read again where it has changed. Raises RunNotFound, and RunNotReady where it has
        no weights."""
        path = self.path(name)
        stamp = _read_stamp(path)
        opened = self._opened.get(name)
        if opened is None or opened.stamp != stamp:
            opened = OpenedRun(_load_run(path), stamp, self.gather)
            self._opened[name] = opened
        self._opened.move_to_end(name)
        while len(self._opened) > self.capacity:
            self._opened.popitem(last=False)
        return opened

    def hide_paths(self, words: str) -> str:
        """Words that do not tell where runs lie."""
        return words.replace(str(self.runs), "RUNS")

    def _holds(self, name: str) -> bool:
        path = self.runs / name
        if not NAME.fullmatch(name) or not (path / "run.json").is_file():
            return False
        return _stays_inside(path, self.runs)


def _stays_inside(path: Path, runs: Path) -> bool:
    """Whether a folder and its files are where they seem to be: below the folder of runs."""
    files = [path, *map(Path, os.scandir(path))]
    return all(file.resolve().is_relative_to(runs) for file in files if file.is_symlink())


def _read_stamp(path: Path) -> Stamp:
    files = [path / name for name in CHANGES]
    found = [file.stat() for file in files if file.exists()]
    return tuple((stat.st_mtime_ns, stat.st_size) for stat in found)


def _load_run(path: Path) -> api.Trained:
    """A run with its weights. Raises RunNotReady where it cannot be had."""
    try:
        trained = api.Trained(Run(path))
        trained.model  # noqa: B018 # reads the weights
        return trained
    except InputError as error:
        raise RunNotReady(error.spelled(spell_field).replace(str(path), path.name)) from error
    except (json.JSONDecodeError, SafetensorError, KeyError, OSError) as error:
        raise RunNotReady(
            f"{path.name} cannot be opened: {type(error).__name__}; it may be half-written"
        ) from error
