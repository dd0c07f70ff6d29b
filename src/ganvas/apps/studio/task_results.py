"""A task, done with what was handed in, and its answer in files that can be shown."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from pyarrow import parquet
from torch import Tensor

from ... import api
from ...abilities import Samples
from ...core import InputError, Result
from ...core.constraints import Queryable
from ...runtime import registry
from ...tasks._inputs import sources as task_sources
from ...tasks._inputs import training_examples
from ..uploads import zip_files
from . import charts, uploads
from .forms import Field, field

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"})
OVERVIEWS = frozenset({"sheet", "before-and-after", "strip", "walk", "typical", "map"})
SHOWN = 60  # images
ROWS = 100
MANY = 1000  # rows that are made where nothing else is said
MOST = 200_000  # scores that are looked through for the most anomalous
REAL = 5000  # rows that new ones are compared with
LEAST = 300  # pixels: smaller images are shown enlarged


@dataclass(frozen=True, eq=False)
class Shown:
    """An answer to look at.

    files: All that there is to download.
    images: Some to look at.
    pairs: Images beside what became of them.
    table: The first rows.
    page: A page of its own.
    films: Videos.
    words: What it says in words.
    chart: Real beside synthetic.
    """

    files: tuple[Path, ...] = ()
    images: tuple[Path, ...] = ()
    pairs: tuple[tuple[Path, Path], ...] = ()
    table: pd.DataFrame | None = None
    page: str = ""
    films: tuple[Path, ...] = ()
    words: str = ""
    chart: str = ""


def open_run(run: Path) -> api.Trained:
    """A trained run, which is loaded once for as long as its weights are the same."""
    return _open_run(run, (run / "state.json").stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _open_run(run: Path, saved: int) -> api.Trained:
    return api.load(run)


def sources(task: str) -> list[tuple[str, bool]]:
    """What a task works on: the name of each source, and whether it must be given."""
    return [(p.name, p.default is p.empty) for p in task_sources(registry.load("tasks", task))]


def asked(task: str, trained: api.Trained) -> list[Field]:
    """What to ask for a task of this run: options that its model or its data cannot heed are left
    out."""
    function, modality = registry.load("tasks", task), trained.run.modality
    heeded = registry.heeded_options(function, trained.model, modality)
    fields = [
        field(option, option.kind.choices(modality), option.kind.names_file)
        for option in heeded
        if not option.kind.endless
    ]
    many = modality.kinds and registry.needs(function) is Samples  # of rows a few say nothing
    return [replace(one, value=MANY) if many and one.name == "n" else one for one in fields]


def do(
    run: Path, task: str, given: Sequence[Sequence[str]], options: Mapping[str, Any], runs: Path
) -> Shown:
    """Does a task on files that were handed in. Raises InputError where something is wrong with
    them."""
    trained = open_run(run)
    files = {one.name for one in asked(task, trained) if one.kind == "file"}
    held = [uploads.store_uploads(one, runs) if one else None for one in given]
    said = {
        name: str(uploads.store_uploads([value], runs)) if name in files else value
        for name, value in options.items()
    }
    result = trained.do(task, *(str(one) for one in held if one), **said)
    out = uploads.create_answer_folder(runs) / task
    written = result.save(trained.run.modality, out)
    if result.undone_by:
        return _undone(result, written, trained, held[0])
    chart = _beside(written, trained, said) if result.synthetic else ""
    shown = _shown(written, _before(held, written), result.describe(), out, chart)
    table = _ordered(written, result.order_by) if result.order_by else shown.table
    return replace(shown, table=table)


def judged(run: Path, runs: Path) -> Shown:
    """The report of a run that was judged on the share of its data that training held out."""
    open_run(run).evaluate(quiet=True)
    return report(run, runs)


def report(run: Path, runs: Path) -> Shown:
    """The report of a run. Raises InputError where it has none yet."""
    file = run / "report.html"
    if not file.is_file():
        raise InputError(
            "there is no report yet: it is written when the training has come to its end"
        )
    copy = shutil.copy(file, uploads.create_answer_folder(runs))
    return Shown(files=(Path(copy),), page=file.read_text("utf-8"))


def parcel(files: Sequence[Path], out: Path) -> list[str]:
    """What there is to download: the files, or where they are many, one zip."""
    if len(files) <= 3:
        return [str(file) for file in files]
    return [str(zip_files(files, out, out / "everything.zip"))]


def _shown(
    files: Sequence[Path],
    pairs: Sequence[tuple[Path, Path]],
    words: str,
    out: Path,
    chart: str = "",
) -> Shown:
    """Files, sorted by how they are looked at."""
    own = [file for file in files if file.suffix.lower() in IMAGES]
    single = [file for file in own if file.stem not in OVERVIEWS]
    both = [file for file in own if file.stem == "before-and-after"]
    seen = [*both, *single[:SHOWN]] if single else own
    tables = [file for file in files if file.suffix.lower() in (".csv", ".parquet", ".jsonl")]
    pages = [file for file in files if file.suffix == ".html"]
    texts = [file for file in files if file.suffix == ".txt"]
    table = _first_rows(tables[0]).round(4) if tables else _lines_of(texts) if texts else None
    films = tuple(file for file in files if file.suffix.lower() in (".mp4", ".webm"))
    page = pages[0].read_text("utf-8") if pages else ""
    return Shown(
        tuple(map(Path, parcel(files, out))),
        tuple(_large(file) for file in seen),
        tuple(pairs),
        table,
        page,
        films,
        words,
        chart,
    )


def _before(held: Sequence[Path | None], files: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Images that were given by themselves, each beside that which was made of it."""
    given = [
        file for one in held if one for file in ([one] if one.is_file() else sorted(one.rglob("*")))
    ]
    made = {file.stem: file for file in files if file.suffix.lower() in IMAGES}
    own = [file for file in given if file.suffix.lower() in IMAGES and file.stem in made]
    return [(file, made[file.stem]) for file in own][:SHOWN]


