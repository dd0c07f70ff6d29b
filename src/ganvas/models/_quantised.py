"""What autoencoders with discrete latents share (van den Oord et al., 2017)."""

from __future__ import annotations

from math import prod
from typing import NamedTuple, get_args

from torch import Tensor, nn

from ..abilities import Scores, Tokenizes
from ..core import Continuous, Defaults, InputError, Model, Space, Tokens
from ..nn.grids import GridDecoder, GridEncoder, Sides, sizes, strides
from ..nn.perceptron import WithScale
from ..nn.quantizer import Kind, Quantized, Quantizer, make_quantizer
from ..runtime.errors import flag


class Coded(NamedTuple):
    """Examples on their way through an autoencoder: vectors (B, D, *grid), without gradients; these
    quantised; and raw output."""

    z: Tensor
    quantised: Quantized
    raw: Tensor


class Autoencoder(nn.Module):
    """Grids (B, C, *sides) to vectors on a small grid, to codes, and to raw output."""

    def __init__(self, encoder: nn.Module, quantizer: Quantizer, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.quantizer, self.decoder = encoder, quantizer, decoder

    def forward(self, x: Tensor) -> Coded:
        z = self.encoder(x)
        quantised = self.quantizer(z)
        return Coded(z.detach(), quantised, self.decoder(quantised.vectors))


class QuantisedAutoencoder(Model, Tokenizes, Scores):
    """An encoder and a decoder of images or video, and between them a grid of codes.

    Sides that cannot be divided are rounded up, and outputs cropped.

    Arguments:
        codes: How many codes there are to choose from at each place.
        latent: Channels of the latent: dimensions of the codebook's vectors.
        channels: Channels at half resolution, doubled with each halving, up to fourfold.
        depth: Residual blocks at each resolution.
        factor: How many times shorter the sides of the grid of codes are, a power of two.
        time_factor: Of video, how many times fewer frames it has, a power of two.
        quantizer: Nearest vectors of a codebook that learns, or finite scalars (Mentzer et al.,
            2023).
        start: Whether a codebook begins with k-means on the first batch.
        revival: Whether codes of a codebook that are not used are moved to where they are.
        commitment: Weight of the distance between vectors and their codes.
    """

    defaults = Defaults(batch=64, epochs=20, steps=4000)
    objective_options = frozenset({"codes", "factor", "time_factor"})

    def __init__(
        self,
        space: Space,
        *,
        codes: int = 512,
        latent: int = 8,
        channels: int = 32,
        depth: int = 1,
        factor: int = 4,
        time_factor: int = 2,
        quantizer: Kind = "vector",
        start: bool = True,
        revival: bool = True,
        commitment: float = 0.25,
    ) -> None:
        super().__init__(space)
        if not isinstance(space, Continuous) or len(space.shape) not in (3, 4):
            name = type(self).__name__.lower()
            raise InputError(
                f"{name} learns images and video; choose another model for texts, rows and vectors"
            )
        _check_options(codes, factor, time_factor, quantizer)
        sides = space.shape[1:]
        covers = (factor, factor) if len(sides) == 2 else (time_factor, factor, factor)
        self.halvings = strides(covers)
        self.grid = sizes(sides, self.halvings)[-1]
        coder = make_quantizer(quantizer, codes, latent, start, revival)
        self.autoencoder = _autoencoder(space, self.halvings, coder, channels, depth)
        self.latents = Tokens(
            prod(self.grid), self.autoencoder.quantizer.vocabulary, grid=self.grid, covers=covers
        )
        self.hyperparameters |= {
            "commitment": commitment,
            "codes": float(self.latents.vocabulary),
            "places": float(self.latents.length),
        }

    def commitment(self, quantised: Quantized) -> dict[str, Tensor]:
        """The commitment loss, where codes are vectors."""
        if not self.autoencoder.quantizer.commits:
            return {}
        return {"commitment": self.hyperparameters["commitment"] * quantised.commitment}

    def follow(self, passed: Coded) -> None:
        """Updates the codebook, once the networks have learned from a batch."""
        if self.training:
            self.autoencoder.quantizer.follow(passed.z, passed.quantised.codes)

    def encode(self, x: Tensor) -> Tensor:
        """Codes, int64 (B, places), of the grid's rows one after the other."""
        return self.autoencoder.quantizer(self.autoencoder.encoder(x)).codes.flatten(1)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        vectors = self.autoencoder.quantizer.vectors(z.unflatten(1, self.grid))
        return self.space.likeliest(self.autoencoder.decoder(vectors)).float()

    def score_with_attribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The cost of an example's reconstruction from its codes, and each place's part of it."""
        costs = self.space.costs(self.autoencoder(x).raw, x)
        return costs.flatten(1).sum(1), costs


def _autoencoder(
    space: Continuous, halvings: list[Sides], quantizer: Quantizer, channels: int, depth: int
) -> Autoencoder:
    encoder = GridEncoder(space.shape[0], quantizer.width, halvings, channels, depth)
    decoder = GridDecoder(
        quantizer.width, space.shape[0], space.shape[1:], halvings, channels, depth
    )
    if space.scaled:
        return Autoencoder(encoder, quantizer, WithScale(decoder, space.shape))
    return Autoencoder(encoder, quantizer, decoder)


def _check_options(codes: int, factor: int, time_factor: int, quantizer: str) -> None:
    """Raises InputError for options out of range."""
    if quantizer not in get_args(Kind):
        raise InputError(
            f"{flag('quantizer')} is {quantizer!r}; it is one of {', '.join(get_args(Kind))}"
        )
    if not 2 <= codes <= 2**16:
        raise InputError(f"{flag('codes')} is {codes}; there are from 2 to {2**16:,}")
    for name, value, least in (("factor", factor, 2), ("time_factor", time_factor, 1)):
        if not least <= value <= 64 or value & (value - 1):
            raise InputError(f"{flag(name)} is {value}; it is a power of two, from {least} to 64")
