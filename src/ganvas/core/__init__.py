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
    Weigh,
    Weighed,
)
from .chance import chance, seeded
from .modality import Batch, Data, Modality, held, spread
from .model import Model, Optimizer, Practice, Turn, adam
from .moments import Follows, Overlaps
from .privacy import Private, Promise
from .rows import Features, Given, Rowwise
from .space import Continuous, Mixed, Space, Tokens
from .wishes import Balance, Likeness, Understands, Wish, all_of

__all__ = [
    "Answer", "Arriving", "Augmented", "Autoencodes", "Balance", "Batch", "Begun", "Bounds", "Clustered", "Completes",
    "Continuous", "Data", "Decodes", "Detections", "Embedded", "Encodes", "Estimate", "Evidence", "Exact",
    "Factorises", "Features", "Filled", "Follows", "Frames", "Generates", "Given", "InputError", "Judged", "Labelled",
    "Likeness", "Made", "Measured", "Mixed", "Modality", "Model", "Named", "Normal", "Optimizer", "Overlaps", "Pairs",
    "Parcel", "Practice", "Private", "Promise", "Rowwise", "Samples", "Scores", "Space", "Tokens", "Translates", "Turn",
    "Understands", "Weigh", "Weighed", "Wish", "adam", "all_of", "chance", "held", "seeded", "spread",
]  # fmt: skip
