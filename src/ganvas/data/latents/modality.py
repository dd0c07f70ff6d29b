"""What a trained run makes of data: its codes or vectors, learned from in place of the data, and
decoded for people."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from ...abilities import Completes, Tokenizes
from ...core import Data, InputError, Modality, Space, Tokens
from ...core.masks import from_nearest_known
from ...core.modality import Items, stack_items
from ...runs.run import Run, fingerprint
from ...runtime.device import choose_device, prepare
from ...runtime.errors import flag
from .reading import AT_ONCE, Coded, LatentSource, as_learned

if TYPE_CHECKING:
    import pandas as pd

LOOKED_AT = 10_000
OUTLYING = 1e-3  # share of values at either end that need not fit between -1 and 1
ROOM = 1.1  # times as far as the others reach


@dataclass(frozen=True)
class Latents(Modality):
    """Data as the model of a run encodes it. Vectors are brought to [-1, 1], each dimension by what
    was seen of it.

    What is missing is missing of the data; codes are completed where they stand for any of that.

    through: Folder of that run.
    fingerprint: Of its weights, and of what its modality learned.
    relative: The same folder, as seen from that of the run which learns from the latents.
    middle: Of each dimension of vectors, what becomes 0...
    reach: ...and how far from there becomes 1.
    """

    through: str
    fingerprint: str
    relative: str = ""
    middle: tuple[float, ...] = ()
    reach: tuple[float, ...] = ()

    features: ClassVar[str] = "plain"
    opens: ClassVar[type[LatentSource]] = LatentSource
    endings: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def recognises(cls, source: Any) -> bool:
        return False

    @classmethod
    def learn(cls, source: Any, *, through: Path | None = None) -> Latents:
        """Opens the run, and looks at how far its latents reach where these are vectors.

        through: Folder of a trained run whose model encodes and decodes: what it makes of the data
            is learned from.
        """
        if through is None:
            raise InputError(f"latents are those of a run: name it with {flag('through')}")
        run = Run(through)
        latents = cls(str(run.path.resolve()), _fingerprint(run))
        if isinstance(latents.space, Tokens):
            return latents
        few = latents.inner.read(source).in_batches(AT_ONCE, LOOKED_AT)
        low, high = _ends(torch.cat([latents.encode_raw(batch.x) for batch in few]))
        middle, reach = (low + high) / 2, ((high - low) / 2 * ROOM).clamp(min=1e-6)
        return replace(latents, middle=tuple(middle.tolist()), reach=tuple(reach.tolist()))

    def beside(self, run: Path) -> Self:
        if not self.relative:
            return replace(self, relative=os.path.relpath(self.through, run))
        moved = run / self.relative
        return (
            replace(self, through=str(moved))
            if not Path(self.through).exists() and moved.exists()
            else self
        )

    @cached_property
    def _run(self) -> Run:
        """The run that is learned through. Raises InputError where it is gone, or is not what it
        was."""
        if not (Path(self.through) / "run.json").exists():
            raise InputError(
                f"{self.through} is gone, and nothing can be coded or decoded without that run; put"
                " it back"
            )
        run = Run(self.through)
        if _fingerprint(run) != self.fingerprint:
            raise InputError(
                f"{self.through} is not the run that was learned through: it was trained on since, "
                "or again; put the old one back, or train again"
            )
        prepare(run.model, choose_device())
        return run

    @property
    def _model(self) -> Tokenizes:
        return _tokenizer(self._run)

    @property
    def encoder(self) -> Path:
        return Path(self.through)

    @property
    def inner(self) -> Modality:
        return self._run.modality

    @property
    def space(self) -> Space:
        return self._model.latents

    @property
    def condition(self) -> Space | None:
        return self.inner.condition

    @property
    def classes(self) -> tuple[str, ...]:
        return self.inner.classes

    @property
    # those of the run that is learned through
    def words(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.inner.words

    def completing(self, model: Completes) -> Completes | None:
        return (
            Decoded(model, self) if isinstance(self.space, Tokens) and self.space.covers else None
        )

    def in_part(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Codes (B, places) of examples of the inner modality, and which of them are known,
        boolean: those that stand for what is known alone. What is not known is made of what is near
            it first, so that no code sees it."""
        space = self.space
        assert isinstance(space, Tokens), (
            "only codes that lie on a grid are read with parts missing"
        )
        pool = F.max_pool2d if len(space.grid) == 2 else F.max_pool3d
        missing = pool((~known).any(1, keepdim=True).float(), space.covers, ceil_mode=True)
        return self.encode_raw(from_nearest_known(x, known)).to(x.device), missing.flatten(1) == 0

    def encode(self, x: Tensor) -> Tensor:
        parts = [self.encode_compactly(part) for part in x.split(AT_ONCE)]
        return as_learned(torch.cat(parts))

    def encode_compactly(self, x: Tensor) -> Tensor:
        """Latents as they are kept, of examples of the inner modality."""
        return self._scale_down(self.encode_raw(x))

    @torch.no_grad()
    def encode_raw(self, x: Tensor) -> Tensor:
        return self._model.encode(x.to(self._model.device)).cpu()

    def _scale_down(self, z: Tensor) -> Tensor:
        """Latents as they are learned from, symbols in as few bytes as hold them."""
        if isinstance(self.space, Tokens):
            return z.to(torch.int16 if self.space.vocabulary <= 2**15 else torch.int32)
        middle, reach = self._scale(z)
        return ((z.float() - middle) / reach).clamp(-1, 1)

    @torch.no_grad()
    def decode(self, x: Tensor) -> Tensor:
        model = self._model
        return torch.cat(
            [
                model.decode(self._latents(part.to(model.device))).float()
                for part in x.split(AT_ONCE)
            ]
        ).cpu()

    def _latents(self, x: Tensor) -> Tensor:
        """Latents as the model has them, of those that were learned from."""
        if isinstance(self.space, Tokens):
            return x.long()
        middle, reach = self._scale(x)
        return x.float() * reach + middle

    def _scale(self, z: Tensor) -> list[Tensor]:
        """The middle and the reach of every dimension, to go with latents (B, D, ...)."""
        shape = (1, -1, *[1] * (z.dim() - 2))
        return [torch.tensor(one, device=z.device).view(shape) for one in (self.middle, self.reach)]

    def describe(self, data: Data) -> str:
        assert isinstance(data, Coded)
        return f"{data.words}; in memory ({data.x.nbytes / 2**20:,.1f} MB)"

    def to_python(self, items: Items, form: str | None = None) -> Any:
        return self.inner.to_python(self.decode(stack_items(items)), form)

    def vectors(self, x: Tensor) -> Tensor:
        return self.inner.vectors(self.decode(x))

    def reasons(self, attribution: Tensor) -> dict[str, Tensor]:
        return {}

    def point_out(
        self, x: Tensor, attribution: Tensor, nearest: Tensor, names: list[str], folder: Path
    ) -> list[Path]:
        """Attribution of a place of an image's or a clip's codes lies on all the pixels that it
        covers; of all else nothing is drawn."""
        space = self.space
        if not isinstance(space, Tokens) or not space.covers:
            return []
        seen = self.decode(x)
        small = attribution.view(len(x), 1, *space.grid).float()
        mode = "bilinear" if len(space.grid) == 2 else "trilinear"
        spread = F.interpolate(small, seen.shape[2:], mode=mode).expand_as(seen)
        return self.inner.point_out(
            seen, spread, self.decode(nearest) if len(nearest) else seen[:0], names, folder
        )

    def thumbnails(self, x: Tensor, most: int) -> Tensor | None:
        return self.inner.thumbnails(self.decode(x), most)

    def frame(self, x: Tensor) -> pd.DataFrame | None:
        return self.inner.frame(self.decode(x))

    def save(self, items: Items, target: Path, names: list[str] | None = None) -> list[Path]:
        return self.inner.save(self.decode(stack_items(items)), target, names)

    def sheet(self, x: Tensor, target: Path, columns: int | None = None) -> Path:
        return self.inner.sheet(self.decode(x), target, columns)

    def animate(self, frames: list[Tensor], target: Path, seconds: float = 0.1) -> Path:
        return self.inner.animate([self.decode(frame) for frame in frames], target, seconds)

    def film(self, sheets: list[Path], target: Path) -> Path:
        return self.inner.film(sheets, target)


