"""What Ganvas sees in data that is handed in: of what kind it is, what is wrong with it, and which
models fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from ...core import Data, InputError, Modality, Model, Tabular
from ...data._recognition import guess_modality
from ...runs.available import available_tasks
from ...runs.run import build
from ...runtime import registry
from ...training.data_checks import check_data

SHOWN = 24  # images, or rows
GLANCE = 200  # rows that models are tried on
SIDE = 128  # pixels of an image that is shown

Recommendation = tuple[str, float, str]
RECOMMENDED: Mapping[str, tuple[Recommendation, ...]] = {
    "images": (
        (
            "vae",
            1,
            (
                "It learns in minutes on any computer and can do the most afterwards; r3gan is"
                " sharper, but wants thousands of images and hours."
            ),
        ),
        ("cut", 60, "It needs no pairs, and half the time that cyclegan takes."),
    ),
    "tables": (
        (
            "made",
            2,
            (
                "It learns a table within minutes and can be asked for rows of a kind, fill in"
                " masked regions, find what is not normal, and pack."
            ),
        ),
    ),
    "texts": (("transformer", 10, "It writes best, goes on with texts and finds unusual ones."),),
    "videos": (("simvp", 15, "It says how a video goes on and finds what is unexpected."),),
    "series": (("ae", 3, "It learns in a minute what is normal and says which sensor is not."),),
}
"""By the kind of data, what to begin with: the first that fits, minutes that do for some thousand
examples, and why."""


@dataclass(frozen=True)
class Fit:
    """A model that fits data.

    sentence: What it is.
    tasks: What it can do afterwards.
    minutes: To train it for.
    why: Why it is recommended, if it is.
    """

    model: str
    sentence: str
    tasks: tuple[str, ...]
    minutes: float
    why: str = ""


@dataclass(frozen=True, eq=False)
class DataOverview:
    """Data as it was seen.

    kind: Name of the modality.
    options: How the modality reads it.
    """

    source: Path
    kind: str
    options: Mapping[str, Any]
    modality: Modality
    data: Data

    @property
    def words(self) -> str:
        """What was read, in a sentence."""
        return self.modality.describe(self.data)

    @cached_property
    def images(self) -> list[np.ndarray]:
        """Some examples as images, uint8 (H, W, 3), where they can be seen."""
        small = self.modality.thumbnails(self.data.gather(most=SHOWN).x, SIDE)
        return [] if small is None else [*small.cpu().numpy()]

    @cached_property
    def rows(self) -> pd.DataFrame | None:
        """The first rows of a table, or some texts, where they are that."""
        x = self.data.gather(most=SHOWN).x
        return None if self.images else said(x, self.modality)

    @property
    def columns(self) -> pd.DataFrame | None:
        """What each column of a table is taken for."""
        if not isinstance(self.modality, Tabular):
            return None
        return pd.DataFrame(self.modality.kinds.items(), columns=["column", "taken for"])


def see(
    source: Path, kind: str | None = None, options: Mapping[str, Any] | None = None
) -> DataOverview:
    """Looks at data once. Raises InputError where it is none that Ganvas reads, or something is
    wrong with it."""
    kind = kind or guess_modality(source)
    reader, said = registry.load("modalities", kind), dict(options or {})
    usual = [
        registry.load("models", model).defaults.data_options
        for model, *_ in RECOMMENDED.get(kind, ())[:1]
    ]
    modality = reader.learn(source, **_known(reader, {**next(iter(usual), {}), **said}))
    return DataOverview(source, kind, said, modality, modality.read(source))


def fitting(sight: DataOverview) -> list[Fit]:
    """Models that fit data, the recommended one first: each is tried on a glance at it."""
    tried = dict(_tried(sight))
    advised = [one for one in RECOMMENDED.get(sight.kind, ()) if one[0] in tried]
    first, minutes, why = advised[0] if advised else (next(iter(tried), ""), 10.0, "")
    names = sorted(tried, key=lambda name: name != first)
    return [
        Fit(
            name,
            registry.summary("models", name),
            tuple(available_tasks(type(tried[name]), sight.modality)),
            minutes,
            why if name == first else "",
        )
        for name in names
    ]


def problems(sight: DataOverview, model: str) -> list[str]:
    """What is wrong with data for a model, in words. Raises InputError where nothing can be learned
    from it."""
    built = _build(model, sight, _glance(sight), {})
    return (
        [str(one) for one in check_data(sight.data, sight.modality.vectors, built)] if built else []
    )


def _tried(sight: DataOverview) -> Iterator[tuple[str, Model]]:
    glance, known = _glance(sight), dict[str, Modality | None]()
    for name in registry.names("models"):
        if built := _build(name, sight, glance, known):
            yield name, built


def _glance(sight: DataOverview) -> Any:
    """Some rows of a table, so that what models ask to know of it is known soon; else the data."""
    frame = sight.modality.frame(sight.data.gather(most=GLANCE).x)
    return sight.source if frame is None else frame


def _build(
    model: str, sight: DataOverview, glance: Any, known: dict[str, Modality | None]
) -> Model | None:
    """A model for data that is read as the model likes it; None where it does not fit.

    known: The modality by how it reads, as far as that was tried; more is added.
    """
    reader = registry.load("modalities", sight.kind)
    reading = _known(
        reader, {**registry.load("models", model).defaults.data_options, **sight.options}
    )
    try:
        if (key := repr(sorted(reading.items()))) not in known:
            known[key] = None
            known[key] = reader.learn(glance, **reading)
        modality = known[key]
        return None if modality is None else build(model, {}, modality)
    except InputError:
        return None


def _known(reader: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options that a modality has."""
    own = {option.name for option in registry.options(reader.learn)}
    return {name: value for name, value in options.items() if name in own}


def said(x: Tensor, modality: Modality) -> pd.DataFrame:
    """Examples that cannot be seen, as rows."""
    frame = modality.frame(x)
    return (
        pd.DataFrame({"text": [str(one)[:300] for one in modality.present(x)]})
        if frame is None
        else frame
    )
