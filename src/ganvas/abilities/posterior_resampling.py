"""ResamplesPosterior: what else an example might have been."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from .autoencoding import Autoencodes


class ResamplesPosterior(Autoencodes):
    """Goes to latents and back, and knows what else an example might have been."""

    @abstractmethod
    def resample_posterior(self, x: Tensor, n: int) -> Tensor:
        """Each example n times anew, (n, B, *space.shape): x' ~ p(x' | z), z ~ q(z | x).

        Numbers have the noise that the likelihood learned, which may go beyond what the space
        holds.
        """
