"""Networks that turn images into others of the same size, and a discriminator of patches."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.images import mirror_to_multiple
from .autograd import Function

EPSILON = 1e-5


class Normalise(nn.Module):
    """(x - mean) / deviation of each channel of each image: instance normalisation (Ulyanov et
    al., 2016).

    On a CPU images with channels last stay so, where torch's own would copy them there and back.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last):
            return _InstanceNorm.apply(x)
        return F.instance_norm(x, eps=EPSILON)


class _InstanceNorm(Function):
    """Of x, (B, C, H, W) with the channels last; sums are float32, whatever x is."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        rows = x.permute(0, 2, 3, 1).flatten(1, 2)
        centred = rows - _mean(rows).to(x.dtype)
        inverse = (_mean(centred.square()) + EPSILON).rsqrt()
        y = centred.mul_(inverse.to(x.dtype))
        ctx.save_for_backward(y, inverse)
        return _grid(y, x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        y, inverse = ctx.saved_tensors
        g = gradient.permute(0, 2, 3, 1).flatten(1, 2)
        along = torch.addcmul(_mean(g).to(y.dtype), y, _mean(g * y).to(y.dtype))
        return _grid(along.neg_().add_(g).mul_(inverse.to(y.dtype)), gradient)


def _mean(rows: Tensor) -> Tensor:
    return rows.sum(1, keepdim=True, dtype=torch.float32) / rows.shape[1]


def _grid(rows: Tensor, like: Tensor) -> Tensor:
    return rows.unflatten(1, like.shape[2:]).permute(0, 3, 1, 2)


class Residual(nn.Module):
    """h + f(h), with f two convolutions whose edges are reflected, normalised."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3, bias=False),
            Normalise(),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3, bias=False),
            Normalise(),
        )

    def forward(self, h: Tensor) -> Tensor:
        return h + self.layers(h)


class ResidualTranslator(nn.Module):
    """Images (B, C, H, W) to raw ones (B, O, H, W) of any size: halved twice, rewritten by
    residual blocks, doubled twice (Johnson et al., 2016; Zhu et al., 2017, appendix: c7s1-64, d128,
    d256, R256 ..., u128, u64, c7s1-3).

    There is no bias before a normalisation, which would take it away.

    Arguments:
        channels: At full resolution; they double with each halving.
        blocks: Residual blocks at a quarter of the resolution.
    """

    def __init__(self, inputs: int, outputs: int, channels: int, blocks: int) -> None:
        super().__init__()
        a, b, c = (channels * 2**level for level in range(3))
        self.stages = nn.ModuleList(
            [
                _stage(nn.ReflectionPad2d(3), nn.Conv2d(inputs, a, 7, bias=False)),
                _stage(nn.Conv2d(a, b, 3, 2, 1, bias=False)),
                _stage(nn.Conv2d(b, c, 3, 2, 1, bias=False)),
                *(Residual(c) for _ in range(blocks)),
                _stage(nn.ConvTranspose2d(c, b, 3, 2, 1, 1, bias=False)),
                _stage(nn.ConvTranspose2d(b, a, 3, 2, 1, 1, bias=False)),
                nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(a, outputs, 7)),
            ]
        )
        self.widths = [inputs, a, b, c, *[c] * blocks, b, a]
        """Channels of what each stage is given."""

    def forward(self, x: Tensor) -> Tensor:
        *_, raw = self.stage_inputs(x, (len(self.stages),))
        return raw[:, :, : x.shape[2], : x.shape[3]]

    def stage_inputs(self, x: Tensor, stages: Collection[int]) -> Iterator[Tensor]:
        """Inputs of the stages of these numbers, on the way from x, and no further; the number
        after the last stage stands for its output."""
        h, last = mirror_to_multiple(x, 4), max(stages)
        for number, stage in enumerate(self.stages[:last]):
            if number in stages:
                yield h
            h = stage(h)
        yield h


