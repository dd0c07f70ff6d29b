"""Where images come from: folders, zips, arrays, IDX files, Parquet, Hugging Face directories,
CSV lists."""

from __future__ import annotations

import csv
import gzip
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from ...core import InputError
from ...core.images import lists_images
from ...runtime.errors import flag

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
VIDEOS = frozenset(
    {".mp4", ".m4v", ".webm", ".mov", ".mkv", ".avi", ".mpg", ".mpeg", ".ogv", ".wmv"}
)
LARGEST_FILE = 2**30  # bytes that one image inside a zip may unpack to
CAPTIONS = ("caption", "captions", "text", "prompt", "title")  # what columns of them are called


@dataclass
class Encoded:
    """Images as files hold them.

    names: Where each came from.
    content: The bytes of the image with a number.
    labels: Class name of each, or None.
    classes: Class names in an order that means something, where the source has one.
    ignored: Files that are no images.
    captions: What each is said to show, where the source says so, or None.
    """

    names: list[str]
    content: Callable[[int], bytes]
    labels: list[str] | None = None
    classes: tuple[str, ...] = ()
    ignored: list[str] = field(default_factory=list)
    captions: list[str] | None = None


@dataclass
class Arrays:
    """Images as numbers: uint8, shape (N, H, W) or (N, H, W, C).

    given: The same as it was given, of any shape and type.
    """

    pixels: np.ndarray
    given: np.ndarray
    labels: list[str] | None = None
    classes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        return [f"image {i}" for i in range(len(self.pixels))]


def form_of(source: Any) -> Literal["images", "array", "tensor"]:
    """What images came as, alone or beside their labels."""
    own = source[0] if isinstance(source, tuple) else source
    if isinstance(own, torch.Tensor):
        return "tensor"
    return "array" if isinstance(own, np.ndarray) else "images"


def open_source(source: Any) -> Encoded | Arrays:
    """Finds the images of a source. Raises InputError where there are none."""
    if isinstance(source, Encoded | Arrays):
        return source
    if isinstance(source, tuple) and len(source) == 2:
        return _with_labels(open_source(source[0]), source[1])
    if isinstance(source, str | Path):
        return _open_path(Path(source))
    if isinstance(source, torch.Tensor):
        return _arrays(source.detach().cpu().numpy(), "the tensor")
    if isinstance(source, np.ndarray):
        return _arrays(source, "the array")
    if isinstance(source, Image.Image):
        return open_source([source])
    if (
        isinstance(source, Sequence)
        and source
        and all(isinstance(item, Image.Image) for item in source)
    ):
        return Encoded([f"image {i}" for i in range(len(source))], lambda i: _png(source[i]))
    raise InputError(
        f"{type(source).__name__} holds no images; give a path, an array, a tensor or a list of"
        " PIL images"
    )


def holds_images(source: str | Path) -> bool:
    """Whether a file or folder is one of images: some kinds may hold tables as well and are
    looked into."""
    path = Path(source)
    if not path.exists():
        return False
    if path.is_dir():
        shards = sorted([*path.rglob("*.parquet"), *path.rglob("*.arrow")])
        return holds_images(shards[0]) if shards else not holds_texts(path)
    if path.suffix.lower() == ".csv":
        return lists_images(path)
    if path.suffix.lower() in (".parquet", ".arrow"):
        try:
            return any(_holds_images(field.type) for field in _schema(path))
        except (pa.ArrowException, OSError):
            return False
    return path.suffix.lower() in ENDINGS | {".zip", ".npy", ".npz", ".gz"} or "idx" in path.name


def holds_videos(source: str | Path) -> bool:
    """Whether a file is a video, an animated GIF or an array of clips; or a folder holds such files
    and no images."""
    path = Path(source)
    if not path.is_dir():
        ending = path.suffix.lower()
        return (
            ending in VIDEOS
            or (ending == ".gif" and _moves(path))
            or (ending == ".npy" and _axes(path) == 5)
        )
    gifs, videos = list[Path](), 0
    for file in path.rglob("*"):
        ending = file.suffix.lower()
        if ending in ENDINGS - {".gif"}:
            return False
        gifs += [file] * (ending == ".gif")
        videos += ending in VIDEOS
    return bool(gifs or videos) and all(map(_moves, gifs))


def _moves(path: Path) -> bool:
    """Whether a GIF has more than one image."""
    try:
        with Image.open(path) as image:
            return getattr(image, "n_frames", 1) > 1
    except OSError:
        return False