class Decoded(Completes):
    """A model that completes codes, as one that completes what these are codes of: codes that stand
    for nothing but what is known stay, the others are made, and what was known comes back as it
    was."""

    def __init__(self, model: Completes, latents: Latents) -> None:
        self.model, self.latents, self.space = model, latents, latents.inner.space

    def complete(
        self, x: Tensor, known: Tensor, allowed: Mapping[int, Tensor] | None = None
    ) -> Tensor:
        made = self.latents.decode(self.model.complete(*self.latents.in_part(x, known), allowed))
        return torch.where(known, x, made.to(x.device))


def _tokenizer(run: Run) -> Tokenizes:
    """The model of a run. Raises InputError where nothing can be learned through it."""
    if not isinstance(run.model, Tokenizes):
        raise InputError(
            f"{run.path} is a run of {run.config['model']}, whose latents no other model can learn;"
            " take one of vqvae, vqgan, ae, vae or textvae"
        )
    return run.model


def _fingerprint(run: Run) -> str:
    """What tells the run's weights from all others, once it is known that something can be learned
    through it."""
    _tokenizer(run)
    return fingerprint(run, run.model)


def _ends(z: Tensor) -> tuple[Tensor, Tensor]:
    """Between what values of each dimension of latents (N, D, ...) lie, but for the most outlying:
    each (D,)."""
    values = z.float().movedim(1, 0).flatten(1).sort(1).values
    out = int(OUTLYING * values.shape[1])
    return values[:, out], values[:, -1 - out]
