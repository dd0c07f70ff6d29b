"""What data is that was handed in: its modality, what is wrong with it, and which models fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from ...core import Data, InputError, Modality, Model
from ...core.modality import Recommendation
from ...data._recognition import guess_modality
from ...runs.available import available_tasks
from ...runs.run import build
from ...runtime import registry
from ...training.data_checks import check_data

SHOWN = 24  # images, or rows
TRIED = 200  # rows that models are tried on
SIDE = 128  # pixels of an image that is shown


@dataclass(frozen=True)
class ModelFit:
    """A model that fits data.

    summary: What it is.
    tasks: What it can do afterwards.
    minutes: To train it for.
    why: Why it is recommended, if it is.
    """

    model: str
    summary: str
    tasks: tuple[str, ...]
    minutes: float
    why: str = ""


@dataclass(frozen=True, eq=False)
class DataOverview:
    """Data as it was read.

    kind: Name of the modality.
    options: How the modality reads it.
    """

    source: Path
    kind: str
    options: Mapping[str, Any]
    modality: Modality
    data: Data

    @property
    def description(self) -> str:
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
        return None if self.images else to_frame(x, self.modality)

    @property
    def columns(self) -> pd.DataFrame | None:
        """What each column of a table is taken for."""
        kinds = self.modality.kinds
        return pd.DataFrame(kinds.items(), columns=["column", "taken for"]) if kinds else None


def inspect_data(
    source: Path, kind: str | None = None, options: Mapping[str, Any] | None = None
) -> DataOverview:
    """Reads data once. Raises InputError where it is none that Ganvas reads, or something is wrong
    with it."""
    kind = kind or guess_modality(source)
    reader, given = registry.load("modalities", kind), dict(options or {})
    liked = dict[str, Any]()
    for recommendation in reader.recommended[:1]:
        liked |= registry.load("models", recommendation.model).defaults.data_options
    modality = reader.learn(source, **_select_known(reader, liked | given))
    return DataOverview(source, kind, given, modality, modality.read(source))


def find_models(overview: DataOverview) -> list[ModelFit]:
    """Models that fit data, the recommended one first: each is tried on some of it."""
    fitting = dict(_try_models(overview))
    recommended = [one for one in overview.modality.recommended if one.model in fitting]
    first = recommended[0] if recommended else Recommendation(next(iter(fitting), ""), 10.0, "")
    names = sorted(fitting, key=lambda name: name != first.model)
    return [
        ModelFit(
            name,
            registry.summary("models", name),
            tuple(available_tasks(type(fitting[name]), overview.modality)),
            first.minutes,
            first.why if name == first.model else "",
        )
        for name in names
    ]


def find_problems(overview: DataOverview, model: str) -> list[str]:
    """What is wrong with data for a model, in words. Raises InputError where nothing can be learned
    from it."""
    built = _Trial(overview).build(model)
    if built is None:
        return []
    return [str(one) for one in check_data(overview.data, overview.modality.vectors, built)]


def to_frame(x: Tensor, modality: Modality) -> pd.DataFrame:
    """Examples that cannot be seen, as rows."""
    frame = modality.frame(x)
    if frame is not None:
        return frame
    return pd.DataFrame({"text": [str(example)[:300] for example in modality.to_python(x)]})


def _try_models(overview: DataOverview) -> Iterator[tuple[str, Model]]:
    trial = _Trial(overview)
    for name in registry.names("models"):
        model = trial.build(name)
        if model is not None:
            yield name, model


@dataclass
class _Trial:
    """Builds models for data that is read as each of them likes it.

    learned: Modalities by how they read, as far as that was tried; None where it does not fit.
    """

    overview: DataOverview
    learned: dict[str, Modality | None] = field(default_factory=dict)

    def build(self, model: str) -> Model | None:
        """A model; None where it does not fit."""
        try:
            modality = self._learn(model)
            return None if modality is None else build(model, {}, modality)
        except InputError:
            return None

    def _learn(self, model: str) -> Modality | None:
        """The modality as the model likes it. Raises InputError where the data cannot be read
        so."""
        reader = registry.load("modalities", self.overview.kind)
        liked = registry.load("models", model).defaults.data_options
        options = _select_known(reader, {**liked, **self.overview.options})
        key = repr(sorted(options.items()))
        if key not in self.learned:
            self.learned[key] = None
            self.learned[key] = reader.learn(self._sample, **options)
        return self.learned[key]

    @cached_property
    def _sample(self) -> Any:
        """Some rows of a table, so that what models ask to know of it is known soon; else the
        data."""
        frame = self.overview.modality.frame(self.overview.data.gather(most=TRIED).x)
        return self.overview.source if frame is None else frame


def _select_known(reader: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options that a modality has."""
    own = {option.name for option in registry.options(reader.learn)}
    return {name: value for name, value in options.items() if name in own}
