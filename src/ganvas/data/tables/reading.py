"""Tables as a model takes them: examples, rows with missing values, codes and the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ...core import Given, InputError, Part, Source, held_out_rows
from ...core.tabular import Features
from ...results.unpacked import Unpacked
from .._growing_files import follow_rows, readable_parts
from .columns import Number, as_numbers
from .lossless import differences, packed_ranks, packed_tables
from .rows import Called, Growing, Rows, hash_rows
from .sources import Frame, files_of, open_frame, read_batches

if TYPE_CHECKING:
    from .modality import Tables

AT_ONCE = 8192  # rows that are judged at a time
MOSTLY_UNLIKE = (
    0.1  # of a column's values that codes cannot give back: from there on it is kept as it is
)
MOST = 254  # codes of a category that boosted trees tell apart


class TableSource(Source):
    """Files, a database or a data frame."""

    modality: Tables

    @property
    def views(self) -> Mapping[Any, Callable[[], Any]]:
        return {**super().views, Given: self.rows, Unpacked: self.unpacked}

    def parts(self) -> Iterator[Part]:
        frames = [open_frame(file, self.modality.query) for file in files_of(self.given)]
        for frame in frames:
            rows, where = 0, f"{Path(frame.where).name}: " if len(frames) > 1 else ""
            self._refuse_missing(frame)
            for batch in frame.batches():
                for start in range(0, len(batch), AT_ONCE):
                    part = batch.slice(start, AT_ONCE)
                    yield self._read_tamed(part, frame, Called(rows, where))
                    rows += len(part)
            if not rows:
                raise InputError(f"{frame.where} has no rows; give some")

    def follow(self, wait: Callable[[float], bool]) -> Iterator[Part]:
        first, columns = 0, [column.name for column in self.modality.columns]
        for frame, batch in follow_rows(Path(self.given), columns, wait):
            self._refuse_missing(frame)
            # used up at once
            read = lambda part, n: self._read_tamed(part, frame, Called(first + n))  # noqa: B023, E731
            yield from readable_parts(batch, read)
            first += len(batch)

    def _read_tamed(self, batch: pa.RecordBatch, frame: Frame, called: Called) -> Part:
        """Rows as they can be read, and what that hides of each place, (N, places)."""
        tamed = [
            (column, *column.tame(array, self.modality.rows))
            for column, array in self.modality.select_learned(batch, frame)
        ]
        codes, offsets, keys = self.modality.encode_batch(
            [(column, array) for column, array, _ in tamed], frame
        )
        tensors = (
            torch.from_numpy(codes.astype(np.int16)),
            torch.from_numpy(offsets.astype(np.float32)),
        )
        hidden = torch.zeros(len(batch), sum(self.modality.places))
        first = torch.tensor([0, *self.modality.places]).cumsum(0)[:-1]
        hidden[:, first] = torch.from_numpy(np.stack([nats for _, _, nats in tamed], 1))
        known = torch.from_numpy(keys.copy())
        return Rows(self.modality, *tensors, known, self.device, called=called), hidden

    def examples(self) -> Rows:
        frame = open_frame(self.given, self.modality.query)
        self._refuse_missing(frame)
        codes, offsets, keys = Growing(np.int16), Growing(np.float32), []
        for batch in read_batches(frame, "reading rows"):
            own, places, hashes = self.modality.encode_batch(
                self.modality.select_learned(batch, frame), frame
            )
            codes.add(own)
            offsets.add(places)
            keys.append(hashes)
        if not keys:
            raise InputError(f"{frame.where} has no rows; give some")
        known = torch.from_numpy(np.concatenate(keys))
        return Rows(self.modality, codes.tensor(), offsets.tensor(), known, self.device)

    def _refuse_missing(self, frame: Frame) -> None:
        missing = [c.name for c in self.modality.columns if c.name not in frame.schema.names]
        if missing:
            raise InputError(
                f"{frame.where} has no column {missing[0]!r}, which the model learned from; add it"
            )

    def rows(self) -> Given:
        """Rows that may lack values and whole columns."""
        frame = open_frame(self.given, self.modality.query)
        rows = (
            pa.Table.from_pandas(self.given)
            if frame.form == "pandas"
            else pa.Table.from_batches(frame.batches(), frame.schema)
        )
        if not len(rows):
            raise InputError(f"{frame.where} has no rows; give some")
        codes = torch.zeros(len(rows), len(self.modality.learned), dtype=torch.int64)
        known = torch.zeros(codes.shape, dtype=torch.bool)
        for i, column in enumerate(self.modality.learned):
            if column.name in rows.column_names:
                found = self.modality.encode_known(
                    column, rows[column.name].combine_chunks(), frame
                )
                codes[:, i], known[:, i] = map(torch.from_numpy, found)
        if not set(rows.column_names) & {column.name for column in self.modality.learned}:
            raise InputError(
                f"{frame.where} has none of the columns that the model learned; give some"
            )
        some = {i: column for i, column in enumerate(self.modality.learned) if column.missing}
        fits = {i: torch.arange(column.size) < column.size - 1 for i, column in some.items()}

        def features(x: Tensor | None, without: str) -> Features:
            return self._read_features(
                rows if x is None else self.modality.table(x), without, frame
            )

        held, measure = self._find_held_out(frame), self.modality.measure
        given = Given(codes, known, fits, rows, frame.form, held, features, measure)
        return given.to(self.device)

    def unpacked(self) -> Unpacked:
        """Codes of all rows, and what these leave open."""
        frame = open_frame(self.given, self.modality.query)
        table = pa.Table.from_batches(frame.batches(), frame.schema)
        if not len(table):
            raise InputError(f"{frame.where} has no rows; give some")
        codes, ranks, unlike = (
            np.zeros((len(table), len(self.modality.learned)), np.int64),
            [],
            np.zeros(len(table), bool),
        )
        own = {column.name for column in self.modality.learned}
        raw = [name for name in table.column_names if name not in own]
        for i, column in enumerate(self.modality.learned):
            if column.name not in table.column_names:
                raise InputError(
                    f"{frame.where} has no column {column.name!r}, which the model learned from;"
                    " add it"
                )
            array = table[column.name].combine_chunks()
            known = column.tame(self.modality.cast(column, array, frame), self.modality.rows)[0]
            codes[:, i] = self.modality.encode_column(column, known, frame)[0]
            rank = column.rank_in_code(known, codes[:, i])
            wrong = differences(
                array, self.modality.decode_ranks(column, codes[:, i], rank, array.type)
            )
            if wrong.mean() > MOSTLY_UNLIKE:
                raw.append(column.name)
            else:
                unlike |= wrong
                ranks.append((rank, column.count_sharing(codes[:, i])))
        odd = pa.table({"row": np.flatnonzero(unlike)})
        kept = {
            "schema": table.schema.empty_table(),
            "raw": table.select(raw),
            "odd rows": odd,
            "odd": table.filter(pa.array(unlike)).drop_columns(raw),
        }
        rest = packed_tables(kept, packed_ranks(ranks))
        return Unpacked(torch.from_numpy(codes), rest, self.fingerprint())

    def _find_held_out(self, frame: Frame) -> Tensor:
        """Which rows training holds out: what decides is the content of all columns, so where one
        lacks none is."""
        if not self.held_out or {column.name for column in self.modality.learned} - set(
            frame.schema.names
        ):
            return torch.zeros(sum(len(batch) for batch in frame.batches()), dtype=torch.bool)
        keys = [hash_rows(self.modality.select_learned(batch, frame)) for batch in frame.batches()]
        return (
            held_out_rows(torch.from_numpy(np.concatenate(keys)), self.held_out)
            if keys
            else torch.zeros(0, dtype=torch.bool)
        )

    def _read_features(self, rows: pa.Table, without: str, frame: Frame) -> Features:
        columns = [column for column in self.modality.learned if column.name != without]
        x = np.full((len(rows), len(columns)), np.nan)
        for i, column in enumerate(columns):
            if column.name not in rows.column_names:
                continue
            array = rows[column.name].combine_chunks()
            if isinstance(column, Number):
                x[:, i] = as_numbers(self.modality.cast(column, array, frame))
            else:
                codes, there = self.modality.encode_known(column, array, frame)
                x[:, i] = np.where(there, codes.clip(max=MOST), np.nan)
        return Features(x, tuple(not isinstance(column, Number) for column in columns))
