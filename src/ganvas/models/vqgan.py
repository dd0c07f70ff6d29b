"""VQGAN: VQ-VAE with a perceptual and an adversarial loss (Esser et al., 2021)."""

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
"""The highest lambda."""


class VQGAN(QuantisedAutoencoder):
    """A quantised autoencoder (see `vqvae`) with a pixel, a perceptual and an adversarial loss:

    autoencoder:    |x - x'| + perceptual d(x, x') + commitment |z - sg(e)|^2
        - adversarial lambda E D(x')
    discriminator:  E max(0, 1 - D(x)) + E max(0, 1 + D(x'))
    lambda = |grad (|x - x'| + perceptual d)| / (|grad E D(x')| + 1e-6)    (equation 7 of the paper)

    with gradients of the decoder's last layer, so that neither drowns the other; D gives a logit
    for each patch (Isola et al., 2017). d compares features, and no trained network is needed for
    them: a third player, `perception`, learns them from the data in the first steps, and then stays
    as it is. Of video it sees frames.

    Arguments:
        perceptual: Weight of the features' distance.
        adversarial: Weight of the adversarial loss, beside lambda.
        warmup: Steps in which features are learned; they count from then on.
        discriminator_start: Step after which the discriminator plays, once images are good enough.
        discriminator_channels: Channels of the discriminator after its first halving.
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
        discriminator_channels: int = 32,
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
        self.discriminator = PatchDiscriminator(
            space.shape[0], self.halvings, discriminator_channels
        )
        self.perception = Perception(space.shape[0], features)

    def turns(self, batch: Batch) -> Iterator[Turn]:
        x = batch.x
        if self.step <= self.warmup:
            yield Turn("perception", self.perception.loss(_frames(x)))
        passed = self.autoencoder(x)
        made = self.space.activate(passed.raw)
        loss = {"reconstruction": (made - x).abs().mean(), **self._perceptual_loss(made, x)}
        notes = self.autoencoder.quantizer.use(passed.quantised.codes)
        if self.step > self.discriminator_start:
            (fooled,) = critic_generator_loss(self.discriminator(made).float()).values()
            notes["lambda"] = self._adaptive_weight(loss, fooled)
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

    def _perceptual_loss(self, made: Tensor, x: Tensor) -> dict[str, Tensor]:
        """How different examples look, once features are learned."""
        weight = self.hyperparameters["perceptual"]
        if self.step <= self.warmup or not weight:
            return {}
        return {"perceptual": weight * self.perception.distance(_frames(made), _frames(x)).mean()}

    def _adaptive_weight(self, likeness: dict[str, Tensor], fooled: Tensor) -> Tensor:
        """lambda; in evaluation, one."""
        if not torch.is_grad_enabled():
            return fooled.new_ones(())
        decoder = self.autoencoder.decoder
        assert isinstance(decoder, GridDecoder), "of raw output without scales, the decoder is one"
        total, norms = sum(likeness.values(), fooled.new_zeros(())), []
        for term in (total, fooled):
            (gradient,) = torch.autograd.grad(term, decoder.last.weight, retain_graph=True)
            norms.append(gradient.float().norm())
        return (norms[0] / (norms[1] + 1e-6)).clamp(max=MOST)


def _frames(x: Tensor) -> Tensor:
    """Images as they are, and the frames of video (B, C, T, H, W) as images (B T, C, H, W)."""
    return x if x.dim() == 4 else x.transpose(1, 2).flatten(0, 1)
