"""Where videos come from: files that PyAV decodes, folders of frames, arrays; each is a reel with
numbered frames."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...core import InputError
from ...core.images import CONTAINERS
from ...runtime.errors import flag
from .._reading import content_key
from ..images.modality import Images
from ..images.sources import ENDINGS, VIDEOS, as_levels, folder_labels, hidden

FILES = VIDEOS | {".gif"}
SHORT = 0.9  # of the length that a file says it has: what holds less was cut off


class Head(NamedTuple):
    """What a reel says of itself: size in pixels, colours, and where it says so, its frames and
    those of a second."""

    width: int
    height: int
    grey: bool
    frames: int | None
    rate: float | None


class Reel(ABC):
    """One video. Whatever it does raises OSError or ValueError where it cannot be read."""

    name: str

    @property
    @abstractmethod
    def head(self) -> Head:
        """What it says of itself."""

    @property
    @abstractmethod
    def times(self) -> np.ndarray | int:
        """When each frame is shown, in seconds, (n,); or how many frames there are, where they have
        no times."""

    @abstractmethod
    def key(self) -> int:
        """64 bits that stand for its content."""

    @abstractmethod
    def frames(self, numbers: Sequence[int], still: Images) -> Tensor:
        """Frames of these numbers, ascending, as `still` has images: uint8 (n, channels, size,
        size)."""

    def choose(self, rate: float | None) -> np.ndarray:
        """Numbers of the frames that are seen if one looks so often a second, int64; all of them
        without a rate."""
        times = self.times
        if isinstance(times, int):
            if rate is not None:
                raise ValueError(f"its frames have no times; leave out {flag('fps')}")
            return np.arange(times)
        if rate is None or not len(times):
            return np.arange(len(times))
        looks = np.arange(int((times[-1] - times[0]) * rate + 1e-6) + 1) / rate + times[0]
        last: np.ndarray = times.searchsorted(looks + 1e-6, "right") - 1
        return last


class Film(Reel):
    """A video file."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path

    @cached_property
    def head(self) -> Head:
        with self._open_stream() as (container, stream):
            context, first = stream.codec_context, next(container.decode(stream), None)
            if first is None:
                raise OSError("it has no frames")
            sides = (
                (first.height, first.width) if first.rotation % 180 else (first.width, first.height)
            )
            rate = stream.average_rate or stream.guessed_rate
            grey = (context.pix_fmt or "").startswith("gray")
            return Head(*sides, grey, stream.frames or None, float(rate) if rate else None)

    @cached_property
    def stamps(self) -> np.ndarray:
        """When each frame is shown, in units of the stream; ascending."""
        with self._open_stream() as (container, stream):
            packets = [p for p in container.demux(stream) if p.size and not p.is_corrupt]
            said, unit = (container.duration or 0) / 1e6, float(stream.time_base or 0)
            stamps = np.array(
                sorted({p.pts for p in packets if p.pts is not None and not p.is_discard}), np.int64
            )
            if len(stamps) < len([p for p in packets if not p.is_discard]):
                raise OSError(
                    "its frames do not say when they are shown; convert it, such as to MP4"
                )
            end = (
                max(
                    (p.pts - (stream.start_time or 0) + (p.duration or 0) for p in packets),
                    default=0,
                )
                * unit
            )
            if len(packets) < SHORT * stream.frames or end < SHORT * said - 0.2:
                held = (
                    f"{len(packets)} of {stream.frames} frames"
                    if stream.frames
                    else f"{end:.1f} of {said:.1f} s"
                )
                raise OSError(f"it is cut short, and holds {held}; fetch it again")
            self.unit = unit
            return stamps

    @property
    def times(self) -> np.ndarray:
        return self.stamps * self.unit

    def key(self) -> int:
        digest = blake2b(digest_size=8)
        with self.path.open("rb") as stream:
            while part := stream.read(2**20):
                digest.update(part)
        return int.from_bytes(digest.digest(), "little", signed=True)

    def frames(self, numbers: Sequence[int], still: Images) -> Tensor:
        found = self._decode(sorted(set(numbers)), still, seek=True)
        if found is None:  # not every kind of file can be entered anywhere
            found = self._decode(sorted(set(numbers)), still, seek=False)
        if found is None or (lost := set(numbers) - found.keys()):
            raise OSError(
                f"its frame {min(lost) if found else numbers[0]} cannot be decoded; it may be"
                " damaged"
            )
        return torch.from_numpy(np.stack([found[number] for number in numbers]))

    def _decode(
        self, numbers: Sequence[int], still: Images, seek: bool
    ) -> dict[int, np.ndarray] | None:
        """Frames by their number; None where what was decoded first comes after them."""
        number_of = {int(self.stamps[number]): number for number in numbers}
        found = dict[int, np.ndarray]()
        with self._open_stream() as (container, stream):
            if seek:
                container.seek(min(number_of), stream=stream)
            for i, frame in enumerate(container.decode(stream)):
                if i == 0 and seek and (frame.pts is None or frame.pts > min(number_of)):
                    return None
                if frame.pts in number_of and not frame.is_corrupt:
                    found[number_of[frame.pts]] = _crop_square(frame, still)
                if len(found) == len(number_of):
                    break
        return found

    @contextmanager
    def _open_stream(self) -> Iterator[tuple[Any, Any]]:
        """The file and its video. Raises OSError where it cannot be decoded, or is too large to
        be."""
        av = pyav()
        try:
            with av.open(
                str(self.path), options={"format_whitelist": CONTAINERS}, metadata_errors="replace"
            ) as container:
                if not container.streams.video:
                    raise OSError("it holds no video")
                stream = container.streams.video[0]
                width, height = stream.codec_context.width, stream.codec_context.height
                if width * height > (Image.MAX_IMAGE_PIXELS or inf):
                    raise OSError(f"decompression bomb: {width} × {height} pixels")
                yield container, stream
        except av.FFmpegError as error:
            raise OSError(f"not a video that can be decoded ({error.strerror or error})") from error


