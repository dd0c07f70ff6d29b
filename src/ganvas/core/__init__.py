"""The words everything else is written in: space, turn, model, ability, modality, answer."""

from ..runtime.errors import InputError
from ..runtime.random import seeded_generator, seeded_rng
from .constraints import Constraint
from .data import Batch, Data, evenly_spaced, held_out_rows
from .evidence import Estimate, Evidence, Measured
from .examples import LabelledExamples, NamedExamples, TrainingExamples
from .images import ImageSet
from .inputs import Input
from .intervals import Interval
from .lossless import Lossless
from .masks import Mask, Masked
from .modality import Items, Modality
from .model import Defaults, Model, Optimizer, Turn, adam, adamw
from .result import Parts, Result
from .scoring import Part
from .source import Source
from .space import Continuous, Mixed, Space, Tokens, label
from .tabular import Given, Tabular

__all__ = [
    "Batch",
    "Constraint",
    "Continuous",
    "Data",
    "Defaults",
    "Estimate",
    "Evidence",
    "Given",
    "ImageSet",
    "Input",
    "InputError",
    "Interval",
    "Items",
    "LabelledExamples",
    "Lossless",
    "Mask",
    "Masked",
    "Measured",
    "Mixed",
    "Modality",
    "Model",
    "NamedExamples",
    "Optimizer",
    "Part",
    "Parts",
    "Result",
    "Source",
    "Space",
    "Tabular",
    "Tokens",
    "TrainingExamples",
    "Turn",
    "adam",
    "adamw",
    "evenly_spaced",
    "held_out_rows",
    "label",
    "seeded_generator",
    "seeded_rng",
]