def _axes(path: Path) -> int:
    """How many axes an array has, by the head of its file; 0 for what is none."""
    try:
        mapped: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        return mapped.ndim
    except (ValueError, OSError, EOFError):
        return 0


def holds_texts(folder: Path) -> bool:
    """Whether a folder has texts and nothing else."""
    endings = {
        file.suffix.lower()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith(".")
    }
    return bool(endings) and endings <= {".txt", ".log"}


def _schema(path: Path) -> pa.Schema:
    if path.suffix.lower() == ".parquet":
        return pq.read_schema(path)
    with pa.memory_map(str(path)) as mapped:
        try:
            return pa.ipc.open_stream(mapped).schema
        except pa.ArrowInvalid:
            return pa.ipc.open_file(mapped).schema


def _open_path(path: Path) -> Encoded | Arrays:
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path")
    if path.is_dir():
        return _open_folder(path)
    if ".idx" in path.name or "-idx" in path.name:
        return _idx(path)
    ending = path.suffix.lower()
    if ending in ENDINGS:
        return Encoded([path.name], lambda i: path.read_bytes())
    readers: dict[str, Callable[[Path], Encoded | Arrays]] = {
        ".zip": _zip,
        ".npy": _npy,
        ".npz": _npz,
        ".parquet": _parquet,
        ".csv": _csv,
    }
    if ending in VIDEOS:
        raise InputError(
            f"{path} is a video, and images are asked for; a model learns videos by"
            f" {flag('as_', 'videos')}"
        )
    if ending not in readers:
        raise InputError(
            f"{path} is no image and no kind of file that holds images; see `ganvas train --help`"
        )
    return readers[ending](path)


def _open_folder(folder: Path) -> Encoded | Arrays:
    for pattern in ("train-images*idx3-ubyte*", "*images*idx3-ubyte*"):
        if found := sorted(folder.glob(pattern)):
            return _idx(found[0])
    if list(folder.rglob("*.arrow")) or list(folder.rglob("*.parquet")):
        return _parquet(folder)
    files = sorted(
        f for f in folder.rglob("*") if f.is_file() and not hidden(f.relative_to(folder).parts)
    )
    names = [f.relative_to(folder).as_posix() for f in files]
    photos, ignored = _images_among(names, str(folder))
    captions = _beside(photos, set(ignored), lambda name: (folder / name).read_bytes())
    return Encoded(
        photos,
        lambda i: (folder / photos[i]).read_bytes(),
        folder_labels(photos),
        (),
        ignored,
        captions,
    )


def _zip(path: Path) -> Encoded:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise InputError(f"{path} is not a whole zip file ({error}); make it again") from error
    members = {
        i.filename: i
        for i in archive.infolist()
        if not i.is_dir() and not hidden(i.filename.split("/"))
    }
    photos, ignored = _images_among(sorted(members), str(path))

    def content(i: int) -> bytes:
        if members[photos[i]].file_size > LARGEST_FILE:
            raise OSError("decompression bomb: it would unpack to over 1 GiB")
        return archive.read(photos[i])

    return Encoded(
        photos,
        content,
        folder_labels(photos),
        (),
        ignored,
        _beside(photos, set(ignored), archive.read),
    )


def _beside(photos: list[str], others: set[str], read: Callable[[str], bytes]) -> list[str] | None:
    """Captions in text files of the same name as their images, where there are any; empty for a
    image without."""
    files = [Path(name).with_suffix(".txt").as_posix() for name in photos]
    if not others.intersection(files):
        return None
    return [read(file).decode("utf-8", "replace") if file in others else "" for file in files]


def hidden(parts: Sequence[str]) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in parts)


def _images_among(names: list[str], where: str) -> tuple[list[str], list[str]]:
    photos = [name for name in names if Path(name).suffix.lower() in ENDINGS]
    others = [name for name in names if Path(name).suffix.lower() not in ENDINGS]
    if not photos:
        if any(Path(name).suffix.lower() in VIDEOS for name in others):
            raise InputError(
                f"{where} holds videos, and images are asked for; a model learns them by"
                f" {flag('as_', 'videos')}"
            )
        seen = (
            f"only {len(others)} other files ({', '.join(others[:3])} …)"
            if others
            else "no files at all"
        )
        raise InputError(
            f"{where} has no images, {seen}; images end in {', '.join(sorted(ENDINGS))}"
        )
    return photos, others


def folder_labels(names: list[str]) -> list[str] | None:
    """The first folder of each path, where there are at least two."""
    folders = [name.split("/")[0] if "/" in name else "" for name in names]
    return folders if len(set(folders)) > 1 and "" not in folders else None


