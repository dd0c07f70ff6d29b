"""Ganvas trains, judges and uses GANs and autoencoders on your own images, tables, text and
video."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Trained, evaluate, load, resume, train
    from .core import Continuous, Mixed, Modality, Model, Tokens, Turn
    from .core.abilities import (
        Autoencodes,
        Bounds,
        Completes,
        Compresses,
        Decodes,
        Encodes,
        EstimatesDensityRatio,
        Factorises,
        Generates,
        Predicts,
        ResamplesPosterior,
        Restores,
        Samples,
        SamplesTokens,
        Scores,
        ScoresPrompts,
        StartsConditionally,
        Stylises,
        Tokenizes,
        Translates,
        Upscales,
    )
    from .core.answers import (
        Augmented,
        Clustered,
        Completed,
        Detections,
        Edited,
        Embedded,
        Enlarged,
        Filled,
        Frames,
        Made,
        Packed,
        Pairs,
        Restored,
        Unpacked,
    )
    from .evaluation.figures import Evaluation
    from .runtime.errors import InputError
    from .training.start import TrainingInterrupted

__version__ = "0.1.0"

_HOMES = {
    "api": (
        "Trained",
        "evaluate",
        "load",
        "resume",
        "train",
    ),
    "core": (
        "Continuous",
        "Mixed",
        "Modality",
        "Model",
        "Tokens",
        "Turn",
    ),
    "core.abilities": (
        "Autoencodes",
        "Bounds",
        "Completes",
        "Compresses",
        "Decodes",
        "Encodes",
        "EstimatesDensityRatio",
        "Factorises",
        "Generates",
        "Predicts",
        "ResamplesPosterior",
        "Restores",
        "Samples",
        "SamplesTokens",
        "Scores",
        "ScoresPrompts",
        "StartsConditionally",
        "Stylises",
        "Tokenizes",
        "Translates",
        "Upscales",
    ),
    "core.answers": (
        "Augmented",
        "Clustered",
        "Completed",
        "Detections",
        "Edited",
        "Embedded",
        "Enlarged",
        "Filled",
        "Frames",
        "Made",
        "Packed",
        "Pairs",
        "Restored",
        "Unpacked",
    ),
    "evaluation.figures": ("Evaluation",),
    "runtime.errors": ("InputError",),
    "training.start": ("TrainingInterrupted",),
}
"""Public names by the module that they live in."""

__all__ = [
    "Augmented",
    "Autoencodes",
    "Bounds",
    "Clustered",
    "Completed",
    "Completes",
    "Compresses",
    "Continuous",
    "Decodes",
    "Detections",
    "Edited",
    "Embedded",
    "Encodes",
    "Enlarged",
    "EstimatesDensityRatio",
    "Evaluation",
    "Factorises",
    "Filled",
    "Frames",
    "Generates",
    "InputError",
    "Made",
    "Mixed",
    "Modality",
    "Model",
    "Packed",
    "Pairs",
    "Predicts",
    "ResamplesPosterior",
    "Restored",
    "Restores",
    "Samples",
    "SamplesTokens",
    "Scores",
    "ScoresPrompts",
    "StartsConditionally",
    "Stylises",
    "Tokenizes",
    "Tokens",
    "Trained",
    "TrainingInterrupted",
    "Translates",
    "Turn",
    "Unpacked",
    "Upscales",
    "evaluate",
    "load",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    """Public names are imported when first used, so that `import ganvas` does not wait for
    torch."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f".{home}", __name__), name)
    raise AttributeError(f"module 'ganvas' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
