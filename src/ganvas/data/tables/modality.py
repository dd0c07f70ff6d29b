"""Tables: files, databases and data frames of numbers, categories and dates."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import islice
from math import ceil
from operator import and_
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from ...core import (
    Constraint,
    Data,
    Given,
    InputError,
    Interval,
    Lossless,
    Mixed,
    Modality,
    Space,
    Tabular,
    Tokens,
)
from ...core.constraints import Balance, Marginals, Queryable
from ...core.images import IMAGE_ENDINGS
from ...core.intervals import Values
from ...core.modality import Items, Recommendation
from ...runtime.errors import flag
from ...runtime.table_files import save_tables
from .._drawing import save_gif
from ..images.sources import holds_images
from .columns import (
    FEW,
    KNOTS,
    ROOM,
    Category,
    Column,
    Encoding,
    Key,
    Kind,
    Number,
    Sketch,
    column_of,
    mark_values,
    patch_values,
    present_values,
    restore_values,
)
from .lossless import unpacked_ranks, unpacked_tables
from .reading import TableSource
from .rows import Rows, hash_rows
from .sources import ENDINGS, Form, Frame, is_table, open_frame, read_batches
from .sql import Condition, comparable, conditions, possible

PANEL = (240, 130)  # pixels of the image of one column
BARS = 24
DESCRIBED = 60  # columns that are named one by one
CHANCES = 2**53


@dataclass(frozen=True)
class Tables(Modality, Tabular, Queryable, Lossless):
    """Rows of columns that were looked at once: what kind each is, and what values it takes.

    columns: In the order of the table.
    schema: Names and types, as Arrow writes them, in base64.
    form: What came in, and so what goes out.
    numbers: How numbers are written for the model.
    query: What was asked of a database.
    dropped: Columns that were left out.
    rows: How many were looked at.
    """

    columns: tuple[Column, ...]
    schema: str
    form: Form = "file"
    numbers: Encoding = "modes"
    query: str | None = None
    dropped: tuple[str, ...] = ()
    rows: int = 0

    classes: ClassVar[tuple[str, ...]] = ()
    features: ClassVar[str] = "plain"
    typical = ((Tokens(2, 3, (2, 3)), None), (Mixed((1, 3)), None))
    opens: ClassVar[type[TableSource]] = TableSource
    recommended: ClassVar[tuple[Recommendation, ...]] = (
        Recommendation(
            "made",
            2,
            "It learns a table within minutes and can be asked for rows of a kind, fill in masked"
            " regions, find what is not normal, and pack.",
        ),
    )
    endings: ClassVar[frozenset[str]] = ENDINGS

    def __post_init__(self) -> None:
        columns = tuple(c if isinstance(c, Column) else column_of(c) for c in self.columns)
        object.__setattr__(self, "columns", columns)

    @property
    def space(self) -> Space:
        if self.numbers == "bins":
            sizes = tuple(column.size for column in self.learned)
            return Tokens(len(sizes), max(sizes), sizes)
        return Mixed(tuple(width for column in self.learned for width in _widths(column)))

    @property
    def condition(self) -> None:
        return None

    @cached_property
    def learned(self) -> tuple[Column, ...]:
        """Columns that there is something to learn about."""
        return tuple(column for column in self.columns if column.size)

    @cached_property
    def places(self) -> list[int]:
        """How many places of the space each learned column takes."""
        return [1 if self.numbers == "bins" else len(_widths(column)) for column in self.learned]

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(self.schema)))

    @classmethod
    def recognises(cls, source: Any) -> bool:
        return is_table(source) and not (isinstance(source, str | Path) and holds_images(source))

    @classmethod
    def learn(
        cls,
        source: Any,
        *,
        category: list[str] | None = None,
        number: list[str] | None = None,
        date: list[str] | None = None,
        id: list[str] | None = None,
        drop: list[str] | None = None,
        numbers: Encoding = "modes",
        query: str | None = None,
    ) -> Tables:
        """Looks at every value once and says what each column is.

        category: Columns to take for categories, whatever they look like.
        number: Columns to take for numbers.
        date: Columns to take for dates.
        id: Columns that identify rows: made afresh, never learned.
        drop: Columns to leave out.
        numbers: How numbers are written: as places within modes, as bins, or plainly; models have
            their constraint.
        query: What to ask of a database, in SQL, or the name of a table.
        """
        frame = open_frame(source, query)
        said = _parse_kinds(
            {"category": category, "number": number, "date": date, "key": id}, drop or [], frame
        )
        schema = pa.schema(
            [f for f in frame.schema if f.name not in (drop or [])], frame.schema.metadata
        )
        sketches = _sketch(frame, schema)
        columns = tuple(
            s.column(said.get(s.name), numbers, ROOM // len(sketches)) for s in sketches
        )
        known = cls(
            columns,
            base64.b64encode(schema.serialize()).decode(),
            frame.form,
            numbers,
            query,
            tuple(drop or []),
            sketches[0].rows,
        )
        if not known.learned:
            raise InputError(
                f"{frame.where} has no column that varies, so there is nothing to learn"
            )
        return known

    def encode_batch(
        self, arrays: list[tuple[Column, pa.Array]], frame: Frame
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Codes of a batch (N, columns), places within modes (N, columns with modes), and a hash of
        each row (N,)."""
        encoded = [self.encode_column(column, array, frame) for column, array in arrays]
        places = [place for _, place in encoded if place is not None]
        codes = np.stack([one for one, _ in encoded], 1)
        return (
            codes,
            np.stack(places, 1) if places else np.empty((len(codes), 0)),
            hash_rows(arrays),
        )

    def select_learned(self, batch: pa.RecordBatch, frame: Frame) -> list[tuple[Column, pa.Array]]:
        """The learned columns of a batch, in the types they were learned in."""
        return [
            (column, self.cast(column, batch.column(column.name), frame)) for column in self.learned
        ]

    def cast(self, column: Column, array: pa.Array, frame: Frame) -> pa.Array:
        kind = self.arrow_schema.field(column.name).type
        try:
            return array if array.type == kind else array.cast(kind)
        except pa.ArrowException as error:
            raise InputError(
                f"{frame.where}: column {column.name!r} holds {array.type} where the model learned"
                f" {kind}; bring it into that form"
            ) from error

    def encode_column(
        self, column: Column, array: pa.Array, frame: Frame
    ) -> tuple[np.ndarray, np.ndarray | None]:
        try:
            codes = column.encode(array)
            return codes, column.offsets(array, codes)
        except InputError as error:
            raise InputError(f"{frame.where}: {error.words}") from error

    def assemble(self, codes: Tensor, offsets: Tensor) -> Tensor:
        """Codes, int64 (B, columns), and places within modes, float32 (B, columns with modes), as
        examples."""
        if self.numbers == "bins":
            return codes
        parts, place = [], 0
        for i, column in enumerate(self.learned):
            if _has_modes(column):
                parts.append(offsets[:, place : place + 1])
                place += 1
            if column.size > 1:
                parts.append(F.one_hot(codes[:, i], column.size).float())
        return torch.cat(parts, 1)

    def disassemble(self, x: Tensor) -> tuple[np.ndarray, list[np.ndarray | None]]:
        """Examples, settled or not, as codes (B, columns) and, for each column with modes, places
        within them."""
        x = x[:, : self.space.shape[0]]
        if self.numbers == "bins":
            return x.long().cpu().numpy(), [None] * len(self.learned)
        # a Mixed space
        parts = iter(x.float().cpu().split(self.space.columns, 1))  # type: ignore[attr-defined]
        codes, offsets = [], []
        for column in self.learned:
            offsets.append(next(parts)[:, 0].numpy() if _has_modes(column) else None)
            codes.append(
                next(parts).argmax(1) if column.size > 1 else torch.zeros(len(x), dtype=torch.int64)
            )
        return torch.stack(codes, 1).numpy(), offsets

    def resolve(self, x: Tensor) -> Tensor:
        """Examples with one number more for each column, which decides what its code leaves
        open."""
        shape = (len(x), len(self.columns))
        chance = torch.rand(shape) if x.is_floating_point() else torch.randint(CHANCES, shape)
        return torch.cat([x, chance.to(x.device)], 1)

    def _chance(self, x: Tensor, codes: np.ndarray, first: int) -> np.ndarray:
        """What decides the values of each column, in [0, 1), (B, columns): drawn from a seed that
        is the examples' where they are not settled."""
        settled = x[:, self.space.shape[0] :].cpu().numpy()
        if settled.shape[1]:
            return settled if x.is_floating_point() else settled / CHANCES
        random = np.random.default_rng([int(codes.astype(np.int64).sum()) + len(codes), first])
        return random.random((len(codes), len(self.columns)))

    def table(self, x: Tensor, first: int = 0, only: Collection[str] | None = None) -> pa.Table:
        """Examples as a table like the one that was learned from; the same examples give the same
        table.

        first: The number of the first of these rows, where they are part of a longer table.
        only: Names of the columns that are wanted, where not all are.
        """
        codes, offsets = self.disassemble(x)
        chance = self._chance(x, codes, first)
        place = {column.name: i for i, column in enumerate(self.learned)}
        arrays, fields = [], []
        for number, (column, field) in enumerate(zip(self.columns, self.arrow_schema, strict=True)):
            if only is not None and column.name not in only:
                continue
            i = place.get(column.name)
            own = np.zeros(len(codes), np.int64) if i is None else codes[:, i]
            values = column.decode(own, None if i is None else offsets[i], chance[:, number], first)
            arrays.append(restore_values(values, field.type, column.listed))
            fields.append(field)
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields, self.arrow_schema.metadata))

    def constraint(self, option: str, words: Sequence[str], learned_from: Any = None) -> Constraint:
        """What every row shall be.

        option: `where`: conditions in SQL. `constraint`: the same, met too where a missing value
            leaves them undecided, as SQL has it for CHECK. `unique`: columns. `together`: columns
            joined by commas.
        """
        match option:
            case "unique":
                return reduce(and_, map(self._unique, words))
            case "together":
                return reduce(and_, [self._together(text, learned_from) for text in words])
        unknown, where = option == "constraint", flag(option)
        asked = [
            c for text in words for c in conditions(text, self.columns, self.arrow_schema, where)
        ]
        names = {name for condition in asked for name in condition.columns}

        def holds(x: Tensor) -> Tensor:
            rows = {name: comparable(values) for name, values in self._select(x, names)}
            return torch.from_numpy(np.all([c.truth(rows, unknown) for c in asked], 0)).to(x.device)

        return Constraint(
            " AND ".join(c.sql for c in asked),
            holds,
            self.resolve,
            self._find_allowed(asked, unknown, where),
        )

    def _unique(self, name: str) -> Constraint:
        if name not in {column.name for column in self.columns}:
            raise self._no_column(name, flag("unique"))

        def marks(x: Tensor) -> Tensor:
            ((_, values),) = self._select(x, [name])
            return torch.from_numpy(
                np.where(present_values(values), mark_values([values]), 0)[:, None]
            ).to(x.device)

        every = lambda x: torch.ones(len(x), dtype=torch.bool, device=x.device)  # noqa: E731
        free = isinstance(self._column(name), Key)  # made afresh, it never repeats
        return Constraint(f"unique {name}", every, self.resolve, marks=None if free else marks)

    def _together(self, text: str, learned_from: Any) -> Constraint:
        """Only combinations of columns that are in the data of the training."""
        names = [name.strip() for name in text.split(",")]
        if learned_from is None:
            raise InputError(
                f"{flag('together')} looks at the data of the training, which was in memory; train"
                " from a file"
            )
        if len(names) < 2:
            raise InputError(
                f"{flag('together', text)} names one column; join several by commas, such as"
                " city,state"
            )
        columns = [self._learned(name, flag("together")) for name in names]
        frame = open_frame(learned_from, self.query)
        parts = [
            np.unique(
                mark_values(
                    [self.cast(column, batch.column(column.name), frame) for column in columns]
                )
            )
            for batch in read_batches(frame, "looking at combinations")
        ]
        known = np.unique(np.concatenate(parts))

        def holds(x: Tensor) -> Tensor:
            rows = dict(self._select(x, names))
            return torch.from_numpy(np.isin(mark_values([rows[name] for name in names]), known)).to(
                x.device
            )

        return Constraint(f"{' and '.join(names)} together", holds, self.resolve)

    def balance(self, option: str, column: str) -> Balance:
        known = self._learned(column, flag(option))
        if (isinstance(known, Number) and (known.knots or known.modes)) or known.size > FEW:
            raise InputError(
                f"{flag(option)}: column {column!r} has too many values to have each equally often"
            )
        place, levels = self.learned.index(known), range(known.size - (known.missing > 0))
        values = restore_values(
            known.typical([])[1], self.arrow_schema.field(column).type, known.listed
        )

        def level(code: int) -> Constraint:
            mask = torch.arange(known.size) == code

            def holds(x: Tensor) -> Tensor:
                return torch.from_numpy(self.disassemble(x)[0][:, place] == code).to(x.device)

            words = f"{column} = {values[code].as_py()}"
            return Constraint(
                words, holds, self.resolve, {place: mask} if self.numbers == "bins" else {}
            )

        return Balance(column, place, tuple(map(level, levels)))

    def marginals(self, source: Any) -> Marginals:
        given = self.open(source).view([Given], flag("like"))
        places = given.known.any(0).nonzero().flatten().tolist()
        shares = []
        for i in places:
            column, there = self.learned[i], given.known[:, i]
            counts = torch.bincount(given.codes[there, i], minlength=column.size).double()
            counts[-1] += int((~there).sum()) if column.missing else 0
            shares.append(counts / counts.sum())
        words = str(source) if isinstance(source, str | Path) else "the given table"
        codes = lambda x: torch.from_numpy(self.disassemble(x)[0][:, places].astype(np.int64))  # noqa: E731
        return Marginals(f"like {words}", codes, tuple(shares))

    def _column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def _learned(self, name: str, where: str) -> Column:
        if name not in {column.name for column in self.learned}:
            raise self._no_column(name, where)
        return self._column(name)

    def _no_column(self, name: str, where: str) -> InputError:
        known = ", ".join(column.name for column in self.learned[:20])
        return InputError(f"{where}: no column {name!r} was learned; there are {known}")

    def _select(self, x: Tensor, names: Collection[str]) -> Iterator[tuple[str, pa.Array]]:
        """Columns of examples by name."""
        table = self.table(x, only=names)
        return zip(
            table.column_names, (column.combine_chunks() for column in table.columns), strict=True
        )

    def _find_allowed(
        self, asked: Sequence[Condition], unknown: bool, where: str
    ) -> dict[int, Tensor]:
        """Of each column, which codes can meet what is asked of it alone. Raises InputError where
        none can."""
        masks: dict[str, np.ndarray] = {}
        for condition in asked:
            if len(condition.columns) > 1:
                continue
            column = self._column(next(iter(condition.columns)))
            mask = possible(condition, column, self.arrow_schema.field(column.name).type, unknown)
            if mask is None:
                continue
            masks[column.name] = mask & masks.get(column.name, mask)
            if not masks[column.name].any():
                values = self.arrow_schema.field(column.name).type
                raise InputError(
                    f"{where}: no {column.name!r} can meet {condition.sql}{_range(column, values)}"
                )
        if self.numbers != "bins":
            return {}
        place = {column.name: i for i, column in enumerate(self.learned)}
        return {
            place[name]: torch.from_numpy(mask) for name, mask in masks.items() if name in place
        }

    @property
    def kinds(self) -> dict[str, str]:
        lack = {
            c.name: f", {c.missing:.1%} missing" if 0 < c.missing < 1 else "" for c in self.columns
        }
        return {c.name: c.described + lack[c.name] for c in self.columns}

    def describe(self, data: Data) -> str:
        assert isinstance(data, Rows)
        listed = "; ".join(
            f"{name}: {kind}" for name, kind in islice(self.kinds.items(), DESCRIBED)
        )
        listed += (
            f"; and {len(self.columns) - DESCRIBED:,} more" if len(self.columns) > DESCRIBED else ""
        )
        dropped = f"; left out: {', '.join(self.dropped)}" if self.dropped else ""
        return (
            f"{len(data):,} rows of {len(self.columns)} columns ({listed}{dropped}); {data.kept()}"
        )

    def vectors(self, x: Tensor) -> Tensor:
        """Of a number its rank, of unit variance; a category at distance 1 from every other."""
        codes = torch.from_numpy(self.disassemble(x)[0])
        return torch.cat([_places(column)[codes[:, i]] for i, column in enumerate(self.learned)], 1)

    def reasons(self, attribution: Tensor) -> dict[str, Tensor]:
        parts = attribution.split(self.places, 1)
        return {column.name: part.sum(1) for column, part in zip(self.learned, parts, strict=True)}

    def point_out(
        self, x: Tensor, attribution: Tensor, nearest: Tensor, names: list[str], folder: Path
    ) -> list[Path]:
        return []

    def thumbnails(self, x: Tensor, most: int) -> None:
        return None

    def frame(self, x: Tensor) -> pd.DataFrame:
        table = self.table(x)
        frame: pd.DataFrame = table.select([c.name for c in self.learned]).to_pandas()
        return frame

    def to_python(self, items: Items, form: str | None = None) -> Any:
        tables = [self.table(items)] if isinstance(items, Tensor) else items
        table, form = pa.concat_tables(tables), form or self.form
        if form in ("file", "pandas"):
            return table.to_pandas()
        if form == "pyarrow":
            return table
        import polars

        return polars.from_arrow(table)

    def rebuilt(self, codes: Tensor, rest: bytes) -> Any:
        return self.to_python([self._rebuilt(codes, rest)])

    def rebuild(self, codes: Tensor, rest: bytes, out: Path) -> list[Path]:
        return self.save([self._rebuilt(codes, rest)], out)

    def _rebuilt(self, codes: Tensor, rest: bytes) -> pa.Table:
        kept, packed = unpacked_tables(rest)
        schema, raw, odd, numbers = (
            kept["schema"].schema,
            kept["raw"],
            kept["odd"],
            codes.cpu().numpy(),
        )
        learned = {
            column.name: (column, numbers[:, i])
            for i, column in enumerate(self.learned)
            if column.name not in raw.column_names
        }
        ranks = unpacked_ranks(
            packed, [column.count_sharing(own) for column, own in learned.values()]
        )
        arrays = {
            name: self.decode_ranks(column, own, rank, schema.field(name).type)
            for (name, (column, own)), rank in zip(learned.items(), ranks, strict=True)
        }
        order = np.arange(len(numbers))
        order[kept["odd rows"]["row"].to_numpy()] = len(numbers) + np.arange(len(odd))
        for name, own in arrays.items():
            arrays[name] = pa.chunked_array([own, odd[name].combine_chunks()], own.type).take(
                pa.array(order)
            )
        return pa.table(
            [raw[name] if name in raw.column_names else arrays[name] for name in schema.names],
            schema,
        )

    def decode_ranks(
        self, column: Column, codes: np.ndarray, ranks: np.ndarray, kind: pa.DataType
    ) -> pa.Array:
        """Values of codes and ranks, in the type that they came in."""
        values = restore_values(
            column.from_rank(codes, ranks), self.arrow_schema.field(column.name).type, column.listed
        )
        return values if values.type == kind else values.cast(kind, safe=False)

    def extended(self, given: Given, x: Tensor) -> pa.Table:
        rows, made = given.rows, self.table(x, len(given.rows))
        arrays = []
        for name in rows.column_names:
            own = rows[name].combine_chunks()
            new = made[name].combine_chunks() if name in made.column_names else pa.nulls(len(made))
            apart = np.arange(len(own) + len(new)) < len(own)
            old = own.take(pa.array(np.where(apart, np.arange(len(apart)), 0)))
            arrays.append(
                patch_values(
                    old,
                    apart,
                    new.take(pa.array(np.where(apart, 0, np.arange(len(apart)) - len(own)))),
                )
            )
        return pa.table(
            dict(zip(rows.column_names, arrays, strict=True)), metadata=rows.schema.metadata
        )

    def encode_known(
        self, column: Column, array: pa.Array, frame: Frame
    ) -> tuple[np.ndarray, np.ndarray]:
        """Codes of values and which of these there are, both (N,)."""
        array = self.cast(column, array, frame)
        there = present_values(array)
        if not there.any():
            return np.zeros(len(array), np.int64), there
        full = array.take(pa.array(np.where(there, np.arange(len(array)), there.argmax())))
        return self.encode_column(column, full, frame)[0], there

    def measure(self, x: Tensor) -> Values:
        table = self.table(x)
        own = [column.measure(table[column.name].combine_chunks()) for column in self._measured]
        return Values(
            np.stack(own, 1), np.array([isinstance(column, Category) for column in self._measured])
        )

    @cached_property
    def _measured(self) -> list[Category | Number]:
        """The learned columns; others than these two kinds have nothing to learn."""
        return [column for column in self.learned if isinstance(column, Category | Number)]

    def ranged(self, between: Interval, given: Given | None = None) -> pa.Table:
        told = self._table_of_measured(between.middle)
        rows = told if given is None else self._fill_missing(given, told)
        for i, column in enumerate(self._measured):
            if given is not None and bool(given.known[:, i].all()):
                continue
            place, kind = (
                rows.column_names.index(column.name) + 1,
                self.arrow_schema.field(column.name).type,
            )
            if isinstance(column, Category):
                share = between.share[:, i]
                rows = rows.add_column(
                    place, f"{column.name} probability", pa.array(share, mask=np.isnan(share))
                )
            else:
                for end, values in (("high", between.high[:, i]), ("low", between.low[:, i])):
                    array = restore_values(column.from_measured(values), kind, column.listed)
                    rows = rows.add_column(place, f"{column.name} {end}", array)
        return rows

    def _table_of_measured(self, values: np.ndarray) -> pa.Table:
        """The table whose learned columns `measure` measures so."""
        place = {column.name: (i, column) for i, column in enumerate(self._measured)}
        arrays, none = [], np.zeros(len(values), np.int64)
        for column, field in zip(self.columns, self.arrow_schema, strict=True):
            i, known = place.get(column.name, (-1, None))
            own = known.from_measured(values[:, i]) if known else column.decode(none, None, none)
            arrays.append(restore_values(own, field.type, column.listed))
        return pa.Table.from_arrays(
            arrays, schema=pa.schema(list(self.arrow_schema), self.arrow_schema.metadata)
        )

    def filled(self, given: Given, x: Tensor) -> pa.Table:
        return self._fill_missing(given, self.table(x))

    def _fill_missing(self, given: Given, made: pa.Table) -> pa.Table:
        """Given rows, their missing values filled from those of another table."""
        rows = given.rows
        for column in self.columns:
            own = made[column.name].combine_chunks()
            if isinstance(column, Key) or own.null_count == len(own) > 0:
                continue
            place = (
                rows.column_names.index(column.name)
                if column.name in rows.column_names
                else rows.num_columns
            )
            if place == rows.num_columns:
                rows = rows.append_column(column.name, own)
            elif not (there := present_values(old := rows[column.name].combine_chunks())).all():
                rows = rows.set_column(place, column.name, patch_values(old, there, own))
        return rows

    def tables(self, parts: Iterable[Tensor]) -> Iterator[pa.Table]:
        first = 0
        for x in parts:
            yield self.table(x, first)
            first += len(x)

    def save(self, items: Items, target: Path, names: list[str] | None = None) -> list[Path]:
        """One table, called rows.csv in a folder."""
        tables = [self.table(items)] if isinstance(items, Tensor) else items
        return [save_tables(tables, target if target.suffix else target / "rows.csv")]

    def sheet(self, x: Tensor, target: Path, columns: int | None = None) -> Path:
        if target.suffix.lower() not in IMAGE_ENDINGS:
            return save_tables([self.table(x)], target)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._drawing(x).save(target)
        return target

    def animate(self, frames: list[Tensor], target: Path, seconds: float = 0.1) -> Path:
        return save_gif([self._drawing(frame) for frame in frames], target, seconds)

    def film(self, sheets: list[Path], target: Path) -> Path:
        return save_gif([Image.open(sheet) for sheet in sheets], target, 0.25)

    def _drawing(self, x: Tensor) -> Image.Image:
        """For each column, how frequent its values are: among these examples (blue) and in training
        (grey)."""
        shown, codes = self.learned[:40], self.disassemble(x)[0]
        across = min(5, len(shown))
        image = Image.new("RGB", (across * PANEL[0], ceil(len(shown) / across) * PANEL[1]), "white")
        pen = ImageDraw.Draw(image)
        for i, column in enumerate(shown):
            corner = (i % across * PANEL[0], i // across * PANEL[1])
            made = np.bincount(codes[:, i], minlength=column.size) / len(codes)
            _bars(pen, corner, column.name, np.asarray(column.shares), made)
        return image


def _parse_kinds(
    kinds: dict[Kind, list[str] | None], drop: list[str], frame: Frame
) -> dict[str, Kind]:
    """The kind of each column that the person named one for. Raises InputError for a column there
    is not."""
    for name in [*drop, *(name for names in kinds.values() for name in names or [])]:
        if name not in frame.schema.names:
            raise InputError(
                f"{frame.where} has no column {name!r}; it has {', '.join(frame.schema.names[:20])}"
            )
    return {name: kind for kind, names in kinds.items() for name in names or []}


def _sketch(frame: Frame, schema: pa.Schema) -> list[Sketch]:
    """Every column looked at once. Raises InputError where there are too few rows."""
    sketches = [Sketch(field.name, field.type) for field in schema]
    random = np.random.default_rng(0)
    for batch in read_batches(frame, "looking at rows"):
        for sketch in sketches:
            try:
                sketch.add(batch.column(sketch.name), random)
            except InputError as error:
                raise InputError(f"{frame.where}: {error.words}") from error
    if sketches and sketches[0].rows < 2:
        rows = "only one row" if sketches[0].rows else "no rows"
        raise InputError(f"{frame.where} has {rows}; a model needs many to learn from")
    return sketches


def _has_modes(column: Column) -> bool:
    return isinstance(column, Number) and bool(column.modes)


def _places(column: Column) -> Tensor:
    """Where each code of a column lies, (size, D); a number that is missing lies in the middle."""
    if not isinstance(column, Number):
        return torch.eye(column.size) / 2**0.5
    present = column.size - (column.missing > 0)
    shares = np.asarray(column.shares[:present])
    values = np.array(
        [*column.exact, *(k[KNOTS // 2] for k in column.knots), *(mean for mean, _ in column.modes)]
    )
    order = values.argsort()
    middles = np.empty(present)
    middles[order] = (shares[order].cumsum() - shares[order] / 2) / shares.sum()
    return (
        torch.from_numpy(np.append(middles, [0.5] * (column.size - present)) * 12**0.5)
        .float()
        .unsqueeze(1)
    )


def _range(column: Column, kind: pa.DataType) -> str:
    """What values a number or a date has, in words."""
    if not isinstance(column, Number):
        return ""
    low, high = restore_values(pa.array([column.low, column.high]), kind).to_pylist()
    return f"; it goes from {low} to {high}"


def _widths(column: Column) -> list[int]:
    """What a column takes in a space of numbers and one-hot categories."""
    return [1] * _has_modes(column) + [column.size] * (column.size > 1)


def _bars(
    pen: ImageDraw.ImageDraw, corner: tuple[int, int], name: str, real: np.ndarray, made: np.ndarray
) -> None:
    """One column: pairs of bars, codes joined where there are many."""
    left, top = corner[0] + 8, corner[1] + 4
    pen.text((left, top), name[:34], fill="black")
    groups = np.arange(len(real)) * min(BARS, len(real)) // len(real)
    pairs = np.stack([np.bincount(groups, weights=shares) for shares in (real, made)])
    width, height = (PANEL[0] - 16) / pairs.shape[1], PANEL[1] - 30
    for i, pair in enumerate(pairs.T):
        for j, (share, colour) in enumerate(zip(pair, ("#bbbbbb", "#3366cc"), strict=True)):
            x = left + (i + j * 0.45) * width
            base = top + 16 + height
            pen.rectangle(
                (x, base - height * share / pairs.max(), x + max(0.42 * width, 1), base),
                fill=colour,
            )