def _ordered(files: Sequence[Path], column: str) -> pd.DataFrame:
    """The rows with the smallest values of a column first, and what is said of them all."""
    table = pd.read_csv(next(file for file in files if file.suffix == ".csv"), nrows=MOST)
    first = table.sort_values(column, kind="stable").head(ROWS)
    return first.dropna(axis="columns", how="all").round(4)


def _undone(
    result: Result, files: Sequence[Path], trained: api.Trained, given: Path | None
) -> Shown:
    """How small it became, and what that cost: it is unpacked again and laid beside what was
    given."""
    assert given is not None, "what is packed was handed in"
    inside = [given] if given.is_file() else [file for file in given.rglob("*") if file.is_file()]
    before, after = sum(file.stat().st_size for file in inside), files[0].stat().st_size
    words = f"{result.describe()}; as files they took {before / after:.1f} times as many"
    again = trained.do(result.undone_by, str(files[0]))
    back = again.save(trained.run.modality, files[0].parent / "unpacked")
    pairs = _before([given], back)
    return _shown([*files, *back], pairs, f"{words} · {_error(pairs)}", files[0].parent)


def _error(pairs: Sequence[tuple[Path, Path]]) -> str:
    """How far images are from what they were, where they have the same size."""
    both = [(_levels(a), _levels(b)) for a, b in pairs]
    off = [((a - b) ** 2).mean() for a, b in both if a.shape == b.shape]
    if not off:
        return "unpacked again below"
    mean = float(np.mean(off))
    return f"error: {10 * log10(255**2 / mean):.1f} dB PSNR" if mean else "no error, bit for bit"


def _levels(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"), dtype=float)


def _beside(files: Sequence[Path], trained: api.Trained, said: Mapping[str, Any]) -> str:
    """Charts of new rows beside real ones that are as was asked for, where the data of the training
    is at hand."""
    modality, where = trained.run.modality, said.get("where")
    if not modality.kinds or trained.source is None:
        return ""
    try:
        x = training_examples(trained.run, trained.source, REAL).x
        real = modality.frame(_meeting(x, where, trained) if where else x)
    except InputError:  # the data is gone, or is another by now
        return ""
    if real is None or real.empty:
        return ""
    return charts.compare_columns(
        real, pd.read_csv(files[0], nrows=REAL), "real ones of that kind" if where else "real"
    )


def _meeting(x: Tensor, where: Sequence[str], trained: api.Trained) -> Tensor:
    """Those of these examples (n, ...) that are as was asked for."""
    modality = trained.run.modality
    assert isinstance(modality, Queryable), "or else nobody is asked where"
    condition = modality.constraint(
        "where", [where] if isinstance(where, str) else where, trained.source
    )
    return x[condition.holds(condition.resolve(x))]


def _first_rows(file: Path) -> pd.DataFrame:
    if file.suffix == ".parquet":
        rows: pd.DataFrame = parquet.ParquetFile(file).read_row_group(0).slice(0, ROWS).to_pandas()
        return rows
    if file.suffix == ".csv":
        return pd.read_csv(file, nrows=ROWS)
    return pd.read_json(file, lines=True, nrows=ROWS)


def _lines_of(texts: Sequence[Path]) -> pd.DataFrame:
    """A text a row: of one file its lines, of several the beginning of each."""
    if len(texts) == 1:
        return pd.DataFrame({"text": texts[0].read_text("utf-8").splitlines()[:ROWS]})
    begun = [(file.name, file.read_text("utf-8")[:500]) for file in texts[:ROWS]]
    return pd.DataFrame(begun, columns=["file", "text"])


def _large(file: Path) -> Path:
    """An image, enlarged pixel by pixel where it is small: browsers blur what they enlarge."""
    with Image.open(file) as image:
        times = LEAST // max(image.size)
        if times < 2 or getattr(image, "is_animated", False):
            return file
        target = file.with_name(".large") / file.name
        target.parent.mkdir(exist_ok=True)
        image.resize([n * times for n in image.size], Image.Resampling.NEAREST).save(target)
    return target
