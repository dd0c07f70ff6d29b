"""What is sent becomes files in a folder that is gone afterwards; nothing that was sent is ever a
path."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...core import CONTAINERS, Attributes, Modality
from ...results.packed import Packed, read_header
from ...runtime import range_coder
from ...runtime.errors import InputError
from ...runtime.filenames import image_names
from .arrow import arrow_size
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
FILMS = frozenset(
    {".mp4", ".m4v", ".webm", ".mov", ".mkv", ".avi", ".mpg", ".mpeg", ".ogv", ".gif"}
)
IMAGES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".zip", ".npy", ".npz"}
)
PACKED = frozenset({".ganvas"})
ALL = TABLES | FILMS | IMAGES | PACKED
"""Endings that are read. Spreadsheets are not: their XML can unpack without end."""

NAMES = re.compile(rb'"((?:[^"\\]|\\.)*)"\s*:')
"""Of values in JSON."""

WORDS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
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


@dataclass
class Asked:
    """What a request says: options, and files by the source they are for."""

    options: dict[str, Any]
    files: dict[str, list[Upload]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of the files."""
        return sum(len(file.content) for files in self.files.values() for file in files)


def uploads(sent: Any) -> list[Upload]:
    """Files of what was sent as JSON, a `forms.Sent`. Raises InputError where it is none or several
    kinds."""
    kinds = [
        name for name in ("images", "rows", "texts", "files") if getattr(sent, name) is not None
    ]
    if len(kinds) != 1:
        raise InputError(
            "send exactly one of images, rows, texts and files, not"
            f" {' and '.join(kinds) or 'none'}"
        )
    match kinds[0]:
        case "images":
            found = [_decoded(text, f"image {i}") for i, text in enumerate(sent.images)]
            return [
                Upload(f"image-{i}{_ending(content)}", content) for i, content in enumerate(found)
            ]
        case "rows":
            return [Upload("rows.jsonl", "\n".join(map(json.dumps, sent.rows)).encode())]
        case "texts":
            lines = [" ".join(text.split()) for text in sent.texts]
            return [Upload("texts.txt", "\n".join(lines).encode("utf-8", "replace"))]
        case _:
            return [Upload(file.name, _decoded(file.base64, file.name)) for file in sent.files]


