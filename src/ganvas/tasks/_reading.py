"""A person's data, opened as what a task's signature asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core import Input, InputError, Source
from ..core.attributes import Attributes
from ..core.source import refusal
from ..data.images.attributes import read_attributes
from ..results.packed import Packed, unpack_bytes
from ..results.unpacked import Unpacked
from ..runs.run import Run, fingerprint


def open_source(run: Run, source: Any) -> Source:
    """What a person gave, to be read as the data of a run was."""
    model = run.model
    held_out = run.config["training"]["held_out"]
    return run.modality.open(source, model.device, held_out, lambda: fingerprint(run, model))


def read_input(run: Run, task: str, kinds: Sequence[Any], source: Any) -> Any:
    """What a person gave as the first of these types, in the order of a task's signature, that
    data of the run can be opened as. Raises InputError where it is none, or on bad input."""
    opened = open_source(run, source)
    apart = [READERS[kind] for kind in kinds if kind in READERS]
    return apart[0](opened, task) if apart else opened.view(kinds, task)


def _read_attributes(source: Source, task: str) -> Attributes:
    return read_attributes(source.given)


def _read_packed(source: Source, task: str) -> Packed:
    """What was compressed, in memory or in a file. Raises InputError where it was by another
    model."""
    if not source.offers([Unpacked]):
        raise refusal(Packed, task, source.modality)
    if isinstance(source.given, bytes):
        return unpack_bytes(source.given, "what was given", source.fingerprint())
    file = Path(source.given)
    if not file.is_file():
        raise InputError(f"{source.given} does not exist; check the path")
    return unpack_bytes(file.read_bytes(), str(source.given), source.fingerprint())


READERS: Mapping[type[Input], Callable[[Source, str], Any]] = {
    Attributes: _read_attributes,
    Packed: _read_packed,
}
"""What is read in the same way whatever the modality."""
