"""Data as latents: encoded once, or with parts missing as the data itself has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from ...core import Batch, Data, Input, InputError, Mask, Masked, Source, Space, Tokens

if TYPE_CHECKING:
    from .modality import Latents

AT_ONCE = 256
MANY = 4096  # examples that take long enough for a bar


class LatentSource(Source):
    """What the inner modality reads."""

    modality: Latents

    @property
    def views(self) -> Mapping[Any, Callable[[], Any]]:
        return {**super().views, Masked: self.masked, Mask: self.mask}

    def examples(self) -> Coded:
        """Encodes all of the data once, in batches that are always the same."""
        latents = self.modality
        data = latents.inner.read(self.given)
        x, y = list[Tensor](), list[Tensor]()
        for batch in _track(data.in_batches(AT_ONCE), len(data)):
            x.append(latents.encode_compactly(batch.x).to(self.device))
            y += [] if batch.y is None else [batch.y]
        words = (
            f"{latents.inner.describe(data)}; as {describe_space(latents.space)} of"
            f" {Path(latents.through).name}"
        )
        return Coded(torch.cat(x), torch.cat(y) if y else None, data.keys(), data.names, words)

    def masked(self) -> Masked:
        """What is missing of the data itself. Raises InputError where no latent stands for a part
        of it alone."""
        masked: Masked = self._open_inner(Masked)
        return masked

    def mask(self) -> Mask:
        """Masks of the data itself. Raises InputError likewise."""
        mask: Mask = self._open_inner(Mask)
        return mask

    def _open_inner(self, kind: type[Input]) -> Any:
        latents = self.modality
        inner = latents.inner.open(self.given, self.device)
        space = latents.space
        if not isinstance(space, Tokens) or not space.covers or not inner.offers([kind]):
            raise InputError(
                f"{describe_space(space)} of {Path(latents.through).name} stand for the whole of an"
                " example, so that parts cannot be filled in; learn through codes, as of vqvae or"
                " vqgan"
            )
        return inner.view([kind], "complete")


class Coded(Data):
    """Latents that live as one tensor on the device; labels and what else goes with them are those
    of the data.

    words: What the data is.
    """

    def __init__(
        self, x: Tensor, y: Tensor | None, keys: Tensor, names: list[str], words: str
    ) -> None:
        self.x, self.y, self._keys, self.names, self.words = x, y, keys, names, words

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, rows: Tensor, step: int | None = None) -> Batch:
        return Batch(
            as_learned(self.x[rows.to(self.x.device)]), None if self.y is None else self.y[rows]
        )

    def keys(self) -> Tensor:
        return self._keys

    def subset(self, rows: Tensor) -> Coded:
        names = [self.names[i] for i in rows.tolist()]
        y = None if self.y is None else self.y[rows]
        return Coded(self.x[rows.to(self.x.device)], y, self._keys[rows], names, self.words)


def as_learned(z: Tensor) -> Tensor:
    """Latents as models learn them, of those that are kept in few bytes."""
    return z if z.is_floating_point() else z.long()


def describe_space(space: Space) -> str:
    """What latents are, in words."""
    if isinstance(space, Tokens):
        return f"{space.length} codes out of {space.vocabulary:,}"
    return f"{prod(space.shape)} numbers"


def _track(batches: Iterator[Batch], n: int) -> Iterable[Batch]:
    """The same batches, with a bar where there are many."""
    console = Console(stderr=True)
    return track(
        batches, "encoding", -(-n // AT_ONCE), console=console, transient=True, disable=n < MANY
    )