class Pages(Reel):
    """A folder of images that follow each other."""

    def __init__(self, name: str, files: Sequence[Path]) -> None:
        self.name, self.files = name, files

    @cached_property
    def head(self) -> Head:
        with Image.open(self.files[0]) as image:
            return Head(
                *image.size, image.mode in ("1", "L", "LA", "I", "F"), len(self.files), None
            )

    @property
    def times(self) -> int:
        return len(self.files)

    def key(self) -> int:
        return content_key(*(file.read_bytes() for file in self.files))

    def frames(self, numbers: Sequence[int], still: Images) -> Tensor:
        return torch.from_numpy(
            np.stack([still.decode_file(self.files[number].read_bytes()) for number in numbers])
        )


class Plate(Reel):
    """An array of frames, uint8 (T, H, W) or (T, H, W, 3)."""

    def __init__(self, name: str, array: np.ndarray) -> None:
        self.name, self.array = name, array

    @property
    def head(self) -> Head:
        return Head(
            self.array.shape[2], self.array.shape[1], self.array.ndim == 3, len(self.array), None
        )

    @property
    def times(self) -> int:
        return len(self.array)

    def key(self) -> int:
        return content_key(self.array.tobytes())

    def frames(self, numbers: Sequence[int], still: Images) -> Tensor:
        return still.fit(torch.from_numpy(np.array(self.array[list(numbers)])))


@dataclass(frozen=True)
class Roll:
    """A reel, the numbers of those of its frames that count, and a hash of its content."""

    reel: Reel
    numbers: np.ndarray
    key: int

    @property
    def name(self) -> str:
        return self.reel.name

    def __len__(self) -> int:
        return len(self.numbers)

    def frames(self, first: int, count: int, still: Images) -> Tensor:
        """So many of the frames that count, uint8 (count, channels, size, size)."""
        return self.reel.frames(self.numbers[first : first + count].tolist(), still)


@dataclass
class Reels:
    """Videos of a source.

    labels: Class name of each, or None.
    """

    reels: Sequence[Reel]
    labels: list[str] | None = None

    @property
    def names(self) -> list[str]:
        return [reel.name for reel in self.reels]


def pyav() -> Any:
    """PyAV. Raises InputError where it is not installed."""
    try:
        import av
    except ImportError as error:
        raise InputError("videos need PyAV: pip install 'ganvas[video]'") from error
    return av


