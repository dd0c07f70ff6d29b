"""RED-Net: image restoration by an autoencoder with skip connections (Mao et al., 2016)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from torch import Tensor, nn

from ..abilities import Restores
from ..core import Batch, Continuous, Defaults, InputError, Model, Space, Turn, adam
from ..core.images import mirror_to_multiple
from ..nn.convolutional import SmallBlock
from ..nn.degradations import Degradation, Kind
from ..runtime.errors import flag

RESOLUTIONS = 3  # a half, a quarter, an eighth


class REDNet(Model, Restores):
    """The encoder halves the image again and again, the decoder doubles it, and features of the
    encoder are added to those of the decoder at the same resolution (Mao et al., 2016, section
    3.1). Only the residual is learned (Zhang et al., 2017, DnCNN):

    min over f of  E |x~ + f(x~) - x|^2

    where x~ is x, corrupted. The first halving moves pixels into channels and loses nothing (Zhang
    et al., 2018, FFDNet). There is no fully connected layer: images of any size can be restored.

    Arguments:
        corrupt: Corruption that the model learns to undo.
        strength: Standard deviation of gaussian noise (values reach from -1 to 1), or share of
            values lost.
        blind: Corrupt every image with a strength of its own, up to `strength`.
        channels: Channels at half resolution; they double with each halving.
        depth: Residual blocks at each resolution, on the way down and on the way up.

    Example: ganvas train rednet photos/ --corrupt gaussian --out runs/rednet-photos
    """

    players = {"autoencoder": adam(2e-3)}
    defaults = Defaults(
        batch=8,
        epochs=0,
        steps=20_000,
        schedule="one-cycle",
        data_options={"crop": "random", "flip": True},
    )
    objective_options = frozenset({"blind", "corrupt", "strength"})
    any_size = True

    def __init__(
        self,
        space: Space,
        *,
        corrupt: Kind = "mixed",
        strength: float = 0.5,
        blind: bool = True,
        channels: int = 32,
        depth: int = 3,
    ) -> None:
        super().__init__(space)
        if not isinstance(space, Continuous) or len(space.shape) != 3:
            raise InputError("rednet restores images; choose ae for everything else")
        if corrupt == "none":
            raise InputError(
                f"rednet learns to undo a corruption; choose one with {flag('corrupt')}"
            )
        self.degradation, self.corruption = corrupt, Degradation(corrupt, strength, blind)
        self.corruption.fit(space)
        widths = [channels * 2**level for level in range(RESOLUTIONS)]
        self.enter = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(4 * space.shape[0], channels, 3, 1, 1)
        )
        self.encoder = nn.ModuleList(_blocks(width, depth) for width in widths)
        self.decoder = nn.ModuleList(_blocks(width, depth) for width in widths[:-1])
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, 2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in pairwise(widths))
        self.leave = nn.Sequential(
            nn.Conv2d(channels, 4 * space.shape[0], 3, 1, 1), nn.PixelShuffle(2)
        )

    def turns(self, batch: Batch) -> Iterator[Turn]:
        error = (self(self.corruption(batch.x)) - batch.x).square().mean()
        yield Turn(
            "autoencoder",
            {"squared error": error},
            {"PSNR (dB)": 10 * (4 / error.detach()).log10()},
        )

    def forward(self, x: Tensor) -> Tensor:
        """Corrupted images (B, C, H, W), restored; of any height and width."""
        h = self.enter(mirror_to_multiple(x, 2**RESOLUTIONS))
        kept = []
        for blocks, down in zip(self.encoder, self.down, strict=False):
            kept.append(blocks(h))
            h = down(kept[-1])
        h = self.encoder[-1](h)
        for blocks, up in zip(reversed(self.decoder), reversed(self.up), strict=True):
            h = blocks(up(h) + kept.pop())
        return x + self.leave(h)[:, :, : x.shape[2], : x.shape[3]].to(x.dtype)

    def degrade(self, x: Tensor) -> Tensor:
        return self.corruption(x)

    def restore(self, x: Tensor) -> Tensor:
        return self(x).clamp(-1, 1)


def _blocks(width: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(SmallBlock(width) for _ in range(depth)))
