"""The words everything else is written in: space, turn, model, ability, modality, answer."""

from ..errors import InputError
from .abilities import (
    Autoencodes,
    Begun,
    Bounds,
    Completes,
    Decodes,
    Encodes,
    Factorises,
    Generates,
    Packing,
    Packs,
    Redraws,
    Restores,
    Samples,
    Scores,
    Translates,
)
from .answers import (
    Answer,
    Arriving,
    Augmented,
    Clustered,
    Detections,
    Embedded,
    Estimate,
    Evidence,
    Exact,
    Filled,
    Frames,
    Judged,
    Labelled,
    Made,
    Measured,
    Named,
    Normal,
    Pairs,
    Parcel,
    Restored,
    Weigh,
    Weighed,
)
from .chance import chance, seeded
from .conformal import p_values
from .intervals import Between, Calibrated, Calibration, Values
from .lossless import Lossless
from .modality import Batch, Data, Modality, held, spread
from .model import Model, Optimizer, Practice, Turn, adam
from .moments import Follows, Overlaps
from .pictures import PICTURES, Pictorial, Whole, flipped, mirrored
from .privacy import Private, Promise
from .rows import Features, Given, Rowwise
from .space import Continuous, Mixed, Space, Tokens
from .wishes import Balance, Likeness, Understands, Wish, all_of

__all__ = [
    "PICTURES", "Answer", "Arriving", "Augmented", "Autoencodes", "Balance", "Batch", "Begun", "Between", "Bounds",
    "Calibrated", "Calibration", "Clustered", "Completes", "Continuous", "Data", "Decodes", "Detections", "Embedded",
    "Encodes", "Estimate", "Evidence", "Exact", "Factorises", "Features", "Filled", "Follows", "Frames", "Generates",
    "Given", "InputError", "Judged", "Labelled", "Likeness", "Lossless", "Made", "Measured", "Mixed", "Modality",
    "Model", "Named", "Normal", "Optimizer", "Overlaps", "Packing", "Packs", "Pairs", "Parcel", "Pictorial", "Practice",
    "Private", "Promise", "Redraws", "Restored", "Restores", "Rowwise", "Samples", "Scores", "Space", "Tokens",
    "Translates", "Turn", "Understands", "Values", "Weigh", "Weighed", "Whole", "Wish", "adam", "all_of", "chance",
    "flipped", "held", "mirrored", "p_values", "seeded", "spread",
]  # fmt: skip