def open_videos(source: Any) -> Reels:
    """Finds the videos of a source. Raises InputError where there are none."""
    if isinstance(source, str | Path):
        return _open_path(Path(source))
    if (
        isinstance(source, list)
        and source
        and all(isinstance(item, np.ndarray | Tensor) for item in source)
    ):
        clips = [_open_array(item)[None] for item in source]
        return Reels(
            [plate for i, clip in enumerate(clips) for plate in _plates(clip, f"array {i}", i)]
        )
    if isinstance(source, np.ndarray | Tensor):
        return Reels(
            _plates(
                _open_array(source), f"the {'tensor' if isinstance(source, Tensor) else 'array'}"
            )
        )
    kind = type(source).__name__
    raise InputError(
        f"{kind} holds no videos; give a path, an array or a tensor (N, T, H, W[, C]), or a list of"
        " clips"
    )


def _open_path(path: Path) -> Reels:
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path")
    if path.is_dir():
        return _open_folder(path)
    if path.suffix.lower() == ".npy":
        try:
            return Reels(_plates(np.load(path, mmap_mode="r", allow_pickle=False), str(path)))
        except (ValueError, OSError, EOFError) as error:
            raise InputError(
                f"{path} cannot be read as plain numbers ({error}); save it without objects"
            ) from error
    if path.suffix.lower() not in FILES:
        raise InputError(
            f"{path} is no video; these end in {', '.join(sorted(FILES))}, or are arrays in .npy"
        )
    return Reels([Film(path.name, path)])


def _open_folder(folder: Path) -> Reels:
    """Video files, or where there are none, sub-folders of frames: all images of a folder, in
    order."""
    files = sorted(
        f for f in folder.rglob("*") if f.is_file() and not hidden(f.relative_to(folder).parts)
    )
    reels: list[Reel] = [Film(_within(f, folder), f) for f in files if f.suffix.lower() in FILES]
    if not reels:
        pages = dict[Path, list[Path]]()
        for file in files:
            if file.suffix.lower() in ENDINGS:
                pages.setdefault(file.parent, []).append(file)
        reels = [
            Pages(_within(at, folder), sorted(own, key=_in_order)) for at, own in pages.items()
        ]
    if not reels:
        raise InputError(
            f"{folder} has no videos ({', '.join(sorted(FILES))}) and no folders of frames"
        )
    return Reels(reels, folder_labels([reel.name for reel in reels]))


def _within(path: Path, folder: Path) -> str:
    return folder.name if path == folder else path.relative_to(folder).as_posix()


def _in_order(file: Path) -> tuple[list[tuple[int, str]], str]:
    """Names by the numbers in them: frame 10 comes after frame 9."""
    parts = re.findall(r"(\d+)|(\D+)", file.stem)
    return [(int(digits), "") if digits else (-1, letters) for digits, letters in parts], file.name


def _open_array(given: np.ndarray | Tensor) -> np.ndarray:
    return given.detach().cpu().numpy() if isinstance(given, Tensor) else given


def _plates(array: np.ndarray, where: str, first: int = 0) -> list[Reel]:
    """Clips of an array of any common shape and type."""
    if array.ndim == 5 and array.shape[-1] not in (1, 3):
        axis = next((axis for axis in (1, 2) if array.shape[axis] in (1, 3)), None)
        array = array if axis is None else np.moveaxis(array, axis, -1)
    if (
        array.ndim not in (4, 5)
        or 0 in array.shape
        or (array.ndim == 5 and array.shape[-1] not in (1, 3))
    ):
        raise InputError(
            f"{where} has shape {array.shape}; videos are (N, T, H, W), (N, T, H, W, C) or (N, C,"
            " T, H, W)"
        )
    clips = as_levels(array[..., 0] if array.ndim == 5 and array.shape[-1] == 1 else array, where)
    return [Plate(f"clip {first + i}", clip) for i, clip in enumerate(clips)]


def _crop_square(frame: Any, still: Images) -> np.ndarray:
    """A frame as a square image, upright, uint8 (channels, size, size): its middle, brought to
    size."""
    size, ratio = still.size, still.size / min(frame.width, frame.height)
    width, height = (max(round(side * ratio), size) for side in (frame.width, frame.height))
    way = "AREA" if ratio < 1 else "BICUBIC"
    grey = still.channels == 1
    scaled = frame.reformat(
        width, height, "gray" if grey else "rgb24", interpolation=way
    ).to_ndarray()
    top, left = (height - size) // 2, (width - size) // 2
    square = np.rot90(scaled[top : top + size, left : left + size], frame.rotation // 90)
    return np.ascontiguousarray(square[None] if grey else square.transpose(2, 0, 1))
