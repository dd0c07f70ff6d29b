"""CycleGAN: there and back again, so that two folders need no pairs (Zhu et al., 2017)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..core import Batch, InputError, Space, Turn
from ..nn.losses import least_squares_loss
from ..nn.translation import Memory, ResidualTranslator
from ..runtime.errors import flag
from ._translating import Translating, absolute, fooled, told_apart


class CycleGAN(Translating):
    """min over G, F of

    E (D_X(G(y)) - 1)^2 + E (D_Y(F(x)) - 1)^2 + cycle (E |F(G(y)) - y| + E |G(F(x)) - x|)
        + cycle identity (E |G(x) - x| + E |F(y) - y|)

    for the generators G, from the first domain to the second, and F, back; and E (D(x) - 1)^2 / 2 +
    E D(G(y))^2 / 2 for each discriminator of patches (Zhu et al., 2017, section 3). That what was
    translated can be translated back keeps what it shows; what it looks like, the discriminators
    see to, which half of the time are shown images that were made up to 50 steps ago (section
    4). The identity loss is where both domains have as many channels alone.

    Arguments:
        cycle: Weight of what is lost on the way there and back (lambda).
        identity: Weight, beside that, of what changes in an image that is of the domain already.
        channels: Channels of the generators at full resolution (64 in the paper), and of the
            discriminators.
        blocks: Residual blocks of the generators (6 in the paper for 128 pixels, 9 for 256).
        halvings: Of the discriminators: 3 sees patches of 70 pixels, 2 of 34, 1 of 16; 0 takes what
            fits.
        pool: Images of each domain that were made before and are remembered for the
            discriminators.

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
            {"there": self.judge(x[0], channels), "back": self.judge(y[0], channels)}
        )
        self.pool = nn.ModuleDict({"there": Memory(pool, x), "back": Memory(pool, y)})
        if pool:
            self.alone = (
                "the images that cyclegan remembers are those of one process, where"
                f" {flag('pool', 0)} has none"
            )
        self.begin()

    def turns(self, batch: Batch) -> Iterator[Turn]:
        assert batch.y is not None, "a model that translates is given what from"
        x, y = batch.x, batch.y
        made_x, same_x = self._to("there", y, x)
        made_y, same_y = self._to("back", x, y)
        (again_y, _), (again_x, _) = self._to("back", made_x), self._to("there", made_y)
        loss = {
            "fool": (
                fooled(self.discriminator["there"](made_x))
                + fooled(self.discriminator["back"](made_y))
            ),
            "cycle": self.hyperparameters["cycle"] * (absolute(again_x, x) + absolute(again_y, y)),
        }
        if same_x is not None and same_y is not None:
            weight = self.hyperparameters["cycle"] * self.hyperparameters["identity"]
            loss["identity"] = weight * (absolute(same_x, x) + absolute(same_y, y))
        yield Turn("generator", loss)
        judged = [self._judged("there", x, made_x), self._judged("back", y, made_y)]
        terms = {
            name: torch.stack([of[name] for of, _ in judged]).sum() for name in ("real", "fake")
        }
        yield Turn(
            "discriminator", terms, {"ordering": torch.stack([order for _, order in judged]).mean()}
        )

    def _to(
        self, way: str, x: Tensor, already: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Images x translated, and some that are of that domain already, in one pass; none where
        nobody asks."""
        if already is None or not self.hyperparameters["identity"]:
            return self.generator[way](x).tanh(), None
        return self.generator[way](torch.cat([x, already])).tanh().split([len(x), len(already)])

    def _judged(self, way: str, real: Tensor, made: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """What a discriminator minimises, and the share of pairs of patches that it orders."""
        shown = self.pool[way](made)
        logits = self.discriminator[way](torch.cat([real, shown.to(real.dtype)])).float()
        for_real, for_fake = logits.split([len(real), len(shown)])
        return least_squares_loss(for_real, for_fake), told_apart(for_real, for_fake)

    def translate(self, x: Tensor, back: bool = False) -> Tensor:
        return self.generator["back" if back else "there"](x).tanh()
