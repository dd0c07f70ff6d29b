"""SimVP: video prediction by convolutions alone (Gao et al., 2022; gated attention: Tan et al.,
2022)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ..abilities import Predicts, Scores
from ..core import Batch, Continuous, Defaults, InputError, Model, Space, Turn, adam
from ..runtime.errors import flag

REDUCED = 4  # times that a frame's sides are smaller in the translator


class SimVP(Model, Predicts, Scores):
    """Predicts following frames from those before, all at once and without a recurrent state:

    min over f of  -E [x' log p + (1 - x') log(1 - p)]
    p = sigmoid(f(x_1 ... x_g)),   x' = (1 + x_(g+1) ... x_T) / 2

    f encodes each frame by itself, stacks the features of all frames as channels, applies blocks
    with large receptive fields (the translator; Gao et al., 2022, section 3), and decodes each
    following frame. A block is h + attention(h), then + perceptron(h) at each place (gSTA; Tan et
    al., 2022):

    attention(h) = W (a * sigmoid(b)),   a, b = W' D_7(D_5(h))

    with D_5 and D_7 convolutions of each channel alone, the second over every third place. As with
    squared error, the mean of possible futures is best, which is a blur where there are several.
    But what never changes costs nothing in the end, and black background becomes black (the loss of
    Srivastava et al., 2015, and of ConvLSTM: Shi et al., 2015).

    Arguments:
        given: Conditioning frames; 0 for half of them.
        channels: Channels of a frame at half resolution, doubled at a quarter.
        translator: Channels of the translator.
        depth: Blocks of the translator.

    Example: ganvas train simvp videos/ --frames 20 --size 64 --given 10 --out runs/simvp-videos
    """

    players = {"predictor": adam(1e-3)}
    defaults = Defaults(
        batch=16,
        epochs=20,
        steps=4000,
        schedule="one-cycle",
        early_stopping_metric="held_out/predictor/cross-entropy",
    )
    objective_options = frozenset({"given"})

    def __init__(
        self,
        space: Space,
        *,
        given: int = 0,
        channels: int = 16,
        translator: int = 128,
        depth: int = 4,
    ) -> None:
        super().__init__(space)
        if not isinstance(space, Continuous) or len(space.shape) != 4:
            raise InputError("simvp predicts videos; choose another model for everything else")
        colours, frames, *sides = space.shape
        if any(side % REDUCED for side in sides):
            raise InputError(
                f"simvp halves frames twice, and these are {sides[0]} × {sides[1]}; choose another"
                f" {flag('size')}"
            )
        self.given = given or frames // 2
        if not 0 < self.given < frames:
            raise InputError(
                f"{flag('given')} is {given} of {frames} frames; leave at least one on either side"
            )
        if channels < 2 or channels % 2:
            raise InputError(
                f"{flag('channels')} is {channels}; they are normalised in two halves: take an"
                " even number"
            )
        following = frames - self.given
        self.enter = nn.Sequential(
            nn.PixelUnshuffle(2), *_layer(4 * colours, channels), *_layer(channels, channels)
        )
        self.down = nn.Sequential(
            *_layer(channels, 2 * channels, 2), *_layer(2 * channels, 2 * channels)
        )
        blocks = [Block(translator) for _ in range(depth)]
        into = nn.Conv2d(2 * channels * self.given, translator, 1)
        out = nn.Conv2d(translator, 2 * channels * following, 1)
        self.translator = nn.Sequential(into, *blocks, out)
        self.kept = nn.Linear(self.given, following, bias=False)
        self.up = nn.Sequential(nn.SiLU(), nn.ConvTranspose2d(2 * channels, channels, 2, 2))
        self.leave = nn.Sequential(
            *_layer(2 * channels, channels),
            nn.Conv2d(channels, 4 * colours, 3, 1, 1),
            nn.PixelShuffle(2),
        )

    def turns(self, batch: Batch) -> Iterator[Turn]:
        seen, following = batch.x[:, :, : self.given], batch.x[:, :, self.given :]
        raw = self(seen)
        target = (1 + following) / 2
        cost = binary_cross_entropy_with_logits(raw, target, reduction="sum") / len(seen)
        error = (_to_values(raw.detach().float()) - following).square().mean()
        yield Turn("predictor", {"cross-entropy": cost}, {"PSNR (dB)": 10 * (4 / error).log10()})

    def forward(self, seen: Tensor) -> Tensor:
        """Logits of frames (B, C, T - given, H, W) that follow frames (B, C, given, H, W)."""
        n, frames = len(seen), seen.transpose(1, 2).flatten(0, 1)
        fine = self.enter(frames)
        h = self.translator(self.down(fine).unflatten(0, (n, -1)).flatten(1, 2))
        h = self.up(h.unflatten(1, (-1, self.leave[0].in_channels)).flatten(0, 1))
        kept = self.kept(fine.unflatten(0, (n, -1)).movedim(1, -1)).movedim(-1, 1).flatten(0, 1)
        return self.leave(torch.cat([h, kept], 1)).unflatten(0, (n, -1)).transpose(1, 2)

    def predict(self, seen: Tensor) -> Tensor:
        return _to_values(self(seen).float())

    def score_with_attribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Squared error of the prediction from each example's first frames, to which nothing is
        attributed."""
        seen, following = x[:, :, : self.given], x[:, :, self.given :]
        errors = (self.predict(seen) - following).square()
        return errors.flatten(1).sum(1), torch.cat([torch.zeros_like(seen), errors], 2)


def _to_values(logits: Tensor) -> Tensor:
    """Values in [-1, 1] of logits: 2 sigmoid(logits) - 1."""
    return (logits / 2).tanh()


class Block(nn.Module):
    """h + f(h), then h + g(h): f is gated attention, g a perceptron at each place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.look = nn.Sequential(
            nn.GroupNorm(1, width), nn.Conv2d(width, width, 1), nn.GELU(), Gated(width)
        )
        self.mix = nn.Sequential(
            nn.GroupNorm(1, width),
            nn.Conv2d(width, 2 * width, 1),
            nn.Conv2d(2 * width, 2 * width, 3, 1, 1, groups=2 * width),
            nn.GELU(),
            nn.Conv2d(2 * width, width, 1),
        )

    def forward(self, h: Tensor) -> Tensor:
        h = h + self.look(h)
        return h + self.mix(h)


class Gated(nn.Module):
    """W (a * sigmoid(b)), where a and b depend on 23 x 23 places around."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.around = nn.Sequential(
            nn.Conv2d(width, width, 5, 1, 2, groups=width),
            nn.Conv2d(width, width, 7, 1, 9, 3, groups=width),
            nn.Conv2d(width, 2 * width, 1),
        )
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, h: Tensor) -> Tensor:
        return self.out(nn.functional.glu(self.around(h), 1))


def _layer(into: int, out: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(into, out, 3, stride, 1), nn.GroupNorm(2, out), nn.SiLU()]
