"""Two domains of images, the one to be turned into the other: with counterparts, or without."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...core import Batch, Data, InputError, seeded_generator
from ...runtime.errors import flag
from .sources import Arrays, Encoded, open_source

SHOWN = 5  # names that an error lists

Found = Encoded | Arrays
Sizes = Callable[[Found], np.ndarray]
"""(width, height) of every image, (N, 2), or of all of them, (1, 2)."""


class Domains(Data):
    """Images of two domains: x of an example is of the second, y of the first."""

    def __init__(self, first: Data, second: Data) -> None:
        self.first, self.second, self.ahead = first, second, max(first.ahead, second.ahead)
        self.parts = first.parts or second.parts

    @abstractmethod
    def places(self, rows: Tensor, step: int | None) -> tuple[Tensor, Tensor]:
        """Which images of the first and of the second domain the examples `rows` are made of,
        int64 (B,) each."""

    def batch(self, rows: Tensor, step: int | None = None) -> Batch:
        ours, theirs = self.places(rows, step)
        return Batch(self.second.batch(theirs, step).x, self.first.batch(ours, step).x)


class Unpaired(Domains):
    """All images of both domains, the first domain's first: each is an example, with a partner
    from the other one.

    The step decides who that is; where there is none it is always the same, so that each has been
    somebody's partner. Where a domain has no images there are no examples.
    """

    def __len__(self) -> int:
        return len(self.first) + len(self.second) if len(self.first) and len(self.second) else 0

    @property
    # made when asked for: there may be very many
    def names(self) -> list[str]:  # type: ignore[override]
        return [*self.first.names, *self.second.names]

    def places(self, rows: Tensor, step: int | None) -> tuple[Tensor, Tensor]:
        a, b = len(self.first), len(self.second)
        of_first = rows < a
        if step is None:
            ours, theirs = (rows - a) * a // b, rows * b // a
        else:
            share = torch.rand(len(rows), dtype=torch.float64, generator=seeded_generator(step, 2))
            ours, theirs = (share * a).long(), (share * b).long()
        return torch.where(of_first, rows, ours), torch.where(of_first, theirs, rows - a)

    def keys(self) -> Tensor:
        return torch.cat([self.first.keys(), self.second.keys()])

    def subset(self, rows: Tensor) -> Unpaired:
        of_first = rows < len(self.first)
        return Unpaired(
            self.first.subset(rows[of_first]), self.second.subset(rows[~of_first] - len(self.first))
        )


class Paired(Domains):
    """Images with their counterparts: cut out at the same place and mirrored alike. What they are
    to become decides who is held out."""

    def __len__(self) -> int:
        return len(self.second)

    @property
    # made when asked for: there may be very many
    def names(self) -> list[str]:  # type: ignore[override]
        return self.first.names

    def places(self, rows: Tensor, step: int | None) -> tuple[Tensor, Tensor]:
        return rows, rows

    def keys(self) -> Tensor:
        return self.second.keys()

    def subset(self, rows: Tensor) -> Paired:
        return Paired(self.first.subset(rows), self.second.subset(rows))


def read_domains(source: Any, to: Any, names: Sequence[str] = ()) -> tuple[Any, Any]:
    """The sources of the two domains: one and the other, a mapping of them by name, or a folder
    that holds folders of these names. Raises InputError where there is no second."""
    if isinstance(source, Mapping):
        if len(source) != 2:
            raise InputError(
                f"there are {len(source)} domains ({', '.join(map(str, source))}); give two"
            )
        first, second = (
            (source[name] for name in names) if set(names) == set(source) else source.values()
        )
        return first, second
    if (
        names
        and isinstance(source, str | Path)
        and all((Path(source) / name).is_dir() for name in names)
    ):
        return Path(source) / names[0], Path(source) / names[1]
    if to is None:
        raise InputError(
            "the second domain is not at hand, which was in memory; give both again, as "
            "{'name of the first': ..., 'name of the second': ...}"
        )
    return source, to


def domain_names(source: Any, to: Any) -> tuple[str, str]:
    """What two domains are called: as their folders are."""
    if isinstance(source, Mapping):
        first, second = map(str, source)
        return first, second
    given = [Path(one).resolve() if isinstance(one, str | Path) else None for one in (source, to)]
    short = [one.name.split(".")[0] if one else "" for one in given]
    long = [f"{one.parent.name}/{one.name}" if one else "" for one in given]
    for first, second in (short, long):
        if first and second and first != second:
            return first, second
    return "first", "second"


def learn_domains(
    source: Any, to: Any, pairs: bool, learn: Callable[[Any], Any], sizes: Sizes
) -> Any:
    """What is to be remembered of two domains, by what is of either alone: the smaller size, and
    colours of each.

    learn: What is remembered of one, a frozen dataclass with size, channels and classes.
    """
    ours, theirs = read_domains(source, to)
    first, second = learn(ours), learn(theirs)
    if pairs:
        pair_domains(open_source(ours), open_source(theirs), sizes, domain_names(source, to))
    return replace(
        second,
        size=min(first.size, second.size),
        classes=(),
        domains=domain_names(source, to),
        pairs=pairs,
        to=str(Path(to).resolve()) if isinstance(to, str | Path) else None,
        first_channels=first.channels,
    )


def pair_domains(
    first: Found, second: Found, sizes: Sizes, names: Sequence[str]
) -> tuple[Found, Found]:
    """Both with their images in the order of the first's, counterparts at the same number.

    Raises InputError where an image lacks its partner, two share a name, or partners differ in
    size.
    """
    ours, theirs = (
        _by_stem(found, name) for found, name in zip((first, second), names, strict=True)
    )
    alone = [
        _alone(names[0], names[1], [stem for stem in ours if stem not in theirs]),
        _alone(names[1], names[0], [stem for stem in theirs if stem not in ours]),
    ]
    if any(alone):
        raise InputError(
            f"{'; '.join(filter(None, alone))}; give partners the same name, or leave out"
            f" {flag('pairs')}"
        )
    order = [theirs[stem] for stem in ours]
    own, other = (np.broadcast_to(sizes(found), (len(ours), 2)) for found in (first, second))
    unequal = (own != other[order]).any(1)
    if unequal.any():
        at = int(unequal.argmax())
        a, b = (" × ".join(map(str, one.tolist())) for one in (own[at], other[order[at]]))
        words = f"{first.names[at]} of {names[0]} is {a} pixels and its partner in {names[1]} {b}"
        raise InputError(f"{words} ({unequal.sum():,} such pairs); partners must be of one size")
    return first, _in_order(second, order)


def _by_stem(found: Found, domain: str) -> dict[str, int]:
    """Numbers of images by their names without ending."""
    stems = dict[str, int]()
    for number, name in enumerate(found.names):
        stem = PurePosixPath(name).with_suffix("").as_posix()
        if stem in stems:
            raise InputError(
                f"{domain} has both {found.names[stems[stem]]} and {name}: whose partner is {stem}?"
            )
        stems[stem] = number
    return stems


def _alone(domain: str, other: str, stems: Sequence[str]) -> str:
    """What is to be said of images without a partner; nothing where there are none."""
    if not stems:
        return ""
    listed = ", ".join(stems[:SHOWN]) + (" …" if len(stems) > SHOWN else "")
    return f"{len(stems):,} of {domain} have no partner in {other} ({listed})"


def _in_order(found: Found, order: Sequence[int]) -> Found:
    if isinstance(found, Arrays):  # whose names are their numbers
        return found
    return Encoded([found.names[i] for i in order], lambda i: found.content(order[i]))
