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
    Restores,
    Samples,
    Scores,
    Translates,
)
from .answers import (
    Answer,
    Augmented,
    Detections,
    Estimate,
    Evidence,
    Exact,
    Filled,
    Frames,
    Made,
    Measured,
    Named,
    Normal,
    Pairs,
    Parcel,
    Restored,
)
from .chance import chance, seeded
from .modality import Batch, Data, Modality, held, spread
from .model import Model, Optimizer, Practice, Turn, adam
from .pictures import Pictorial, Whole, mirrored
from .privacy import Private, Promise
from .rows import Features, Given, Rowwise
from .space import Continuous, Mixed, Space, Tokens
from .wishes import Balance, Likeness, Understands, Wish, all_of

__all__ = [
    "Answer", "Augmented", "Autoencodes", "Balance", "Batch", "Begun", "Bounds", "Completes", "Continuous", "Data",
    "Decodes", "Detections", "Encodes", "Estimate", "Evidence", "Exact", "Factorises", "Features", "Filled", "Frames",
    "Generates", "Given", "InputError", "Likeness", "Made", "Measured", "Mixed", "Modality", "Model", "Named", "Normal",
    "Optimizer", "Pairs", "Parcel", "Pictorial", "Practice", "Private", "Promise", "Restored", "Restores", "Rowwise",
    "Samples", "Scores", "Space", "Tokens", "Translates", "Turn", "Understands", "Whole", "Wish", "adam", "all_of",
    "chance", "held", "mirrored", "seeded", "spread",
]  # fmt: skip
