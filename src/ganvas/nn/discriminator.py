"""A judge of examples whose grounds can be looked at."""

from __future__ import annotations

from torch import Tensor, nn

FEATURES = 128
"""Numbers that an example is judged by."""


class FeatureDiscriminator(nn.Module):
    """Examples (B, ...) to features (B, 128), and these to one number for each example, (B,).

    features: The network that maps examples to features.
    """

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Sequential(
            nn.LeakyReLU(0.2), nn.Linear(FEATURES, 1, bias=False), nn.Flatten(0)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))
