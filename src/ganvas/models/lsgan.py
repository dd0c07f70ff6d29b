"""Least squares GAN: fakes are pulled to the decision boundary (Mao et al., 2017)."""

from __future__ import annotations

from typing import Any

from ..core import Space, Tokens
from ..nn.losses import Loss
from ._convolutional import Convolutional


class LSGAN(Convolutional):
    """The networks of DCGAN with least-squares losses (equation 9):

    min over D of  E (D(x) - 1)^2 / 2 + E D(G(z))^2 / 2,    min over G of  E (D(G(z)) - 1)^2 / 2

    Example: ganvas train lsgan photos/ --size 32 --out runs/lsgan-photos
    """

    def __init__(
        self,
        space: Space,
        condition: Tokens | None = None,
        *,
        loss: Loss = "least-squares",
        **game: Any,
    ) -> None:
        super().__init__(space, condition, loss=loss, **game)
