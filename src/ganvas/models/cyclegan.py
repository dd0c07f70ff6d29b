"""CycleGAN: image-to-image translation learned without pairs (Zhu et al., 2017)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..core import Batch, InputError, Space, Turn
from ..nn.losses import least_squares_loss
from ..nn.translation import Memory, ResidualTranslator
from ..runtime.errors import flag
from ._translating import Translating, absolute_error, fooling_loss, patch_ordering


class CycleGAN(Translating):
    """min over G, F of

    E (D_X(G(y)) - 1)^2 + E (D_Y(F(x)) - 1)^2 + cycle (E |F(G(y)) - y| + E |G(F(x)) - x|)
        + cycle identity (E |G(x) - x| + E |F(y) - y|)

    for the generators G, from the first domain to the second, and F, back; and

    E (D(x) - 1)^2 / 2 + E D(G(y))^2 / 2

    for each discriminator of patches (Zhu et al., 2017, section 3). The cycle loss keeps the
    content, the discriminators change its looks; half of the time they see images that were
    generated up to 50 steps ago (section 4). There is an identity loss only where both domains have
    as many channels.

    Arguments:
        cycle: Weight of what is lost on the way there and back (lambda).
        identity: Weight, beside that, of changes in an image that is of the domain already.
        channels: Channels of the generators at full resolution (64 in the paper), and of the
            discriminators.
        blocks: Residual blocks of the generators (6 in the paper for 128 pixels, 9 for 256).
        halvings: Of the discriminators: 3 sees patches of 70 pixels, 2 of 34, 1 of 16; 0 takes what
            fits.
        pool: Generated images of each domain that are remembered for the discriminators.

    Example: ganvas train cyclegan horses/ --to zebras/ --out runs/horses
    """

    both_ways = True

    def __init__(
        self,
        space: Space,
        condition: Space | None,
        *,
        cycle: float = 10.0,
        identity: float = 0.5,
        channels: int = 32,
        blocks: int = 6,
        halvings: int = 0,
        pool: int = 50,
    ) -> None:
        super().__init__(space, condition, halvings)
        if min(cycle, identity, blocks, pool) < 0:
            raise InputError(
                f"none of {flag('cycle')}, {flag('identity')}, {flag('blocks')} and {flag('pool')}"
                " may be below 0"
            )
        x, y = self.space.shape, self.condition.shape
        self.hyperparameters |= {"cycle": cycle, "identity": identity if x[0] == y[0] else 0.0}
        self.generator = nn.ModuleDict(
            {
                "there": ResidualTranslator(y[0], x[0], channels, blocks),
                "back": ResidualTranslator(x[0], y[0], channels, blocks),
            }
        )
        self.discriminator = nn.ModuleDict(
            {
                "there": self.make_discriminator(x[0], channels),
                "back": self.make_discriminator(y[0], channels),
            }
        )
        self.pool = nn.ModuleDict({"there": Memory(pool, x), "back": Memory(pool, y)})
        if pool:
            self.single_process_reason = (
                "the images that cyclegan remembers are those of one process, where"
                f" {flag('pool', 0)} has none"
            )
        self.initialise_weights()

    def turns(self, batch: Batch) -> Iterator[Turn]:
        assert batch.y is not None, "translation needs images of both domains"
        x, y = batch.x, batch.y
        made_x, same_x = self._translate("there", y, x)
        made_y, same_y = self._translate("back", x, y)
        again_y, _ = self._translate("back", made_x)
        again_x, _ = self._translate("there", made_y)
        fool_there = fooling_loss(self.discriminator["there"](made_x))
        fool_back = fooling_loss(self.discriminator["back"](made_y))
        cycle = absolute_error(again_x, x) + absolute_error(again_y, y)
        loss = {"fool": fool_there + fool_back, "cycle": self.hyperparameters["cycle"] * cycle}
        if same_x is not None and same_y is not None:
            weight = self.hyperparameters["cycle"] * self.hyperparameters["identity"]
            loss["identity"] = weight * (absolute_error(same_x, x) + absolute_error(same_y, y))
        yield Turn("generator", loss)
        there, order_there = self._discriminator_loss("there", x, made_x)
        back, order_back = self._discriminator_loss("back", y, made_y)
        terms = {name: torch.stack([there[name], back[name]]).sum() for name in ("real", "fake")}
        order = torch.stack([order_there, order_back]).mean()
        yield Turn("discriminator", terms, {"ordering": order})

    def _translate(
        self, way: str, x: Tensor, already: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Images x translated, and images that are of that domain already, if the identity loss
        needs them, in one pass."""
        if already is None or not self.hyperparameters["identity"]:
            return self.generator[way](x).tanh(), None
        return self.generator[way](torch.cat([x, already])).tanh().split([len(x), len(already)])

    def _discriminator_loss(
        self, way: str, real: Tensor, made: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """A discriminator's loss, and the share of pairs of patches that it orders."""
        fake = self.pool[way](made)
        logits = self.discriminator[way](torch.cat([real, fake.to(real.dtype)])).float()
        for_real, for_fake = logits.split([len(real), len(fake)])
        return least_squares_loss(for_real, for_fake), patch_ordering(for_real, for_fake)

    def translate(self, x: Tensor, back: bool = False) -> Tensor:
        return self.generator["back" if back else "there"](x).tanh()
