"""Clips cut out of videos: so many frames that follow each other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from ...core import Batch, Data, InputError
from .._reading import content_key
from ..images.crops import THREADS, resize_to_side
from ..images.modality import Images
from .sources import Roll

STRETCH = 8  # clips' lengths that are held out together, or not, where there is but one video


class ClipStore(ABC):
    """Videos that clips are taken from."""

    ahead = 0

    @abstractmethod
    def cut(self, places: Tensor, frames: int) -> Tensor:
        """Clips, uint8 (B, C, frames, size, size), at places (B, 2): number of the video, first
        frame."""

    @abstractmethod
    def kept(self) -> str:
        """Where videos are kept, in words."""


class Shown(ClipStore):
    """Videos that live on the device: all frames of all of them in one tensor, uint8 (F, C, size,
    size).

    firsts: Where each video begins in it, int64 (N,).
    """

    def __init__(self, pixels: Tensor, firsts: Tensor) -> None:
        self.pixels, self.firsts = pixels, firsts

    def cut(self, places: Tensor, frames: int) -> Tensor:
        number, first = places.unbind(1)
        index = (self.firsts[number] + first).unsqueeze(1) + torch.arange(frames)
        return self.pixels[index.to(self.pixels.device)].transpose(1, 2)

    def kept(self) -> str:
        return f"in memory ({self.pixels.nbytes / 2**20:,.0f} MB)"


class Reeled(ClipStore):
    """Videos that are decoded whenever a clip is taken from them, by threads: PyAV lets others work
    meanwhile."""

    ahead = 2

    def __init__(self, rolls: Sequence[Roll], still: Images) -> None:
        self.rolls, self.still, self.pool = rolls, still, ThreadPoolExecutor(THREADS)

    def cut(self, places: Tensor, frames: int) -> Tensor:
        def one(place: list[int]) -> Tensor:
            number, first = place
            try:
                return self.rolls[number].frames(first, frames, self.still)
            except (OSError, ValueError) as error:
                raise InputError(
                    f"{self.rolls[number].name}: {error}; mend it, or leave it out"
                ) from error

        return torch.stack(list(self.pool.map(one, places.tolist()))).transpose(1, 2)

    def kept(self) -> str:
        return f"too many for memory: decoded as they are needed, by {THREADS} threads"


class Clips(Data):
    """Every video counts as many examples as clips begin in it. All clips of a video are held out,
    or none; of a single video, those of whole stretches of it.

    Arguments:
        shelf: The videos.
        names: Where each of these came from.
        keys: A hash of each, int64 (N,).
        labels: Class numbers of each, int64 (N, 1), or None.
        places: Which clips these are, int64 (P, 2): number of the video, first frame.
        frames: How long a clip is.
    """

    parts = True

    def __init__(
        self,
        shelf: ClipStore,
        names: Sequence[str],
        keys: Tensor,
        labels: Tensor | None,
        places: Tensor,
        frames: int,
    ) -> None:
        self.shelf, self.videos, self.all_keys, self.all_labels = shelf, names, keys, labels
        self.places, self.frames, self.ahead = places, frames, shelf.ahead

    def __len__(self) -> int:
        return len(self.places)

    @property
    # made when asked for: there may be very many
    def names(self) -> list[str]:  # type: ignore[override]
        return [
            f"{self.videos[number]} from frame {first}" for number, first in self.places.tolist()
        ]

    @property
    def labels(self) -> Tensor | None:
        return None if self.all_labels is None else self.all_labels[self.places[:, 0]]

    def batch(self, rows: Tensor, step: int | None = None) -> Batch:
        places = self.places[rows]
        y = None if self.all_labels is None else self.all_labels[places[:, 0]]
        return Batch(resize_to_side(self.shelf.cut(places, self.frames), None), y)

    def keys(self) -> Tensor:
        if len(self.videos) > 1:
            return self.all_keys[self.places[:, 0]]
        stretches = (self.places[:, 1] // (STRETCH * self.frames)).tolist()
        own = self.all_keys.numpy().tobytes()
        return torch.tensor(
            [content_key(own, str(number).encode()) for number in stretches], dtype=torch.int64
        )

    def subset(self, rows: Tensor) -> Clips:
        return Clips(
            self.shelf, self.videos, self.all_keys, self.all_labels, self.places[rows], self.frames
        )


def places(counts: Sequence[int], frames: int, stride: int) -> Tensor:
    """Where clips begin in videos of so many frames, int64 (P, 2); of a single video, not across
    stretches."""
    found = [torch.empty(0, 2, dtype=torch.int64)]
    for number, count in enumerate(counts):
        first = torch.arange(0, count - frames + 1, stride)
        if len(counts) == 1:
            stretch = STRETCH * frames
            first = first[first // stretch == (first + frames - 1) // stretch]
        found.append(torch.stack([torch.full_like(first, number), first], 1))
    return torch.cat(found)