def _with_labels(found: Encoded | Arrays, labels: Any) -> Encoded | Arrays:
    given = [str(label) for label in (labels.tolist() if hasattr(labels, "tolist") else labels)]
    if len(given) != len(found.names):
        raise InputError(
            f"there are {len(found.names)} images and {len(given)} labels; give one label a image"
        )
    found.labels = given
    found.classes = _in_order(given)
    return found


def _in_order(labels: list[str]) -> tuple[str, ...]:
    """Class names in order: numbers as numbers, words as words."""
    distinct = set(labels)
    return tuple(
        sorted(distinct, key=int)
        if all(name.isdecimal() for name in distinct)
        else sorted(distinct)
    )


def _idx(path: Path) -> Arrays:
    pixels = _read_idx(path)
    if pixels.ndim != 3:
        raise InputError(
            f"{path} holds numbers of shape {pixels.shape}, not images; name the images file"
        )
    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    if beside == path or not beside.exists():
        return Arrays(pixels, pixels)
    numbers = _read_idx(beside)
    if len(numbers) != len(pixels):
        raise InputError(
            f"{path} holds {len(pixels)} images and {beside.name} {len(numbers)} labels; they"
            " must agree"
        )
    words = path.with_name("labels.txt")
    classes = (
        tuple(words.read_text("utf-8").split("\n")[: int(numbers.max()) + 1])
        if words.exists()
        else ()
    )
    classes = classes or tuple(map(str, range(int(numbers.max()) + 1)))
    return Arrays(pixels, pixels, [classes[n] for n in numbers.tolist()], classes)


