"""What super-resolution models share: pixel losses first, then a game (Ledig et al., 2017)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..abilities import Upscales
from ..core import Batch, Continuous, Defaults, InputError, Model, Space, Turn, adam
from ..core.images import crop_to_multiple, upscale_bicubic
from ..nn.degradations import Downscaling, LowResolution
from ..nn.losses import GAMES, Loss
from ..nn.perception import Perception
from ..runtime.errors import flag

Scale = Literal[2, 4, 8]

FEATURES = 16  # channels of the features at full resolution
WIDTHS = (32, 64, 128)  # of the discriminator at a half, a quarter, an eighth
EVERY = 4  # warm-up steps for each one in which the features learn


class Upscaling(Model, Upscales):
    """Two generators G of one kind, each of which adds details to a bicubic enlargement.

    In the first `warmup` steps the faithful one learns with a pixel loss, the features f learn too,
    and the other generator is the faithful one's moving average; then both go on from that average.
    From there on the faithful one and f stay as they are, and the other plays against a
    discriminator of patches:

    min over G of  content |f(G(low)) - f(x)|^2 + adversarial E[-log D(G(low))]
        + absolute |G(low) - x|

    `fidelity` interpolates between the two: weights are (1 - fidelity) G + fidelity G_faithful
    (Wang et al., 2018, ESRGAN, section 3.4).

    Arguments:
        scale: How many times as many pixels a side: 2, 4 or 8.
        degrade: How images were made smaller: `bicubic`, or `real` for blur, noise and JPEG,
            twice over.
        warmup: Steps with the pixel loss alone, in which features are learned; half of a training
            is a good share.
        loss: What the players minimise afterwards.
        content: Weight of the distance between features in the game.
        adversarial: Weight of the adversarial loss in the game.
        absolute: Weight of the absolute error of pixels in the game.
    """

    players = {
        "perception": adam(1e-3),
        "faithful": adam(1e-3),
        "discriminator": adam(4e-4, (0.9, 0.99)),
        "generator": adam(4e-4, (0.9, 0.99)),
    }
    defaults = Defaults(
        batch=8,
        epochs=0,
        steps=20_000,
        schedule="linear",
        data_options={"crop": "random", "flip": True, "size": 96},
    )
    objective_options = frozenset({"degrade", "scale"})

    def __init__(
        self,
        space: Space,
        *,
        scale: Scale = 4,
        degrade: Downscaling = "bicubic",
        warmup: int = 10_000,
        loss: Loss = "non-saturating",
        content: float = 10.0,
        adversarial: float = 0.02,
        absolute: float = 0.3,
    ) -> None:
        super().__init__(space)
        if not isinstance(space, Continuous) or len(space.shape) != 3:
            raise InputError("images can be made larger; choose ae for everything else")
        if scale not in get_args(Scale) or loss not in GAMES:
            raise InputError(
                f"{flag('scale')} is 2, 4 or 8, {flag('loss')} one of {', '.join(GAMES)}; not"
                f" {scale} and {loss!r}"
            )
        if min(space.shape[1:]) < 2 * scale:
            raise InputError(
                f"images of {space.shape[2]} pixels are too small for {flag('scale', scale)};"
                f" raise {flag('size')}"
            )
        weights = {"content": content, "adversarial": adversarial, "absolute": absolute}
        if warmup < 1 or min(weights.values()) < 0:
            raise InputError(
                f"{flag('warmup')} is {warmup}; it must be at least 1, and"
                f" {', '.join(map(flag, weights))} at least 0"
            )
        self.scale: int = scale
        self.warmup, self.game = warmup, GAMES[loss]
        self.lower = LowResolution(degrade, scale)
        self.lower.fit(space)
        self.hyperparameters |= weights

    def assemble(self, width: int, body: Callable[[], nn.Module]) -> None:
        """Makes two generators, which begin alike, the features and the discriminator.

        body: Makes a generator's layers at low resolution, from and to so many channels.
        """
        channels = self.space.shape[0]
        self.faithful, self.generator = (
            Upscaler(channels, width, self.scale, body()) for _ in range(2)
        )
        self.generator.load_state_dict(self.faithful.state_dict())
        self.perception = Perception(channels, FEATURES)
        self.discriminator = PatchDiscriminator(channels, WIDTHS, anchored=not self.game.unanchored)

    def turns(self, batch: Batch) -> Iterator[Turn]:
        x = crop_to_multiple(batch.x, self.scale)
        low = self.degrade(x)
        yield from (
            self._warmup_turns(x, low) if self.step <= self.warmup else self._game_turns(x, low)
        )

    def _warmup_turns(self, x: Tensor, low: Tensor) -> Iterator[Turn]:
        if self.step % EVERY == 1:
            yield Turn("perception", self.perception.loss(x))
        y = self.enlarge(self.faithful, low)
        yield Turn("faithful", {"pixels": (y - x).abs().mean()}, {"PSNR (dB)": _psnr(y, x)})
        if torch.is_grad_enabled():
            self._track_faithful()

    @torch.no_grad()
    def _track_faithful(self) -> None:
        """Makes the generator the moving average of the faithful one, which takes the average over
        in the last step of the warm-up."""
        slow: list[Tensor] = list(self.generator.parameters())
        fast: list[Tensor] = list(self.faithful.parameters())
        torch._foreach_lerp_(slow, fast, 1 - min(self.defaults.ema, self.step / (self.step + 10)))
        if self.step == self.warmup:
            torch._foreach_copy_(fast, slow)

    def _game_turns(self, x: Tensor, low: Tensor) -> Iterator[Turn]:
        y = self.enlarge(self.generator, low)
        real, fake = self.discriminator(x).float(), self.discriminator(y.detach()).float()
        yield Turn(
            "discriminator",
            self.game.discriminator(real, fake),
            {"ordering": _ordering(real, fake)},
        )
        logits = [self.discriminator(y).float()]
        if self.game.relative:
            with torch.no_grad():
                logits.append(self.discriminator(x).float())
        weight = self.hyperparameters
        terms = {
            "content": weight["content"] * self.perception.distance(y, x).mean(),
            "absolute": weight["absolute"] * (y - x).abs().mean(),
        }
        for name, term in self.game.generator(*logits).items():
            terms[name] = weight["adversarial"] * term
        yield Turn("generator", terms, {"PSNR (dB)": _psnr(y, x)})

    def enlarge(self, network: nn.Module, low: Tensor) -> Tensor:
        """Images (B, C, H, W) enlarged by a generator, (B, C, scale H, scale W)."""
        return upscale_bicubic(low, self.scale) + network(low).to(low.dtype)

    def degrade(self, x: Tensor) -> Tensor:
        return self.lower(x)

    def upscale(self, x: Tensor, fidelity: float = 0.0) -> Tensor:
        return self.enlarge(self._interpolate(fidelity), x).clamp(-1, 1)

    def _interpolate(self, fidelity: float) -> nn.Module:
        """The generator, the faithful one, or one between them."""
        if fidelity == 0:
            return self.generator
        if fidelity == 1:
            return self.faithful
        return Interpolated(self.generator, self.faithful, fidelity)


class Interpolated(nn.Module):
    """A network whose weights are (1 - share) a + share b."""

    def __init__(self, a: nn.Module, b: nn.Module, share: float) -> None:
        super().__init__()
        self.network = a
        others = dict(b.named_parameters())
        self.weights = {name: p.lerp(others[name], share) for name, p in a.named_parameters()}

    def forward(self, x: Tensor) -> Tensor:
        return functional_call(self.network, self.weights, (x,))


class Upscaler(nn.Module):
    """Images (B, C, H, W) to (B, C, scale H, scale W): most layers work at low resolution, and
    channels become pixels at the end (Shi et al., 2016, ESPCN). Its output is small at first.

    Arguments:
        body: Layers at low resolution, whose input is added to their output.
    """

    def __init__(self, channels: int, width: int, scale: int, body: nn.Module) -> None:
        super().__init__()
        self.enter, self.body = nn.Conv2d(channels, width, 3, 1, 1), body
        last = nn.Conv2d(width, channels * scale**2, 3, 1, 1)
        with torch.no_grad():
            last.weight.mul_(0.1)
        self.leave = nn.Sequential(nn.LeakyReLU(0.2), last, nn.PixelShuffle(scale))

    def forward(self, x: Tensor) -> Tensor:
        h = self.enter(x)
        return self.leave(h + self.body(h))


class PatchDiscriminator(nn.Module):
    """Images (B, C, H, W) to logits of their patches, (N,), by strided convolutions without
    normalisation."""

    def __init__(self, channels: int, widths: Sequence[int], anchored: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for a, b in pairwise([channels, *widths]):
            layers += [_convolution(a, b, 4, 2), nn.LeakyReLU(0.2)]
        layers += [_convolution(widths[-1], widths[-1], 3, 1), nn.LeakyReLU(0.2)]
        last = nn.Conv2d(widths[-1], 1, 1, bias=anchored)
        nn.init.normal_(last.weight, 0.0, 0.02)
        self.layers = nn.Sequential(*layers, last)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten()


def _convolution(a: int, b: int, kernel: int, stride: int) -> nn.Conv2d:
    layer = nn.Conv2d(a, b, kernel, stride, 1)
    nn.init.kaiming_normal_(layer.weight, a=0.2)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type] # it has one
    return layer


@torch.no_grad()
def _ordering(real: Tensor, fake: Tensor) -> Tensor:
    """The share of patches whose logits (N,) are in the right order, the real one's above that of
    its counterpart."""
    return ((real > fake).float() + (real == fake).float() / 2).mean()


@torch.no_grad()
def _psnr(y: Tensor, x: Tensor) -> Tensor:
    return 10 * (4 / (y - x).square().mean()).log10()
