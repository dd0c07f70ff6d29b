"""PixelCNN: the likelihood of an image, pixel by pixel (van den Oord et al., 2016)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import prod

import torch
from torch import Tensor
from torch.nn import functional as F

from ..abilities import Bounds, Factorises, Samples, Scores
from ..core import Batch, Continuous, Defaults, InputError, Model, Space, Turn
from ..core.space import draw_symbol, from_levels, to_levels
from ..nn.causal import CausalWindow

AT_ONCE = 2**16  # places that are computed together


class PixelCNN(Model, Samples, Scores, Bounds, Factorises):
    """Fits p(x) = product over i of p(x_i | x_<i), the pixels in raster order, red before green
    before blue.

    -log p(x) = -sum over i of log softmax(f(x_<i))[x_i]    (equations 1 and 2 of the paper)

    f sees a window of the pixels before, as wide as `reach`, and where in the image it is. A
    bounded window loses little (Zhang et al., 2021) and lets thousands of images be coded together,
    pixel after pixel. Each batch has some pixels of many images, because those of one image are
    much alike.

    Arguments:
        width: Units of each layer.
        depth: Residual blocks of two layers.
        reach: Rows above and columns to either side that a pixel is predicted from.
        pixels: How many of an image's pixels count in a step, drawn afresh each time.

    Example: ganvas train pixelcnn photos/ --size 32 --out runs/pixelcnn-photos
    """

    players = {
        "network": partial(
            torch.optim.AdamW, lr=3e-3, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )
    }
    defaults = Defaults(
        batch=256,
        epochs=20,
        steps=1500,
        schedule="one-cycle",
        ema=0.999,
        early_stopping_metric="held_out/network/nll",
    )

    def __init__(
        self, space: Space, *, width: int = 256, depth: int = 2, reach: int = 6, pixels: int = 64
    ) -> None:
        if not isinstance(space, Continuous) or len(space.shape) != 3:
            raise InputError("pixelcnn learns images; rows of a table are for made")
        super().__init__(space.under("softmax"))
        self.places = prod(space.shape)
        self.learned = min(pixels * space.shape[0], self.places)
        self.network = CausalWindow(space.shape, width, depth, reach)

    def turns(self, batch: Batch) -> Iterator[Turn]:
        chances = torch.rand(len(batch), self.places, device=batch.x.device)
        costs = self._costs(batch.x, chances.topk(self.learned, 1).indices)
        yield Turn("network", {"nll": costs.sum(1).mean() * (self.places / self.learned)})

    def score_with_attribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """-log p(x) in nats, exact; and its parts -log p(x_i | x_<i), how anomalous each pixel is
        after those before it."""
        parts = torch.arange(self.places, device=x.device).split(max(AT_ONCE // len(x), 1))
        costs = torch.cat([self._costs(x, places.expand(len(x), -1)) for places in parts], 1)
        channels, height, width = self.space.shape
        return costs.sum(1), costs.view(-1, height, width, channels).permute(0, 3, 1, 2)

    def bound(self, x: Tensor, samples: int = 1) -> Tensor:
        """-log p(x), exact: there is nothing to sample."""
        return self.score(x)

    def unfold(self, x: Tensor) -> Iterator[tuple[int, Tensor]]:
        channels = self.space.shape[0]
        canvas, pixels = (
            self.network.canvas(x.unflatten(1, self.space.shape)),
            self.places // channels,
        )
        for place in torch.arange(self.places, device=x.device).view(-1, 1, 1):
            pixel, channel = divmod(int(place), channels)
            at = channel * pixels + pixel
            yield at, self.network(canvas, place).squeeze(1)
            cell = self.network.cell(place).flatten() + channel
            canvas[:, cell] = x[:, at : at + 1].to(torch.uint8)

    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        x = torch.zeros(n, self.places, dtype=torch.int64, device=self.device)
        for at, logits in self.unfold(x):
            x[:, at] = draw_symbol(logits)
        return from_levels(x).unflatten(1, self.space.shape)

    def _costs(self, x: Tensor, places: Tensor) -> Tensor:
        """-log p(level | those before) at places (B, K) in raster order, (B, K)."""
        levels = to_levels(x)
        logits = self.network(self.network.canvas(levels), places)
        raster = levels.permute(0, 2, 3, 1).flatten(1)
        wanted = raster.gather(1, places)
        flat = logits.flatten(0, 1).float()
        return F.cross_entropy(flat, wanted.flatten(), reduction="none").view_as(wanted)
