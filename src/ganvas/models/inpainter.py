"""Inpainter: a context encoder (Pathak et al., 2016) of gated convolutions (Yu et al., 2019)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from ..abilities import Completes
from ..core import Batch, Continuous, Defaults, InputError, Model, Space, Turn, adam
from ..core.images import mirror_to_multiple
from ..core.random_masks import draw_masks
from ..nn.losses import critic_generator_loss, hinge_loss
from ..runtime.errors import flag

RESOLUTIONS = 3  # a half, a quarter, an eighth
DILATIONS = (1, 2, 4)  # of convolutions at the lowest
KNOWN = 1 / 6  # weight of pixels that are known (Liu et al., 2018)


class Inpainter(Model, Completes):
    """A generator sees an image without its masked region, and the mask; a discriminator gives a
    logit for each patch of an image (context encoders; Pathak et al., 2016):

    G minimises  E |x - G(x m, m)| in the masked region + 1/6 of it elsewhere - adversarial E D(x^)
    D minimises  E max(0, 1 - D(x)) + E max(0, 1 + D(x^)),    x^ = m x + (1 - m) G(x m, m)

    with m = 1 where x is known. G's convolutions are gated, phi(f(h)) sigmoid(g(h)): they learn to
    ignore masked places (Yu et al., 2019). D is a stack of strided convolutions with spectral
    normalisation (SN-PatchGAN, ibid.). Masks are rectangles, strokes and halves. Known pixels come
    back exactly, and images of any size can be completed; the same mask is always filled alike.

    Arguments:
        adversarial: Weight of the adversarial loss: sharper with more, nearer to the truth on
            average with less.
        channels: Channels at half resolution; doubled with each halving.

    Example: ganvas train inpainter photos/ --out runs/inpainter-photos
    """

    players = {"discriminator": adam(4e-4, (0.5, 0.9)), "generator": adam(1e-3, (0.5, 0.99))}
    defaults = Defaults(
        batch=16,
        epochs=0,
        steps=20_000,
        schedule="cosine",
        data_options={"crop": "random", "flip": True},
    )
    any_size = True

    def __init__(self, space: Space, *, adversarial: float = 0.01, channels: int = 32) -> None:
        super().__init__(space)
        if not isinstance(space, Continuous) or len(space.shape) != 3 or min(space.shape[1:]) < 16:
            raise InputError(
                f"inpainter completes images of at least 16 pixels, not {space}; made completes"
                " tables"
            )
        if adversarial < 0:
            raise InputError(f"{flag('adversarial')} is {adversarial}; it must be at least 0")
        self.hyperparameters["adversarial"] = adversarial
        self.generator = Generator(space.shape[0], channels)
        self.discriminator = PatchDiscriminator(space.shape[0] + 1, channels)

    def turns(self, batch: Batch) -> Iterator[Turn]:
        x, missing = batch.x, draw_masks(batch.x).to(batch.x.dtype)
        made = self.generator(x, 1 - missing)
        whole = torch.lerp(x, made.to(x.dtype), missing)
        real = self.discriminator(torch.cat([x, missing], 1))
        fake = self.discriminator(torch.cat([whole.detach(), missing], 1))
        yield Turn("discriminator", hinge_loss(real.float(), fake.float()))
        error = (made - x).float().abs()
        share = missing.mean().clamp(min=1e-6)
        logits = self.discriminator(torch.cat([whole, missing], 1)).float()
        loss = {
            "masked region": (error * missing).mean() / share,
            "known": KNOWN * (error * (1 - missing)).mean() / (1 - share).clamp(min=1e-6),
        }
        for name, term in critic_generator_loss(logits).items():
            loss[name] = self.hyperparameters["adversarial"] * term
        yield Turn("generator", loss)

    def complete(
        self, x: Tensor, known: Tensor, allowed: Mapping[int, Tensor] | None = None
    ) -> Tensor:
        m = known.all(1, keepdim=True).to(x.dtype)
        return torch.where(known, x, self.generator(x, m).to(x.dtype).clamp(-1, 1))


class Gated(nn.Module):
    """phi(f(h)) sigmoid(g(h)), with f and g convolutions and phi ELU (Yu et al., 2019)."""

    def __init__(self, channels: int, out: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.both = nn.Conv2d(channels, 2 * out, 3, stride, dilation, dilation)

    def forward(self, h: Tensor) -> Tensor:
        f, g = self.both(h).chunk(2, 1)
        return F.elu(f) * g.sigmoid()


class Generator(nn.Module):
    """Images (B, C, H, W) and where they are known, 1 or 0 (B, 1, H, W), to whole images (B, C,
    H, W).

    The first halving moves pixels into channels; features of each resolution are joined again on
    the way up; at the lowest resolution dilated convolutions look far (Iizuka et al., 2017). The
    output has no tanh: where much is black or white, it soon saturates, and no gradient passes.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(RESOLUTIONS)]
        self.enter = nn.Sequential(nn.PixelUnshuffle(2), Gated(4 * (channels + 1), width))
        self.down = nn.ModuleList(
            nn.Sequential(Gated(a, b, 2), Gated(b, b)) for a, b in pairwise(widths)
        )
        self.far = nn.ModuleList(Gated(widths[-1], widths[-1], 1, by) for by in DILATIONS)
        self.up = nn.ModuleList(Gated(a + b, a) for a, b in pairwise(widths))
        self.leave = nn.Sequential(nn.Conv2d(width, 4 * channels, 3, 1, 1), nn.PixelShuffle(2))

    def forward(self, x: Tensor, known: Tensor) -> Tensor:
        h = self.enter(mirror_to_multiple(torch.cat([x * known, known], 1), 2**RESOLUTIONS))
        kept = [h]
        for down in self.down:
            kept.append(down(kept[-1]))
        h = kept.pop()
        for far in self.far:
            h = h + far(h)
        for up in reversed(self.up):
            h = up(torch.cat([F.interpolate(h, scale_factor=2.0), kept.pop()], 1))
        return self.leave(h)[:, :, : x.shape[2], : x.shape[3]]


class PatchDiscriminator(nn.Sequential):
    """Images (B, C, H, W) to a logit for each of their patches, (B, 1, H/8, W/8)."""

    def __init__(self, channels: int, width: int) -> None:
        layers: list[nn.Module] = []
        for a, b in pairwise([channels, width, 2 * width, 4 * width]):
            layers += [spectral_norm(nn.Conv2d(a, b, 4, 2, 1)), nn.LeakyReLU(0.2)]
        super().__init__(*layers, spectral_norm(nn.Conv2d(4 * width, 1, 3, 1, 1, bias=False)))
