"""What models that translate images share: two spaces, a generator, and a discriminator of
patches."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from ..abilities import Translates
from ..core import Continuous, Defaults, InputError, Model, Space, adam, evenly_spaced
from ..nn.losses import ordering
from ..nn.translation import PatchDiscriminator, initialise
from ..runtime.errors import flag

COMPARED = 256  # patches' logits that the ordering of real and generated ones is estimated from
PATCHES = {3: 70, 2: 34, 1: 16}
"""Sides of a discriminator's patches, by its halvings."""


class Translating(Model, Translates):
    """Images of one domain, the condition, become images of another, the space; of any height
    and width."""

    players = {"generator": adam(2e-4, (0.5, 0.999)), "discriminator": adam(2e-4, (0.5, 0.999))}
    defaults = Defaults(
        batch=4,
        epochs=0,
        steps=20_000,
        schedule="linear",
        data_options={"crop": "random", "flip": True},
    )
    any_size = True

    space: Continuous
    condition: Continuous

    def __init__(self, space: Space, condition: Space | None, halvings: int) -> None:
        name = type(self).__name__.lower()
        if not isinstance(space, Continuous) or len(space.shape) != 3:
            raise InputError(
                f"{name} turns images into images; choose another model for everything else"
            )
        if not isinstance(condition, Continuous):
            raise InputError(
                f"{name} turns images of one folder into those of another; name the other with"
                f" {flag('to')}"
            )
        if min(space.shape[1:]) < 8:
            raise InputError(
                f"{name} needs images of at least 8 pixels a side, not {space.shape[1:]}"
            )
        super().__init__(space)
        self.space, self.condition = space, condition
        self.halvings = halvings or _most_halvings(min(space.shape[1:]))
        if self.halvings not in PATCHES or not _fits(min(space.shape[1:]), self.halvings):
            most = _most_halvings(min(space.shape[1:]))
            raise InputError(
                f"{flag('halvings')} is {halvings}; it is from 1 to {most} for images of this"
                " size, or 0"
            )

    def make_discriminator(self, channels: int, width: int) -> PatchDiscriminator:
        """A discriminator of patches, for images with so many channels."""
        return PatchDiscriminator(channels, width, self.halvings)

    def initialise_weights(self) -> None:
        """Draws the first weights."""
        self.apply(initialise)


def patch_ordering(real: Tensor, fake: Tensor) -> Tensor:
    """The share of pairs of patches' logits (B, 1, h, w) that are in the right order, estimated
    from some of them."""
    return ordering(_some_logits(real), _some_logits(fake))


def _some_logits(logits: Tensor) -> Tensor:
    return logits.flatten()[evenly_spaced(logits.numel(), COMPARED)].float()


def fooling_loss(logits: Tensor) -> Tensor:
    """(D(G(y)) - 1)^2 of patches' logits (Zhu et al., 2017, section 4: the loss of LSGAN)."""
    return (logits.float() - 1).square().mean()


def absolute_error(a: Tensor, b: Tensor) -> Tensor:
    """|a - b|, on average."""
    return F.l1_loss(a.float(), b.float())


def _most_halvings(side: int) -> int:
    """The most halvings of a discriminator whose patches are at most 1.25 times as long as an
    image's shorter side."""
    return max(h for h in PATCHES if h == 1 or (PATCHES[h] <= 1.25 * side and _fits(side, h)))


def _fits(side: int, halvings: int) -> bool:
    return (side >> halvings) > 2