def _read_idx(path: Path) -> np.ndarray:
    """Numbers of an IDX file: two zero bytes, the type (8: uint8), the count of axes, their
    lengths, the numbers."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise InputError(f"{path} cannot be unpacked ({error}); fetch it again") from error
    if len(content) < 8 or content[:3] != b"\0\0\x08":
        raise InputError(f"{path} is no IDX file of bytes; it should begin with 0 0 8")
    axes = content[3]
    if len(content) < 4 + 4 * axes:
        raise InputError(
            f"{path} is cut short: it says {axes} axes, and not how long they are; fetch it again"
        )
    shape = np.frombuffer(content, ">u4", axes, 4)
    if len(content) != 4 + 4 * axes + int(np.prod(shape, dtype=np.int64)):
        raise InputError(
            f"{path} is cut short: it says shape {tuple(shape.tolist())}; fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def _npy(path: Path) -> Arrays:
    return _arrays(_load_numpy(path), str(path))


def _npz(path: Path) -> Encoded | Arrays:
    held = _load_numpy(path)
    arrays = {name: held[name] for name in held.files}
    images = next(
        (a for n, a in arrays.items() if n in ("x", "X", "images", "x_train") or a.ndim in (3, 4)),
        None,
    )
    if images is None:
        raise InputError(
            f"{path} holds no array of images, only {', '.join(arrays)}; call it x, shape (N, H,"
            " W, C)"
        )
    found = _arrays(images, str(path))
    labels = next((a for n, a in arrays.items() if n in ("y", "Y", "labels", "y_train")), None)
    return found if labels is None else _with_labels(found, labels.ravel())


def _load_numpy(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError) as error:
        raise InputError(
            f"{path} cannot be read as plain numbers ({error}); save it without objects"
        ) from error


def _arrays(given: np.ndarray, where: str) -> Arrays:
    return Arrays(_as_bytes(given, where), given)


def _as_bytes(array: np.ndarray, where: str) -> np.ndarray:
    """Images of any common shape and type as uint8 (N, H, W) or (N, H, W, C)."""
    if array.ndim == 4 and array.shape[-1] not in (1, 3, 4) and array.shape[1] in (1, 3, 4):
        array = array.transpose(0, 2, 3, 1)
    if (
        array.ndim not in (3, 4)
        or (array.ndim == 4 and array.shape[-1] not in (1, 3, 4))
        or 0 in array.shape
    ):
        raise InputError(
            f"{where} has shape {array.shape}; images are (N, H, W), (N, H, W, C) or (N, C, H, W)"
        )
    if array.ndim == 4 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim == 4 and array.shape[-1] == 4:
        array = _over_white(array)
    return as_levels(array, where)


def as_levels(array: np.ndarray, where: str) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16:
        return np.round(array / 257).astype(np.uint8)
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    if np.issubdtype(array.dtype, np.floating):
        return _float_levels(array, where)
    if np.issubdtype(array.dtype, np.integer) and array.min() >= 0 and array.max() <= 255:
        return array.astype(np.uint8)
    raise InputError(
        f"{where} holds {array.dtype}; images are uint8, uint16, or floats in [0, 1] or [-1, 1]"
    )


def _float_levels(array: np.ndarray, where: str) -> np.ndarray:
    if not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise InputError(
            f"{where} holds a value that is no number in image {row}; replace or drop it"
        )
    low, high = float(array.min()), float(array.max())
    if low >= 0 and high <= 1:
        return np.round(array * 255).astype(np.uint8)
    if low >= -1 and high <= 1:
        return np.round((array + 1) * 127.5).astype(np.uint8)
    raise InputError(
        f"{where} holds values from {low:g} to {high:g}; scale them to [0, 1] or [-1, 1], or use"
        " uint8"
    )


def _over_white(array: np.ndarray) -> np.ndarray:
    full = 255 if array.dtype == np.uint8 else 65535 if array.dtype == np.uint16 else 1
    alpha = array[..., 3:].astype(np.float64) / full
    return (array[..., :3] * alpha + full * (1 - alpha)).astype(array.dtype)


def _csv(path: Path) -> Encoded:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    if not rows or "path" not in rows[0]:
        raise InputError(
            f"{path} needs a column called path (and may have one called label); its first line"
            " names them"
        )
    files = [path.parent / (row["path"] or "") for row in rows]
    missing = [(number, file) for number, file in enumerate(files, 2) if not file.is_file()]
    if missing:
        number, file = missing[0]
        raise InputError(
            f"{path} row {number}: {file} does not exist ({len(missing)} such rows); correct the"
            " paths"
        )
    labels = [row["label"] for row in rows] if "label" in rows[0] else None
    column = next((name for name in CAPTIONS if name in rows[0]), None)
    captions = None if column is None else [row[column] or "" for row in rows]
    return Encoded(
        [row["path"] for row in rows], lambda i: files[i].read_bytes(), labels, captions=captions
    )


def _parquet(path: Path) -> Encoded:
    """A Parquet file, a directory of them, or a Hugging Face data set saved to disk (Arrow
    streams)."""
    table = _table(path)
    column = next((f.name for f in table.schema if _holds_images(f.type)), None)
    if column is None:
        raise InputError(
            f"{path} has no column of images, only {', '.join(table.schema.names)}; one holds"
            " their bytes"
        )
    photos = table[column]
    structured = pa.types.is_struct(photos.type)
    label = next(
        (n for n in ("label", "labels", "class", "fine_label") if n in table.schema.names), None
    )
    numbers = None if label is None else table[label].to_pylist()
    classes = _class_names(table.schema, label)

    def content(i: int) -> bytes:
        value = photos[i].as_py()
        value = value["bytes"] if structured else value
        if value is None:
            raise OSError("the row holds no bytes")
        content: bytes = value
        return content

    names = [f"row {i}" for i in range(len(table))]
    labels = None if numbers is None else [classes[n] if classes else str(n) for n in numbers]
    told = next(
        (
            n
            for n in CAPTIONS
            if n in table.schema.names and pa.types.is_string(table.schema.field(n).type)
        ),
        None,
    )
    captions = None if told is None else [text or "" for text in table[told].to_pylist()]
    return Encoded(names, content, labels, classes, captions=captions)


def _table(path: Path) -> pa.Table:
    try:
        if arrows := sorted(path.rglob("*.arrow")) if path.is_dir() else []:
            return pa.concat_tables(
                [pa.ipc.open_stream(pa.memory_map(str(f))).read_all() for f in arrows]
            )
        files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        return pa.concat_tables([pq.read_table(f) for f in files])
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path} cannot be read as Parquet or Arrow ({error}); write it again"
        ) from error


def _holds_images(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
    return any(test(kind) for test in (pa.types.is_binary, pa.types.is_large_binary))


def _class_names(schema: pa.Schema, label: str | None) -> tuple[str, ...]:
    """Names of classes from what Hugging Face writes into a schema."""
    features = (
        json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        .get("info", {})
        .get("features", {})
    )
    return tuple(features.get(label, {}).get("names", ()))


def _png(image: Image.Image) -> bytes:
    from io import BytesIO

    stream = BytesIO()
    (image if image.mode != "F" else image.convert("L")).save(stream, "PNG")
    return stream.getvalue()
