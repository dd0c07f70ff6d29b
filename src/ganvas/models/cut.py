"""CUT: contrastive unpaired translation, in one direction (Park et al., 2020)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core import Batch, InputError, Space, Turn
from ..core.images import with_channels
from ..nn.losses import least_squares_loss
from ..nn.translation import ResidualTranslator
from ..runtime.errors import flag
from ._translating import Translating, fooling_loss, patch_ordering

FEATURES = 256  # of a place


class CUT(Translating):
    """min over G, H, max over D of the least-squares game of x and G(y), with

    patches E_z l(H(E(G(z)))_s, H(E(z))_s, H(E(z))_others)    for z = y, and for z = x,
    l(v, v+, v-) = -log ( exp(v.v+ / t) / (exp(v.v+ / t) + sum exp(v.v- / t)) )

    (Park et al., 2020, section 3): features of the generator's first half E at a place s of a
    translated image shall be more like those at s of its source than like those at other places. So
    content stays where it is without a generator back: one generator and one discriminator, half of
    CycleGAN's work.

    Arguments:
        patches: Weight of the contrastive loss of patches (lambda).
        places: Of an image that are compared at each stage, at random (256 in the paper).
        temperature: By which similarities are divided (tau).
        channels: Channels of the generator at full resolution (64 in the paper), and of the
            discriminator.
        blocks: Residual blocks of the generator (9 in the paper, for 256 pixels).
        halvings: Of the discriminator: 3 sees patches of 70 pixels, 2 of 34, 1 of 16; 0 takes what
            fits.

    Example: ganvas train cut horses/ --to zebras/ --out runs/horses
    """

    def __init__(
        self,
        space: Space,
        condition: Space | None,
        *,
        patches: float = 1.0,
        places: int = 64,
        temperature: float = 0.07,
        channels: int = 32,
        blocks: int = 6,
        halvings: int = 0,
    ) -> None:
        super().__init__(space, condition, halvings)
        if blocks < 1 or places < 2 or temperature <= 0 or patches < 0:
            raise InputError(
                f"{flag('blocks')} must be at least 1, {flag('places')} 2, {flag('patches')} 0,"
                f" and {flag('temperature')} above zero"
            )
        x, y = self.space.shape[0], self.condition.shape[0]
        self.hyperparameters["patches"] = patches
        self.places, self.temperature = places, temperature
        network = ResidualTranslator(y, x, channels, blocks)
        self.stages = [0, 1, 2, 3, 3 + max(blocks // 2, 1)]
        heads = nn.ModuleList(Head(network.widths[stage]) for stage in self.stages)
        self.generator = nn.ModuleDict({"network": network, "heads": heads})
        self.discriminator = self.make_discriminator(x, channels)
        self.initialise_weights()

    def turns(self, batch: Batch) -> Iterator[Turn]:
        assert batch.y is not None, "translation needs images of both domains"
        x, y = batch.x, batch.y
        height, width = x.shape[2:]
        given = torch.cat([y, with_channels(x, y.shape[1])])
        stages = [*self.stages, len(self.network.stages)]
        *sources, raw = self.network.stage_inputs(given, stages)
        translated = raw[:, :, :height, :width].tanh()
        fake = translated[: len(y)]
        logits = self.discriminator(torch.cat([x, fake.detach().to(x.dtype)])).float().chunk(2)
        loss = least_squares_loss(*logits)
        yield Turn("discriminator", loss, {"ordering": patch_ordering(*logits)})
        patches = self._patches_loss(with_channels(translated, y.shape[1]), sources)
        loss = {"fool": fooling_loss(self.discriminator(fake))}
        loss["patches"] = self.hyperparameters["patches"] * patches
        yield Turn("generator", loss)

    @property
    def network(self) -> ResidualTranslator:
        """The generator without the heads that compare patches."""
        network = self.generator["network"]
        assert isinstance(network, ResidualTranslator)
        return network

    def _patches_loss(self, translated: Tensor, sources: Sequence[Tensor]) -> Tensor:
        """The contrastive loss of translated images (B, C, H, W) and the inputs of stages for their
        sources, on average over stages."""
        costs, heads = [], self.generator["heads"]
        assert isinstance(heads, nn.ModuleList)
        inputs = self.network.stage_inputs(translated, self.stages)
        for head, now, then in zip(heads, inputs, sources, strict=True):
            places = torch.randperm(now[0, 0].numel(), device=now.device)[: self.places]
            with torch.no_grad():
                right = head(then, places)
            costs.append(self._contrastive_loss(head(now, places), right))
        return torch.stack(costs).mean()

    def _contrastive_loss(self, translated: Tensor, source: Tensor) -> Tensor:
        """-log p of the same place among all S, of features (B, S, F)."""
        alike = (translated @ source.transpose(1, 2)).float() / self.temperature
        right = torch.arange(alike.shape[1], device=alike.device).expand(len(alike), -1)
        return F.cross_entropy(alike.flatten(0, 1), right.flatten())

    def translate(self, x: Tensor, back: bool = False) -> Tensor:
        return self.network(x).tanh()


class Head(nn.Module):
    """Some places of a grid (B, C, H, W) as unit vectors (B, S, F), by a small perceptron."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(channels, FEATURES), nn.ReLU(True), nn.Linear(FEATURES, FEATURES)
        )

    def forward(self, h: Tensor, places: Tensor) -> Tensor:
        return F.normalize(self.layers(h.flatten(2)[:, :, places].transpose(1, 2)), dim=2)
