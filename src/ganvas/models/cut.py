"""CUT: one way only, every patch recognised by the patch it was made of (Park et al., 2020)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core import Batch, InputError, Space, Turn, with_channels
from ..nn.losses import least_squares_loss
from ..nn.translation import ResidualTranslator
from ..runtime.errors import flag
from ._translating import Translating, fooled, told_apart

FEATURES = 256  # numbers that say what there is at a place


class CUT(Translating):
    """min over G, H, max over D of the least-squares game of x and G(y), with

    patches E_z l(H(E(G(z)))_s, H(E(z))_s, H(E(z))_others)    for z = y, and for z = x,
    l(v, v+, v-) = -log ( exp(v.v+ / t) / (exp(v.v+ / t) + sum exp(v.v- / t)) )

    (Park et al., 2020, section 3): what the generator's first half E sees at a place s of what was
    made is to be told, by what it sees at that place of the image it was made of, from what it
    sees at other places of that image. So
    content stays where it is without a way back: one generator and one discriminator, half of
    CycleGAN's work.

    Arguments:
        patches: Weight of the patches' loss (lambda).
        places: Of an image that are compared at each stage, at random (256 in the paper).
        temperature: By which likenesses are divided (tau).
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
        self.discriminator = self.judge(x, channels)
        self.begin()

    def turns(self, batch: Batch) -> Iterator[Turn]:
        assert batch.y is not None, "a model that translates is given what from"
        x, y = batch.x, batch.y
        height, width = x.shape[2:]
        given = torch.cat([y, with_channels(x, y.shape[1])])
        *looked_at, raw = self.network.seen(given, [*self.stages, len(self.network.stages)])
        made = raw[:, :, :height, :width].tanh()
        fake = made[: len(y)]
        real_logits, fake_logits = (
            self.discriminator(torch.cat([x, fake.detach().to(x.dtype)])).float().chunk(2)
        )
        yield Turn(
            "discriminator",
            least_squares_loss(real_logits, fake_logits),
            {"ordering": told_apart(real_logits, fake_logits)},
        )
        recognised = self._recognised(with_channels(made, y.shape[1]), looked_at)
        yield Turn(
            "generator",
            {
                "fool": fooled(self.discriminator(fake)),
                "patches": self.hyperparameters["patches"] * recognised,
            },
        )

    @property
    def network(self) -> ResidualTranslator:
        """The generator without what compares patches."""
        network = self.generator["network"]
        assert isinstance(network, ResidualTranslator)
        return network

    def _recognised(self, made: Tensor, looked_at: Sequence[Tensor]) -> Tensor:
        """What it costs to find patches of made images among those, as stages saw them, of what
        they were made of."""
        costs, heads = [], self.generator["heads"]
        assert isinstance(heads, nn.ModuleList)
        for head, now, then in zip(
            heads, self.network.seen(made, self.stages), looked_at, strict=True
        ):
            places = torch.randperm(now[0, 0].numel(), device=now.device)[: self.places]
            with torch.no_grad():
                right = head(then, places)
            costs.append(self._told(head(now, places), right))
        return torch.stack(costs).mean()

    def _told(self, made: Tensor, given: Tensor) -> Tensor:
        """-log p of the right place among those that were looked at, of features (B, S, F)."""
        alike = (made @ given.transpose(1, 2)).float() / self.temperature
        right = torch.arange(alike.shape[1], device=alike.device).expand(len(alike), -1)
        return F.cross_entropy(alike.flatten(0, 1), right.flatten())

    def translate(self, x: Tensor, back: bool = False) -> Tensor:
        return self.network(x).tanh()


class Head(nn.Module):
    """What there is at some places of a grid (B, C, H, W), as unit vectors (B, S, F): a perceptron
    of two layers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(channels, FEATURES), nn.ReLU(True), nn.Linear(FEATURES, FEATURES)
        )

    def forward(self, h: Tensor, places: Tensor) -> Tensor:
        return F.normalize(self.layers(h.flatten(2)[:, :, places].transpose(1, 2)), dim=2)
