"""Ganvas trains, evaluates and uses GANs and autoencoders on your own images, tables, text and
video."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .abilities import (
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
    from .api import evaluate, load, resume, train
    from .core import Continuous, Mixed, Modality, Model, Result, Tokens, Turn
    from .evaluation.figures import Evaluation
    from .results.augmented import Augmented, AugmentedImages, AugmentedRows
    from .results.clustered import Clustered
    from .results.completed import Completed
    from .results.detections import Detections
    from .results.edited import Edited
    from .results.embedded import Embedded
    from .results.frames import Frames
    from .results.generated import Generated
    from .results.image_pairs import ImagePairs
    from .results.imputed import ImputationIntervals, Imputed
    from .results.packed import Packed
    from .results.pairs import Pairs
    from .results.reconstruction_intervals import ReconstructionIntervals
    from .results.unpacked import Unpacked
    from .runtime.errors import InputError
    from .tasks._trained import Trained
    from .training.start import TrainingInterrupted

__version__ = "0.1.0"

_HOMES = {
    "abilities": (
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
    "api": (
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
        "Result",
        "Tokens",
        "Turn",
    ),
    "evaluation.figures": ("Evaluation",),
    "results.augmented": (
        "Augmented",
        "AugmentedImages",
        "AugmentedRows",
    ),
    "results.clustered": ("Clustered",),
    "results.completed": ("Completed",),
    "results.detections": ("Detections",),
    "results.edited": ("Edited",),
    "results.embedded": ("Embedded",),
    "results.frames": ("Frames",),
    "results.generated": ("Generated",),
    "results.image_pairs": ("ImagePairs",),
    "results.imputed": (
        "ImputationIntervals",
        "Imputed",
    ),
    "results.packed": ("Packed",),
    "results.pairs": ("Pairs",),
    "results.reconstruction_intervals": ("ReconstructionIntervals",),
    "results.unpacked": ("Unpacked",),
    "runtime.errors": ("InputError",),
    "tasks._trained": ("Trained",),
    "training.start": ("TrainingInterrupted",),
}
"""Public names by the module that they live in."""

__all__ = [
    "Augmented",
    "AugmentedImages",
    "AugmentedRows",
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
    "EstimatesDensityRatio",
    "Evaluation",
    "Factorises",
    "Frames",
    "Generated",
    "Generates",
    "ImagePairs",
    "ImputationIntervals",
    "Imputed",
    "InputError",
    "Mixed",
    "Modality",
    "Model",
    "Packed",
    "Pairs",
    "Predicts",
    "ReconstructionIntervals",
    "ResamplesPosterior",
    "Restores",
    "Result",
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
