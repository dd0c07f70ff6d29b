"""What reading images and reading videos have in common: many files, some of them broken, and
room for so many."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.progress import track
from torch import Tensor

from ..core import InputError
from ..runtime.console import stderr_console
from ..runtime.errors import flag
from .images.crops import THREADS

SHOWN = 50  # names that an error lists


@dataclass(frozen=True)
class Unreadable:
    """One of many files, and why it cannot be read."""

    number: int
    name: str
    why: str


def read_lazily(names: Sequence[str], take: Callable[[int], Any], words: str) -> Iterator[Any]:
    """What `take` gives for every one, or what went wrong; by threads, a bounded number at a
    time."""

    def one(i: int) -> Any:
        try:
            return take(i)
        except (
            OSError,
            SyntaxError,
            ValueError,
            Image.DecompressionBombError,
        ) as error:  # what Pillow raises
            return Unreadable(
                i, names[i], str(error).splitlines()[0] if str(error) else "cannot be decoded"
            )

    def results() -> Iterator[Any]:
        if len(names) == 1:  # threads cost more than they bring
            yield one(0)
            return
        with ThreadPoolExecutor(THREADS) as pool:
            for start in range(0, len(names), 1024):
                yield from pool.map(one, range(start, min(start + 1024, len(names))))

    return with_progress(results(), len(names), words)


def with_progress(steps: Iterable[Any], n: int, words: str) -> Iterator[Any]:
    """The same steps, with a bar where there are many."""
    return (
        iter(steps)
        if n < 2000
        else iter(track(steps, words, n, console=stderr_console(), transient=True))
    )


def refuse_unreadable(errors: Iterable[Unreadable], of: int, kind: str, skip: bool) -> None:
    """Raises InputError naming what cannot be read, of so many `kind`: where that is all, or where
    it may not be skipped."""
    errors = list(errors)
    if len(errors) == of:
        raise InputError(
            f"none of the {of} {kind} can be read; the first is {errors[0].name}: {errors[0].why}"
        )
    if errors and not skip:
        listed = "; ".join(f"{e.name}: {e.why}" for e in errors[:SHOWN])
        more = f"; and {len(errors) - SHOWN} more" if len(errors) > SHOWN else ""
        raise InputError(
            f"{len(errors)} of {of} {kind} cannot be read ({listed}{more}); "
            f"mend them, or go on without them: {flag('skip_unreadable')}"
        )


def class_numbers(
    names: Sequence[str], labels: Sequence[str] | None, classes: Sequence[str], where: str
) -> Tensor | None:
    """Labels as class numbers, int64 (N, 1). Raises InputError for one that was not there in
    training."""
    if labels is None or not classes:
        return None
    number = {name: i for i, name in enumerate(classes)}
    for name, label in zip(names, labels, strict=True):
        if label not in number:
            known = ", ".join(number)
            raise InputError(
                f"{where}: {name} is labelled {label!r}, which the model never saw; it knows"
                f" {known}"
            )
    return torch.tensor([number[label] for label in labels]).unsqueeze(1)


def natural_size(sizes: np.ndarray) -> int:
    """Of (width, height) of images, (N, 2): their own size where all are one small square; else
    the largest power of two that most have."""
    width, height = sizes[0]
    if (sizes == sizes[0]).all() and width == height and 8 <= width <= 64:
        return int(width)
    median = max(int(np.median(sizes.min(1))), 1)
    return min(max(1 << (median.bit_length() - 1), 16), 64)


def memory_budget(gib: float | None, device: torch.device) -> float:
    """Bytes of decoded images that may live on the device: so many GiB, or where nothing is said
    a quarter of what is free."""
    if gib is not None:
        return gib * 2**30
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / 4
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") / 4


def content_key(*parts: bytes) -> int:
    """64 bits that stand for content."""
    digest = blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return int.from_bytes(digest.digest(), "little", signed=True)


def content_keys(contents: Iterable[bytes]) -> Tensor:
    return torch.tensor([content_key(content) for content in contents], dtype=torch.int64)


def describe_classes(labels: Tensor, classes: Sequence[str]) -> str:
    """How many examples there are of each class, in words; of many classes the first ten.

    labels: Class numbers, of any shape.
    """
    counts = Counter(labels.flatten().tolist())
    listed = ", ".join(f"{name} {counts[i]:,}" for i, name in enumerate(classes[:10]))
    return f"{len(classes)} classes ({listed}{' …' if len(classes) > 10 else ''})"
