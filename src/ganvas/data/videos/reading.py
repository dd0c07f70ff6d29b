"""Videos as a model takes them: clips, and those of which frames are missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...core import InputError, Mask, Masked, Source
from ...runtime.errors import flag
from .._reading import (
    Unreadable,
    class_numbers,
    memory_budget,
    read_lazily,
    refuse_unreadable,
)
from ..images.crops import resize_to_side
from .clips import Clips, ClipStore, Reeled, Shown, places
from .sources import Reel, Roll, open_videos

if TYPE_CHECKING:
    from .modality import Videos


class VideoSource(Source):
    """Files, folders of frames, or arrays."""

    modality: Videos

    @property
    def views(self) -> Mapping[Any, Callable[[], Any]]:
        return {**super().views, Masked: self.masked, Mask: self.mask}

    def examples(self) -> Clips:
        found = open_videos(self.given)
        labels = class_numbers(found.names, found.labels, self.modality.classes, self.where)
        rolls = self._choose_rolls(found.reels)
        room = memory_budget(self.modality.resident, self.device)
        frame = self.modality.channels * self.modality.size**2  # bytes
        if sum(len(roll) for roll in rolls.values()) * frame <= room:
            shelf, good = self._decode_all(rolls)
        else:
            shelf, good = self._survey(rolls)
        return self._cut_clips(shelf, {number: rolls[number] for number in good}, labels)

    def _decode_all(self, rolls: Mapping[int, Roll]) -> tuple[ClipStore, list[int]]:
        """Every frame decoded once, in one tensor; and numbers of the videos that could be."""
        counts = torch.tensor([len(roll) for roll in rolls.values()])
        firsts = dict(zip(rolls, (counts.cumsum(0) - counts).tolist(), strict=True))
        size, channels = self.modality.size, self.modality.channels
        pixels = torch.empty(int(counts.sum()), channels, size, size, dtype=torch.uint8)

        def take(number: int) -> None:
            own = pixels[firsts[number] : firsts[number] + len(rolls[number])]
            own.copy_(rolls[number].frames(0, len(rolls[number]), self.modality.still))

        good = list(self._check(rolls, take))
        starts = torch.tensor([firsts[number] for number in good])
        return Shown(pixels.to(self.device), starts), good

    def _survey(self, rolls: Mapping[int, Roll]) -> tuple[ClipStore, list[int]]:
        """The last frame of each decoded to see that it can be, and forgotten."""

        def take(number: int) -> None:
            rolls[number].frames(len(rolls[number]) - 1, 1, self.modality.still)

        good = list(self._check(rolls, take))
        return Reeled([rolls[number] for number in good], self.modality.still), good

    def masked(self) -> Masked:
        """Clips as they are read otherwise; of a video that is shorter than one, what there is, the
        rest missing."""
        found = open_videos(self.given)
        rolls = self._choose_rolls(found.reels, least=1)
        whole = {
            number: roll for number, roll in rolls.items() if len(roll) >= self.modality.frames
        }
        clips = self._cut_clips(Reeled([*whole.values()], self.modality.still), whole, None)
        x, names = ([*clips.gather().x], clips.names) if len(clips) else ([], [])
        known = [torch.ones(self.modality.space.shape, dtype=torch.bool) for _ in x]
        for roll in (roll for number, roll in rolls.items() if number not in whole):
            missing = (0, 0, 0, 0, 0, self.modality.frames - len(roll))
            frames = resize_to_side(roll.frames(0, len(roll), self.modality.still), None)
            own = frames.transpose(0, 1)
            x.append(F.pad(own, missing))
            known.append(F.pad(torch.ones_like(own).bool(), missing, value=False))
            names.append(roll.name)
        sizes = [(self.modality.size, self.modality.size)] * len(x)
        return Masked(x, known, names, sizes, self.modality.form).to(self.device)

    def mask(self) -> Mask:
        raise InputError(
            f"videos are completed after their first frames: leave out {flag('mask')}, and say"
            f" {flag('given')}"
        )

    def _check(
        self, videos: Mapping[int, Reel] | Mapping[int, Roll], take: Callable[[int], Any]
    ) -> dict[int, Any]:
        """What `take` gives for videos, by their numbers. Raises InputError naming all others, if
        not to skip them."""
        numbers, names = list(videos), [video.name for video in videos.values()]
        seen = list(read_lazily(names, lambda i: take(numbers[i]), "reading videos"))
        refuse_unreadable(
            [one for one in seen if isinstance(one, Unreadable)],
            len(seen),
            "videos",
            self.modality.skip_unreadable,
        )
        return {
            number: one
            for number, one in zip(numbers, seen, strict=True)
            if not isinstance(one, Unreadable)
        }

    def _choose_rolls(self, reels: Sequence[Reel], least: int = 0) -> dict[int, Roll]:
        """All reels with the frames that are looked at, by their numbers."""
        return self._check(
            dict(enumerate(reels)), lambda number: self._choose_frames(reels[number], least)
        )

    def _choose_frames(self, reel: Reel, least: int = 0) -> Roll:
        """A reel with the frames that are looked at. Raises ValueError where these are too few, by
        default for a clip."""
        numbers = reel.choose(self.modality.fps)
        if len(numbers) < (least or self.modality.frames):
            often = f" at {self.modality.fps:g} a second" if self.modality.fps else ""
            raise ValueError(
                f"it has {len(numbers)} frames{often}, and a clip has {self.modality.frames}; see"
                f" {flag('frames')}"
            )
        return Roll(reel, numbers, reel.key())

    def _cut_clips(
        self, shelf: ClipStore, rolls: Mapping[int, Roll], labels: Tensor | None
    ) -> Clips:
        keys = torch.tensor([roll.key for roll in rolls.values()], dtype=torch.int64)
        begin = places(
            [len(roll) for roll in rolls.values()], self.modality.frames, self.modality.stride
        )
        own = None if labels is None else labels[list(rolls)]
        return Clips(
            shelf, [roll.name for roll in rolls.values()], keys, own, begin, self.modality.frames
        )