def _decoded(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(
            text.partition("base64,")[2] if text.startswith("data:") else text, validate=True
        )
    except (binascii.Error, ValueError):
        raise InputError(f"{where[:100]} is no base64; encode the content of the file") from None


def _ending(content: bytes) -> str:
    return next((ending for start, ending in MAGIC.items() if content.startswith(start)), ".png")


def place(files: Sequence[Upload], folder: Path, limits: Limits) -> Path:
    """Writes files into a new folder: the path of the one there is, or of the folder.

    Raises InputError for a name that is none, an ending that is not read, and for what would unpack
    to too much.
    """
    if not files:
        raise InputError("there is nothing to work on; send a file")
    if len(files) > limits.rows:
        raise InputError(f"there are {len(files):,} files, and {limits.rows:,} are allowed")
    own = [_short(PurePosixPath(file.name.replace("\\", "/")).name) for file in files]
    names = image_names(own, range(len(own)))
    folder.mkdir(parents=True)
    for name, file in zip(names, files, strict=True):
        if Path(name).suffix.lower() not in ALL or name.startswith("."):
            raise InputError(
                f"{name} is no kind of file that is read here; send {', '.join(sorted(ALL))}"
            )
        (folder / name).write_bytes(file.content)
    placed = [screened(folder / name, limits) for name in names]
    return placed[0] if len(placed) == 1 else folder


def _short(name: str) -> str:
    """The end of a name: as much of it as a file may be called, and a number beside it."""
    return name.encode("utf-8", "replace")[-200:].decode("utf-8", "ignore")


def screened(file: Path, limits: Limits) -> Path:
    """A file that unpacks to no more than is allowed. Raises InputError where it would."""
    ending = file.suffix.lower()
    try:
        if ending in (".zip", ".npz"):
            _screen_archive(file, limits)
        elif ending == ".parquet":
            _screen_parquet(file, limits)
        elif ending in (".arrows", ".feather", ".arrow"):
            return _filed(file, limits)
        elif ending in (".jsonl", ".ndjson"):
            _screen_json(file, limits)
        elif ending in TABLES:
            _few(file.read_bytes().count(b"\n"), limits)
        elif ending in FILMS - {".gif"}:
            _screen_film(file, limits)
        elif ending in PACKED:
            _screen_parcel(file, limits)
    except (
        zipfile.BadZipFile,
        pa.ArrowException,
        OSError,
        NotImplementedError,
        UnicodeDecodeError,
    ) as error:
        words = (
            str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        )
        raise InputError(f"{file.name} cannot be read ({words}); send it again") from error
    return file


def _few(rows: int, limits: Limits) -> None:
    if rows > limits.rows:
        raise InputError(
            f"there are {rows:,} rows, and {limits.rows:,} are allowed in a request; send fewer"
        )


def _screen_archive(file: Path, limits: Limits) -> None:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        _few(len(members), limits)
        _small(sum(member.file_size for member in members), file, limits)


def _screen_parquet(file: Path, limits: Limits) -> None:
    """By what it says, and then by a few rows at a time, since a value that is there once may come
    in every row."""
    about = pq.read_metadata(file)
    _few(about.num_rows, limits)
    groups = [about.row_group(i) for i in range(about.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    packed = sum(chunk.total_uncompressed_size for chunk in chunks)
    _small(max(packed, 8 * sum(chunk.num_values for chunk in chunks)), file, limits)
    with pq.ParquetFile(file) as parts:
        unpacked = 0
        for batch in parts.iter_batches(min(limits.unpacked // max(packed, 1), 2**14)):
            unpacked += batch.nbytes
            _small(unpacked, file, limits)


def _screen_parcel(file: Path, limits: Limits) -> None:
    about, body = read_header(file.read_bytes(), file.name)
    tables = range_coder.parts(body[about["packed"] :])
    _small(sum(arrow_size(content) for name, content in tables.items() if name), file, limits)


def _screen_json(file: Path, limits: Limits) -> None:
    """Every name that there is becomes a column, and every row has a place in each."""
    content = file.read_bytes()
    _few(content.count(b"\n"), limits)
    names = {found.group(1) for found in NAMES.finditer(content)}
    _small(8 * len(names) * content.count(b"{"), file, limits)


def _small(size: int, file: Path, limits: Limits) -> None:
    if size > limits.unpacked:
        raise InputError(
            f"{file.name} unpacks to {size / 2**20:,.0f} MiB, and {limits.unpacked / 2**20:,.0f}"
            " are allowed"
        )


def _filed(file: Path, limits: Limits) -> Path:
    """A stream of Arrow, or a file, which is a stream between two marks, as a file that is not
    compressed."""
    content = file.read_bytes()
    content = content[8:] if content.startswith(b"ARROW1") else content
    _small(arrow_size(content), file, limits)
    with pa.ipc.open_stream(content) as stream:
        if anomalous := next((f.name for f in stream.schema if not _flat(f.type)), None):
            raise InputError(
                f"{file.name} has a column {anomalous!r} of lists or views; send plain values"
            )
        parts, rows, size = list[pa.RecordBatch](), 0, 0
        for batch in stream:
            rows, size = rows + len(batch), size + sum(map(_plain_size, batch.columns))
            _few(rows, limits)
            _small(size, file, limits)
            parts.append(batch)
    target = file.with_suffix(".arrow")
    with pa.ipc.new_file(str(target), stream.schema) as writer:
        for batch in parts:
            writer.write_batch(batch)
    if target != file:
        file.unlink()
    return target


def _flat(kind: pa.DataType) -> bool:
    """Whether values take what they say, and are not called from somewhere else."""
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    views = (
        pa.types.is_string_view,
        pa.types.is_binary_view,
        pa.types.is_nested,
        pa.types.is_run_end_encoded,
    )
    return not any(is_one(inner) for is_one in (*views, pa.types.is_dictionary))


def _plain_size(values: pa.Array) -> int:
    """Bytes of values, those of a dictionary as often as they come."""
    kind = values.type
    if not pa.types.is_dictionary(kind) or not any(is_one(kind.value_type) for is_one in WORDS):
        return values.nbytes
    return pc.sum(pc.binary_length(values.dictionary).take(values.indices)).as_py() or 0


def _screen_film(file: Path, limits: Limits) -> None:
    try:
        import av
    except ImportError as error:
        raise InputError(
            "videos need a decoder on the machine that serves: pip install 'ganvas[video]'"
        ) from error
    try:
        with av.open(str(file), options={"format_whitelist": CONTAINERS}) as film:
            for stream in film.streams.video:
                pixels = (stream.codec_context.width or 0) * (stream.codec_context.height or 0)
                if pixels > limits.pixels:
                    raise InputError(
                        f"{file.name} has {pixels:,} pixels a frame, and {limits.pixels:,} are"
                        " allowed"
                    )
                _few(stream.frames, limits)
    except av.FFmpegError as error:
        raise InputError(f"{file.name} cannot be read ({error.strerror}); send it again") from error


def fit(path: Path, modality: Modality, kinds: Collection[Any]) -> Path:
    """The same path. Raises InputError where a file is none that a run of this modality reads for
    such a source.

    A CSV list of images names files of the machine that serves: it is never read.
    """
    own = modality.inner
    allowed = own.endings & ALL - own.lists
    allowed = frozenset({".csv"}) if Attributes in kinds else PACKED if Packed in kinds else allowed
    for file in path.iterdir() if path.is_dir() else [path]:
        if file.suffix.lower() not in allowed:
            raise InputError(
                f"{file.name} is nothing that is read for this; send {', '.join(sorted(allowed))}"
            )
    return path