class UNet(nn.Module):
    """Images (B, C, H, W) to raw ones (B, O, H, W) of any size: halved again and again, then
    doubled, each time joined by what there was at that resolution on the way down (Ronneberger et
    al., 2015; Isola et al., 2017, appendix: C64-C128-C256-C512-...).

    Arguments:
        channels: At half resolution; they double with each halving, up to eightfold.
        depth: Halvings.
        dropout: Share of the first doublings' outputs that is dropped while learning.
    """

    def __init__(
        self, inputs: int, outputs: int, channels: int, depth: int, dropout: float
    ) -> None:
        super().__init__()
        self.multiple = 2**depth
        widths = [channels * min(2**level, 8) for level in range(depth)]
        self.down = nn.ModuleList([nn.Conv2d(inputs, widths[0], 4, 2, 1)])
        for a, b in pairwise(widths):
            convolution = nn.Conv2d(a, b, 4, 2, 1, bias=False)
            self.down.append(nn.Sequential(nn.LeakyReLU(0.2), convolution, Normalise()))
        self.up = nn.ModuleList()
        for level in range(depth - 1, 0, -1):
            joined = widths[level] * (1 if level == depth - 1 else 2)
            doubling = nn.ConvTranspose2d(joined, widths[level - 1], 4, 2, 1, bias=False)
            drop = nn.Dropout(dropout if depth - level <= 3 else 0.0)
            self.up.append(nn.Sequential(nn.ReLU(), doubling, Normalise(), drop))
        last = nn.ConvTranspose2d(widths[0] * min(depth, 2), outputs, 4, 2, 1)
        self.last = nn.Sequential(nn.ReLU(), last)

    def forward(self, x: Tensor) -> Tensor:
        kept = [self.down[0](mirror_to_multiple(x, self.multiple))]
        for down in self.down[1:]:
            kept.append(down(kept[-1]))
        h = kept.pop()
        for up in self.up:
            h = torch.cat([up(h), kept.pop()], 1)
        return self.last(h)[:, :, : x.shape[2], : x.shape[3]]


class PatchDiscriminator(nn.Module):
    """Images (B, C, H, W) to logits (B, 1, h, w), one for each of the patches that overlap in
    them (Isola et al., 2017, section 3.2.2): C64-C128-C256-C512, without normalisation in the
    first.

    Arguments:
        channels: Of the first layer; they double with each, up to eightfold.
        halvings: Layers of stride 2: with 1, 2 and 3 of them patches are 16, 34 and 70 pixels a
            side.
    """

    def __init__(self, inputs: int, channels: int, halvings: int) -> None:
        super().__init__()
        widths = [channels * min(2**level, 8) for level in range(halvings + 1)]
        layers: list[nn.Module] = [nn.Conv2d(inputs, channels, 4, 2, 1), nn.LeakyReLU(0.2)]
        for level, (a, b) in enumerate(pairwise(widths), 1):
            stride = 2 if level < halvings else 1
            layers += [nn.Conv2d(a, b, 4, stride, 1, bias=False), Normalise(), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Memory(nn.Module):
    """Images that were generated before, which replace half of the new ones (Shrivastava et al.,
    2017, section 2.3; Zhu et al., 2017, section 4), so that a discriminator does not follow the
    last ones alone.

    It remembers in training mode only.

    Arguments:
        size: How many are remembered; with none it gives back what it was given.
        shape: Of one of them.
    """

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(size, *shape, dtype=torch.bfloat16))
        self.register_buffer("held", torch.zeros((), dtype=torch.int64))
        self.images: Tensor
        self.held: Tensor

    @torch.no_grad()
    def forward(self, fresh: Tensor) -> Tensor:
        """Generated images (B, *shape), each as it is or in its place an earlier one; no gradient
        passes."""
        size = len(self.images)
        if not self.training or not size:
            return fresh.detach()
        given = fresh.detach().clone()
        held = int(self.held)
        coins, slots = torch.rand(len(fresh)), torch.randint(size, (len(fresh),))
        for i, image in enumerate(fresh.detach()):
            slot = held if held < size else int(slots[i])
            if held < size:
                held += 1
            elif coins[i] < 0.5:
                given[i] = self.images[slot]
            else:
                continue
            self.images[slot] = image
        self.held.fill_(held)
        return given


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), biases zero (Zhu et al., 2017, section 7)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _stage(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers, Normalise(), nn.ReLU())
