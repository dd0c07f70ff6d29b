"""Codec: learned transform coding of images at any quality (Ballé et al., 2017)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import log, prod

import torch
from torch import Tensor, nn

from ..abilities import Autoencodes, CodingScheme, Compresses, Scores
from ..core import Batch, Continuous, Defaults, InputError, Model, Space, Turn, adam
from ..core.space import from_levels, to_levels
from ..nn.transforms import Analysis, Density, Synthesis, resolutions
from ..runtime.errors import flag

FEWEST, MOST = 10.0, 4000.0
"""lambda at qualities 0 and 100: bits per value that are worth a squared error lower by one."""

REACH = 127  # symbols to either side of zero
MIDDLE = 50
AT_ONCE = 256


class Codec(Model, Compresses, Autoencodes, Scores):
    """Learns transforms f and g and a density p that make rate and distortion small together
    (equation 9 of the paper):

    min  E  -log2 P(bin of y~) + lambda |x - g(y~)|^2
    y = f(x),   y~ = y + s u,   u uniform in [-1/2, 1/2]

    where noise stands for rounding y to whole multiples of s, as compression does. One model serves
    all qualities: lambda is drawn afresh for each example, and s depends on it, for each channel in
    its own way (gain units; Cui et al., 2021).

    Arguments:
        latent: Channels of the latent.
        channels: Channels at half resolution.
        halvings: How often resolution is halved on the way to the latent.

    Example: ganvas train codec photos/ --size 64 --out runs/codec-photos
    """

    players = {"codec": adam(1e-3)}
    defaults = Defaults(batch=64, epochs=10, steps=4000)
    objective_options = frozenset({"halvings", "latent"})

    def __init__(
        self, space: Space, *, latent: int = 32, channels: int = 32, halvings: int = 2
    ) -> None:
        if not isinstance(space, Continuous) or len(space.shape) != 3:
            raise InputError("codec learns images; rows of a table are for made")
        super().__init__(space)
        if not 1 <= halvings <= 6:
            raise InputError(f"{flag('halvings')} is {halvings}; it is from 1 to 6")
        self.grid = (latent, *resolutions(space.shape, halvings)[-1])
        self.analysis = Analysis(space.shape, latent, channels, halvings)
        self.synthesis = Synthesis(space.shape, latent, channels, halvings)
        self.density = Density(self.grid)
        self.gain = nn.Parameter(torch.zeros(2, latent, 1, 1))

    def turns(self, batch: Batch) -> Iterator[Turn]:
        quality = torch.rand(len(batch), device=batch.x.device)
        worth, step = worth_of(quality), self.step_of(quality)
        y = self.analysis(batch.x).float()
        noisy = y + step * (torch.rand_like(y) - 0.5)
        nats = -self.density.log_mass(noisy, step).flatten(1).sum(1)
        rate = nats / (log(2) * prod(self.space.shape))
        error = (self.synthesis(noisy).float() - batch.x).square().flatten(1).mean(1)
        # makes both terms as large at every quality
        share = (worth / worth_of(torch.tensor(0.5))).rsqrt()
        loss = {"rate": (share * rate).mean(), "distortion": (share * worth * error).mean()}
        yield Turn("codec", loss, {"bits": rate.mean(), "error": error.mean()})

    def step_of(self, quality: Tensor) -> Tensor:
        """How far apart the values are that latents are rounded to, by channel, (B, latent, 1, 1);
        quality in [0, 1].

        At high resolution rounding costs s^2 / 12, and rate and distortion balance where that is
        1 / (2 lambda ln 2): there s begins.
        """
        usual = (6 / (log(2) * worth_of(quality))).log().view(-1, 1, 1, 1) / 2
        return (usual + self.gain[0] + self.gain[1] * (quality.view(-1, 1, 1, 1) - 0.5)).exp()

    def coding_scheme(self, quality: int | None) -> CodingScheme:
        quality = MIDDLE if quality is None else quality
        if not 0 <= quality <= 100:
            raise InputError(
                f"{flag('quality')} is {quality}; it is from 0, for few bits, to 100, for little"
                " loss"
            )
        step = self.step_of(torch.tensor([quality / 100], device=self.device))
        fold, unfold = partial(self._fold, step), partial(self._unfold, step)
        restore = partial(self._restore, step)
        return CodingScheme(prod(self.grid), quality, fold, unfold, restore)

    def encode(self, x: Tensor) -> Tensor:
        """Latents (B, *grid), rounded as at the middle quality."""
        step = self.step_of(torch.tensor([MIDDLE / 100], device=x.device))
        return (self.analysis(x).float() / step).round() * step

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.synthesis(z).float().clamp(-1, 1)

    def score_with_attribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Squared error at the middle quality, plus the bits at their worth, which belong to no
        pixel."""
        middle = torch.tensor([MIDDLE / 100], device=x.device)
        z, worth = self.encode(x), worth_of(middle)
        bits = -self.density.log_mass(z, self.step_of(middle)).flatten(1).sum(1) / log(2)
        costs = (self.decode(z) - x).square()
        return costs.flatten(1).sum(1) + bits / worth, costs

    def _fold(self, step: Tensor, codes: Tensor) -> Tensor:
        parts = from_levels(codes).unflatten(1, self.space.shape).split(AT_ONCE)
        symbols = torch.cat([(self.analysis(x).float() / step).round() for x in parts])
        return symbols.clamp(-REACH, REACH).flatten(1).long() + REACH

    def _restore(self, step: Tensor, symbols: Tensor) -> Tensor:
        parts = (symbols - REACH).float().unflatten(1, self.grid).split(AT_ONCE)
        return torch.cat([to_levels(self.decode(k * step)).flatten(1) for k in parts])

    def _unfold(self, step: Tensor, symbols: Tensor) -> Iterator[tuple[int, Tensor]]:
        """The latents are independent: symbols at other places change nothing."""
        values = torch.arange(-REACH, REACH + 1, device=self.device).view(-1, 1, 1, 1) * step
        logits = self.density.log_mass(values, step).flatten(1)
        for place in range(logits.shape[1]):
            yield place, logits[:, place].expand(len(symbols), -1)


def worth_of(quality: Tensor) -> Tensor:
    """lambda of qualities in [0, 1]: equal steps of quality are equal factors."""
    return FEWEST * (MOST / FEWEST) ** quality
