"""Features of InceptionV3 as in published Fréchet distances (Heusel et al., 2017), where the user
has its weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from ...core import Data, InputError, Modality
from ...runtime.errors import flag
from ._base import Features

WEIGHTS = "GANVAS_INCEPTION"


class Inception(Features):
    """2,048 features by torch-fidelity's network, whose weights file the environment names:
    GANVAS_INCEPTION=PATH."""

    def __init__(self, network: Any) -> None:
        self.network = network.eval()

    @classmethod
    def fit(cls, train: Data, modality: Modality, cache: Path) -> Self:
        path = os.environ.get(WEIGHTS, "")
        if not Path(path).is_file():
            raise InputError(
                f"{flag('features', 'inception')} needs its weights: set {WEIGHTS} to the file"
                " torch-fidelity uses"
            )
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError as error:
            raise InputError(
                f"{flag('features', 'inception')} needs an extra: pip install 'ganvas[inception]'"
            ) from error
        return cls(
            FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=path)
        )

    @property
    def description(self) -> str:
        return (
            "InceptionV3 (torch-fidelity), 2,048 features, comparable with published Fréchet"
            " distances of equal sizes"
        )

    def embed(self, x: Tensor) -> Tensor:
        x = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
        (features,) = self.network(((x + 1) * 127.5).round().clamp(0, 255).byte())
        result: Tensor = features
        return result
