"""Abilities: what a trained model can do, one a file, each with all that the house knows of it."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

from ._base import Ability, Baseline, Cost, ErrorMeasure, Lesson, Preview, Signature
from .autoencoding import Autoencodes
from .bounding import Bounds
from .completing import Completes
from .compressing import CodingScheme, Compresses, Factorises
from .conditional_start import ConditionalStart, StartsConditionally
from .decoding import Decodes
from .density_ratio import EstimatesDensityRatio
from .encoding import Encodes
from .generating import Generates
from .posterior_resampling import ResamplesPosterior
from .predicting import Predicts
from .prompt_scoring import ScoresPrompts
from .restoring import Restores
from .sampling import Samples
from .sampling_tokens import SamplesTokens
from .scoring import Scores
from .stylising import Stylises
from .tokenizing import Tokenizes
from .translating import Translates
from .upscaling import Upscales

__all__ = [
    "Ability",
    "Autoencodes",
    "Baseline",
    "Bounds",
    "CodingScheme",
    "Completes",
    "Compresses",
    "ConditionalStart",
    "Cost",
    "Decodes",
    "Encodes",
    "ErrorMeasure",
    "EstimatesDensityRatio",
    "Factorises",
    "Generates",
    "Lesson",
    "Predicts",
    "Preview",
    "ResamplesPosterior",
    "Restores",
    "Samples",
    "SamplesTokens",
    "Scores",
    "ScoresPrompts",
    "Signature",
    "StartsConditionally",
    "Stylises",
    "Tokenizes",
    "Translates",
    "Upscales",
    "error_measure",
    "lesson",
    "of",
    "previews",
    "signatures",
]


def of(model: object) -> list[type[Ability]]:
    """The abilities of a model, or of a kind of models: each before those that it builds on."""
    make = model if isinstance(model, type) else type(model)
    return [kind for kind in make.__mro__ if _is_ability(kind)]


def _is_ability(kind: type) -> bool:
    """Whether a class says what can be done, and is no model that does it."""
    return issubclass(kind, Ability) and kind is not Ability and not issubclass(kind, nn.Module)


def previews(model: object) -> list[Preview]:
    """What is to be seen of a model, in order."""
    shown = _distinct([ability.preview for ability in of(model)])
    return sorted([one for one in shown if one.applies(model)], key=lambda one: one.rank)


def error_measure(model: object) -> ErrorMeasure:
    """What says whether a model learned."""
    return min(_distinct([ability.error for ability in of(model)]), key=lambda one: one.rank)


def lesson(model: object) -> Lesson:
    """What a model practises on where it is proved that it learns."""
    return next(iter(_distinct([ability.lesson for ability in of(model)])), Lesson())


def signatures(model: object) -> dict[str, Signature]:
    """By the name of a file, what is in it: of what a model can do, or might if it were another."""
    known = sorted(_distinct([ability.export for ability in of(model)]), key=lambda one: one.rank)
    found: dict[str, Signature] = {}
    for one in known:
        found.setdefault(one.name, one)
    return found


Extra = TypeVar("Extra")


def _distinct(extras: list[Extra | None]) -> list[Extra]:
    """Each once, where an ability has that of another which it builds on, and none that are
    missing."""
    return list({id(one): one for one in extras if one is not None}.values())
