"""Autoencoder (Hinton & Salakhutdinov, 2006), denoising if asked (Vincent et al., 2008)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..abilities import Restores, Scores, Tokenizes
from ..core import Batch, Continuous, Defaults, Model, Space, Turn, adam
from ..nn import Network, decoder, encoder
from ..nn.degradations import Degradation, Kind


class AE(Model, Tokenizes, Restores, Scores):
    """Encoder f and decoder g learn to reconstruct examples from a narrow latent:

    min over f, g of  E -log p(x | g(f(x~)))

    where x~ is x, or x corrupted, so that the model learns to undo that (denoising; Vincent et al.,
    2008, section 2.3).

    Arguments:
        latent: Dimensions of the latent.
        corrupt: Corruption that the model learns to undo.
        strength: Standard deviation of gaussian noise (values reach from -1 to 1), or share of what
            is lost.
        blind: Corrupt every example with a strength of its own, up to `strength`.
        network: Kind of network; `fitting` takes convolutions for images and a perceptron for the
            rest.
        width: Units of a layer, or channels at half resolution; 0 for 512 units or 32 channels.
        depth: Hidden layers, or layers at each resolution; 0 for 2 hidden layers or 1 layer.

    Example: ganvas train ae photos/ --latent 32 --out runs/ae-photos
    """

    players = {"autoencoder": adam(1e-3)}
    defaults = Defaults(batch=128, epochs=40, steps=3000)
    objective_options = frozenset({"blind", "corrupt", "latent", "strength"})

    def __init__(
        self,
        space: Space,
        *,
        latent: int = 32,
        corrupt: Kind = "none",
        strength: float = 0.3,
        blind: bool = False,
        network: Network = "fitting",
        width: int = 0,
        depth: int = 0,
    ) -> None:
        super().__init__(space)
        self.latents = Continuous((latent,))
        self.degradation, self.corruption = corrupt, Degradation(corrupt, strength, blind)
        self.corruption.fit(space)
        self.encoder = encoder(space, latent, network, width, depth)
        self.decoder = decoder(self.space, latent, network, width, depth)

    def turns(self, batch: Batch) -> Iterator[Turn]:
        raw = self.decoder(self.encoder(self.degrade(batch.x)))
        yield Turn("autoencoder", {"reconstruction": self.space.nll(raw, batch.x).mean()})

    def degrade(self, x: Tensor) -> Tensor:
        return self.corruption(x, self.space)

    def restore(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.space.likeliest(self.decoder(z))

    def score_with_attribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        costs = self.space.costs(self.decoder(self.encoder(x)), x)
        return costs.flatten(1).sum(1), costs
