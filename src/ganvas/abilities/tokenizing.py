"""Tokenizes: the latents of an autoencoder are something that another model may learn."""

from __future__ import annotations

from abc import abstractmethod

import torch

from ..core import Space
from .autoencoding import Autoencodes


class Tokenizes(Autoencodes):
    """Goes to latents and back, and says what kind of thing the latents are: another model may
    learn them."""

    latents: Space
    """What `encode` gives and `decode` takes: tokens, such as a quantiser's codes, or vectors,
    wherever they lie."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where it computes."""
