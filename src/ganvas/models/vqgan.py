"""VQGAN: codes whose images look real, by a judge of patches and by features (Esser et al.,
2021)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..core import Batch, InputError, Space, Turn, adam
from ..nn.grids import GridDecoder, PatchDiscriminator
from ..nn.losses import critic_generator_loss, hinge_loss, ordering
from ..nn.perception import Perception
from ..runtime.errors import flag
from ._quantised import QuantisedAutoencoder

MOST = 1e4
"""Of lambda."""


class VQGAN(QuantisedAutoencoder):
    """A quantised autoencoder (see `vqvae`) whose images shall be like the original, look like
    it, and look real:

    autoencoder:    |x - x'| + perceptual d(x, x') + commitment |z - sg(e)|^2 - adversarial lambda E
        D(x'),
    discriminator:  E max(0, 1 - D(x)) + E max(0, 1 + D(x')),
    lambda = |grad (|x - x'| + perceptual d)| / (|grad E D(x')| + 1e-6)    (equation 7 of the paper)

    with gradients of the decoder's last layer, so that neither drowns the other; D judges patches
    (Isola et al., 2017).
    d compares features, and no trained network is needed for them: a third player, `perception`,
    learns them from the data in the first steps, and then stays as it is. Of video it sees frames.

    Arguments:
        perceptual: Weight of the features' distance.
        adversarial: Weight of looking real, beside what lambda makes equal.
        warmup: Steps in which features are learned; they count from then on.
        discriminator_start: Step after which the discriminator plays, once images are worth
            judging.
        judge: Channels of the discriminator after its first halving.
        features: Channels of the features at full resolution.

    Example: ganvas train vqgan photos/ --size 64 --out runs/vqgan
    """

    players = {
        "perception": adam(1e-3),
        "autoencoder": adam(1e-3, (0.5, 0.9)),
        "discriminator": adam(5e-4, (0.5, 0.9)),
    }
    defaults = replace(QuantisedAutoencoder.defaults, steps=6000)

    def __init__(
        self,
        space: Space,
        *,
        perceptual: float = 1.0,
        adversarial: float = 0.5,
        warmup: int = 500,
        discriminator_start: int = 1500,
        judge: int = 32,
        features: int = 16,
        **quantised: Any,
    ) -> None:
        super().__init__(space, **quantised)
        if min(warmup, discriminator_start) < 1:
            raise InputError(
                f"{flag('warmup', warmup)} {flag('discriminator_start', discriminator_start)}:"
                " steps are counted from 1; both are at least that"
            )
        self.warmup, self.discriminator_start = warmup, discriminator_start
        self.hyperparameters |= {"perceptual": perceptual, "adversarial": adversarial}
        self.discriminator = PatchDiscriminator(space.shape[0], self.halvings, judge)
        self.perception = Perception(space.shape[0], features)

    def turns(self, batch: Batch) -> Iterator[Turn]:
        x = batch.x
        if self.step <= self.warmup:
            yield Turn("perception", self.perception.loss(_frames(x)))
        passed = self.autoencoder(x)
        made = self.space.activate(passed.raw)
        loss = {"reconstruction": (made - x).abs().mean(), **self._perceived(made, x)}
        notes = self.autoencoder.quantizer.use(passed.quantised.codes)
        if self.step > self.discriminator_start:
            (fooled,) = critic_generator_loss(self.discriminator(made).float()).values()
            notes["lambda"] = self._balance(loss, fooled)
            loss["fool"] = self.hyperparameters["adversarial"] * notes["lambda"] * fooled
        yield Turn("autoencoder", loss | self.commitment(passed.quantised), notes)
        self.follow(passed)
        if self.step > self.discriminator_start:
            real, fake = (self.discriminator(part).float() for part in (x, made.detach()))
            yield Turn(
                "discriminator",
                hinge_loss(real, fake),
                {"ordering": ordering(real.mean(1), fake.mean(1))},
            )

    def _perceived(self, made: Tensor, x: Tensor) -> dict[str, Tensor]:
        """How different examples look, once features are learned."""
        weight = self.hyperparameters["perceptual"]
        if self.step <= self.warmup or not weight:
            return {}
        return {"perceptual": weight * self.perception.distance(_frames(made), _frames(x)).mean()}

    def _balance(self, likeness: dict[str, Tensor], fooled: Tensor) -> Tensor:
        """lambda; where nobody learns, one."""
        if not torch.is_grad_enabled():
            return fooled.new_ones(())
        decoder = self.autoencoder.decoder
        assert isinstance(decoder, GridDecoder), "of raw output without scales, the decoder is one"
        alike, real = (
            torch.autograd.grad(term, decoder.last.weight, retain_graph=True)[0].float().norm()
            for term in (sum(likeness.values(), fooled.new_zeros(())), fooled)
        )
        return (alike / (real + 1e-6)).clamp(max=MOST)


def _frames(x: Tensor) -> Tensor:
    """Images as they are, and the frames of video (B, C, T, H, W) as images (B T, C, H, W)."""
    return x if x.dim() == 4 else x.transpose(1, 2).flatten(0, 1)
