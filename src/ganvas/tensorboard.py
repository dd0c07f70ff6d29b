"""The log of a run for TensorBoard, which many people have open anyway. An extra: pip install 'ganvas[tensorboard]'."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .core import InputError


def board(folder: Path, step: int) -> Callable[[Mapping[str, Any]], None]:
    """A function that writes a line of the log as scalars; what was written after round `step` is forgotten."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError("--tensorboard needs an extra: pip install 'ganvas[tensorboard]'") from error
    writer = SummaryWriter(folder, purge_step=step + 1)

    def write(line: Mapping[str, Any]) -> None:
        for name, value in line.items():
            if name not in ("step", "seconds"):
                writer.add_scalar(name, value, line["step"])
        writer.flush()

    return write
