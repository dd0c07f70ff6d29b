"""What a run keeps of how its model does on held-out data; of an older run, computed on demand."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from torch import Tensor

from ..core import Data, InputError
from ..runtime.console import stderr_console
from ..runtime.errors import flag
from .run import Run

Learn = Callable[[Run, Data, bool], dict[str, Tensor]]
"""Looks at what training held out, in silence where that is asked; empty where there is nothing to
know."""


def learn_after_training(run: Run, name: str, source: Any, learn: Learn) -> dict[str, Tensor]:
    """Tensors of one file of a run; a run that is finished and lacks the file gets it, from the
    data of its training.

    source: That data, or None where it is not at hand.

    Raises InputError where the run was not finished, held nothing out, or its data is not what it
    was.
    """
    if kept := run.tensors(name):
        return kept
    lack = f"{run.path} has no {name}.safetensors"
    if not run.state["finished"]:
        raise InputError(
            f"{lack}, for its training has not ended; go on with: ganvas train --resume {run.path}"
        )
    nothing = f"{lack}, for its training held nothing out; train with {flag('held_out', 0.1)}"
    if not run.config["training"]["held_out"]:
        raise InputError(nothing)
    held = _held_out(run, lack, source)
    if not len(held):
        raise InputError(nothing)
    stderr_console(highlight=False).print(
        f"{lack}, as older ones do not: making it of its data", soft_wrap=True
    )
    made = learn(run, held, False)
    if made and os.access(run.path, os.W_OK):
        run.keep(name, made)
    return made


def data_digest(learn: Data) -> str:
    """What a training remembers its data by."""
    return blake2b(learn.keys().numpy().tobytes(), digest_size=8).hexdigest()


def _held_out(run: Run, lack: str, source: Any) -> Data:
    if source is None:
        raise InputError(
            f"{lack}, and was trained on data in memory; give that again once, in Python: "
            f"ganvas.api.resume({str(run.path)!r}, source=...)"
        )
    try:
        learn, held = run.modality.read(source).split(run.config["training"]["held_out"])
    except InputError as error:
        raise InputError(
            f"{lack}, and the data of its training cannot be read to make it: {error.words}"
        ) from error
    if data_digest(learn) != run.state.get("data", data_digest(learn)):
        raise InputError(
            f"{lack}, and the data it could be made of has changed since the training; put it"
            " back, or train again"
        )
    return held
