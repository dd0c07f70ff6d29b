"""What is sent becomes files in a folder that is gone afterwards; nothing that was sent is ever a
path, and nothing unpacks to more than is allowed."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import BadZipFile, ZipFile

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...core import Modality
from ...core.attributes import Attributes
from ...core.images import CONTAINERS
from ...results.packed import Packed, read_header
from ...runtime import range_coder
from ...runtime.errors import InputError
from ...runtime.filenames import image_names
from ..uploads import check_members, describe_error, list_files, refuse_large, refuse_many
from .arrow import arrow_size
from .forms import SentData
from .limits import Limits

TABLES = frozenset(
    {
        ".csv",
        ".tsv",
        ".txt",
        ".log",
        ".jsonl",
        ".ndjson",
        ".parquet",
        ".feather",
        ".arrow",
        ".arrows",
    }
)
VIDEOS = frozenset(
    {".mp4", ".m4v", ".webm", ".mov", ".mkv", ".avi", ".mpg", ".mpeg", ".ogv", ".gif"}
)
IMAGES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".zip", ".npy", ".npz"}
)
PACKED = frozenset({".ganvas"})
ALL = TABLES | VIDEOS | IMAGES | PACKED
"""Endings that are read. Spreadsheets are not: their XML can unpack without end."""

NAMES = re.compile(rb'"((?:[^"\\]|\\.)*)"\s*:')
"""Of values in JSON."""

UNREADABLE = (BadZipFile, pa.ArrowException, OSError, NotImplementedError, UnicodeDecodeError)
"""What readers raise of a file that is not what its ending says."""

TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
MAGIC = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"RIFF": ".webp",
    b"GIF8": ".gif",
    b"BM": ".bmp",
}


@dataclass
class Upload:
    """A file that was sent."""

    name: str
    content: bytes


def decode_uploads(sent: SentData) -> list[Upload]:
    """Files of what was sent as JSON. Raises InputError where it is none or several kinds."""
    kinds = [name for name in type(sent).model_fields if getattr(sent, name) is not None]
    if len(kinds) != 1:
        raise InputError(
            "send exactly one of images, rows, texts and files, not"
            f" {' and '.join(kinds) or 'none'}"
        )
    if sent.images is not None:
        return [_decode_image(text, number) for number, text in enumerate(sent.images)]
    if sent.rows is not None:
        return [Upload("rows.jsonl", "\n".join(map(json.dumps, sent.rows)).encode())]
    if sent.texts is not None:
        lines = [" ".join(text.split()) for text in sent.texts]
        return [Upload("texts.txt", "\n".join(lines).encode("utf-8", "replace"))]
    return [Upload(file.name, _decode(file.base64, file.name)) for file in sent.files or []]


def _decode_image(text: str, number: int) -> Upload:
    content = _decode(text, f"image {number}")
    endings = (ending for start, ending in MAGIC.items() if content.startswith(start))
    return Upload(f"image-{number}{next(endings, '.png')}", content)


def _decode(text: str, where: str) -> bytes:
    encoded = text.partition("base64,")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise InputError(f"{where[:100]} is no base64; encode the content of the file") from None


def write_uploads(files: Sequence[Upload], folder: Path, limits: Limits) -> Path:
    """Writes files into a new folder: the path of the one there is, or of the folder.

    Raises InputError for a name that is none, an ending that is not read, and for what would unpack
    to too much.
    """
    if not files:
        raise InputError("there is nothing to work on; send a file")
    refuse_many(len(files), limits.rows, "the request", "files")
    own = [_shorten(PurePosixPath(file.name.replace("\\", "/")).name) for file in files]
    names = image_names(own, range(len(own)))
    folder.mkdir(parents=True)
    for name, file in zip(names, files, strict=True):
        if Path(name).suffix.lower() not in ALL or name.startswith("."):
            raise InputError(
                f"{name} is no kind of file that is read here; send {', '.join(sorted(ALL))}"
            )
        (folder / name).write_bytes(file.content)
    written = [check_upload(folder / name, limits) for name in names]
    return written[0] if len(written) == 1 else folder


def _shorten(name: str) -> str:
    """The end of a name: as much of it as a file may be called, and a number beside it."""
    return name.encode("utf-8", "replace")[-200:].decode("utf-8", "ignore")


def check_upload(file: Path, limits: Limits) -> Path:
    """A file that unpacks to no more than is allowed, which may be another than was given. Raises
    InputError where it would."""
    ending = file.suffix.lower()
    check = CHECKS.get(ending)
    try:
        if ending in ARROW:
            return _unpack_arrow(file, limits)
        if check is not None:
            check(file, limits)
    except UNREADABLE as error:
        words = describe_error(error)
        raise InputError(f"{file.name} cannot be read ({words}); send it again") from error
    return file


def _check_lines(file: Path, limits: Limits) -> None:
    refuse_many(file.read_bytes().count(b"\n"), limits.rows, file.name)


def _check_archive(file: Path, limits: Limits) -> None:
    with ZipFile(file) as archive:
        check_members(archive.infolist(), file.name, limits.rows, limits.unpacked)


def _check_parquet(file: Path, limits: Limits) -> None:
    """By what it says, and then by a few rows at a time, since a value that is there once may come
    in every row."""
    about = pq.read_metadata(file)
    refuse_many(about.num_rows, limits.rows, file.name)
    groups = [about.row_group(i) for i in range(about.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    packed = sum(chunk.total_uncompressed_size for chunk in chunks)
    values = sum(chunk.num_values for chunk in chunks)
    refuse_large(max(packed, 8 * values), limits.unpacked, file.name)
    few = min(limits.unpacked // max(packed, 1), 2**14)
    with pq.ParquetFile(file) as parts:
        unpacked = 0
        for batch in parts.iter_batches(few):
            unpacked += batch.nbytes
            refuse_large(unpacked, limits.unpacked, file.name)


def _check_packed(file: Path, limits: Limits) -> None:
    about, body = read_header(file.read_bytes(), file.name)
    tables = range_coder.parts(body[about["packed"] :])
    size = sum(arrow_size(content) for name, content in tables.items() if name)
    refuse_large(size, limits.unpacked, file.name)


def _check_json(file: Path, limits: Limits) -> None:
    """Every name that there is becomes a column, and every row has a place in each."""
    content = file.read_bytes()
    refuse_many(content.count(b"\n"), limits.rows, file.name)
    names = {match.group(1) for match in NAMES.finditer(content)}
    refuse_large(8 * len(names) * content.count(b"{"), limits.unpacked, file.name)


def _check_video(file: Path, limits: Limits) -> None:
    try:
        import av
    except ImportError as error:
        raise InputError(
            "videos need a decoder on the machine that serves: pip install 'ganvas[video]'"
        ) from error
    try:
        with av.open(str(file), options={"format_whitelist": CONTAINERS}) as video:
            for stream in video.streams.video:
                _check_video_stream(stream, file, limits)
    except av.FFmpegError as error:
        raise InputError(f"{file.name} cannot be read ({error.strerror}); send it again") from error


def _check_video_stream(stream: Any, file: Path, limits: Limits) -> None:
    pixels = (stream.codec_context.width or 0) * (stream.codec_context.height or 0)
    refuse_many(pixels, limits.pixels, file.name, "pixels a frame")
    refuse_many(stream.frames, limits.rows, file.name, "frames")


ARROW = frozenset({".arrows", ".feather", ".arrow"})
CHECKS: dict[str, Callable[[Path, Limits], None]] = {
    **dict.fromkeys(TABLES - ARROW, _check_lines),
    **dict.fromkeys(VIDEOS - {".gif"}, _check_video),
    **dict.fromkeys(PACKED, _check_packed),
    **dict.fromkeys((".zip", ".npz"), _check_archive),
    **dict.fromkeys((".jsonl", ".ndjson"), _check_json),
    ".parquet": _check_parquet,
}
"""What finds out how much a file unpacks to, by its ending; images say it when they are opened."""


def _unpack_arrow(file: Path, limits: Limits) -> Path:
    """A stream of Arrow, or a file, which is a stream between two marks, as a file that is not
    compressed."""
    content = file.read_bytes()
    content = content[8:] if content.startswith(b"ARROW1") else content
    refuse_large(arrow_size(content), limits.unpacked, file.name)
    target = file.with_suffix(".arrow")
    with pa.ipc.open_stream(content) as stream:
        _refuse_nested(stream.schema, file)
        batches = list(_read_batches(stream, file, limits))
    with pa.ipc.new_file(str(target), stream.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    if target != file:
        file.unlink()
    return target


def _read_batches(stream: Any, file: Path, limits: Limits) -> Iterator[pa.RecordBatch]:
    rows, size = 0, 0
    for batch in stream:
        rows += len(batch)
        size += sum(map(_plain_size, batch.columns))
        refuse_many(rows, limits.rows, file.name)
        refuse_large(size, limits.unpacked, file.name)
        yield batch


def _refuse_nested(schema: pa.Schema, file: Path) -> None:
    """Raises InputError where a column may hold more than its bytes say."""
    nested = next((field.name for field in schema if not _is_flat(field.type)), None)
    if nested is not None:
        raise InputError(
            f"{file.name} has a column {nested!r} of lists or views; send plain values"
        )


def _is_flat(kind: pa.DataType) -> bool:
    """Whether values take what they say, and are not called from somewhere else."""
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    indirect = (
        pa.types.is_string_view,
        pa.types.is_binary_view,
        pa.types.is_nested,
        pa.types.is_run_end_encoded,
        pa.types.is_dictionary,
    )
    return not any(is_one(inner) for is_one in indirect)


def _plain_size(values: pa.Array) -> int:
    """Bytes of values, those of a dictionary as often as they come."""
    kind = values.type
    if not pa.types.is_dictionary(kind) or not any(is_one(kind.value_type) for is_one in TEXTS):
        return int(values.nbytes)
    lengths = pc.binary_length(values.dictionary).take(values.indices)
    return int(pc.sum(lengths).as_py() or 0)


def check_endings(path: Path, modality: Modality, kinds: Collection[Any]) -> Path:
    """The same path. Raises InputError where a file is none that a run of this modality reads for
    such a source.

    A CSV list of images names files of the machine that serves: it is never read.
    """
    allowed = _allowed_endings(modality, kinds)
    for file in list_files(path):
        if file.suffix.lower() not in allowed:
            raise InputError(
                f"{file.name} is nothing that is read for this; send {', '.join(sorted(allowed))}"
            )
    return path


def _allowed_endings(modality: Modality, kinds: Collection[Any]) -> frozenset[str]:
    if Attributes in kinds:
        return frozenset({".csv"})
    if Packed in kinds:
        return PACKED
    own = modality.inner
    return own.endings & ALL - own.lists
