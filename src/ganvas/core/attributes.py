"""What is known of examples beside themselves: who smiles, how old somebody is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import torch
from torch import Tensor

from ..runtime.errors import InputError
from .inputs import Input


@dataclass(frozen=True)
class Attributes(Input):
    """A table of attributes, a row for each example.

    names: Which example each row is about.
    columns: By name the values of an attribute, float64 (rows,); nan where nothing is known.
    where: What to call the table.
    """

    names: list[str]
    columns: Mapping[str, Tensor]
    where: str

    def of(self, attribute: str, names: list[str]) -> Tensor:
        """An attribute of examples of these names, float64 (n,), nan of those that no row is about.

        Rows may name a file by its whole place or by its last part. Raises InputError for an
        unknown attribute.
        """
        if attribute not in self.columns:
            raise InputError(
                f"{self.where} has no column {attribute!r}; it has"
                f" {', '.join([*self.columns][:20])}"
            )
        rows = {
            key: row
            for row, name in enumerate(self.names)
            for key in (PurePosixPath(name).name, name)
        }
        found = [rows.get(name, rows.get(PurePosixPath(name).name, -1)) for name in names]
        if set(found) <= {-1}:
            shown = f"{names[0]}, …" if names else "there are none"
            raise InputError(
                f"no row of {self.where} is about an example at hand ({shown}); its first column"
                " names files"
            )
        padded = torch.cat([self.columns[attribute], torch.tensor([torch.nan]).double()])
        return padded[torch.tensor(found)]
