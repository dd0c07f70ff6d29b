"""Residual networks without normalisation, which start as the identity (Huang et al., 2024, section 4)."""

from __future__ import annotations

from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .convolutional import Crop

SLOPE = 0.2  # of leaky ReLU


class _Leaky(torch.autograd.Function):
    """Leaky ReLU. Its second derivative is zero, and is not worked out place by place to be carried to the weights."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = F.leaky_relu(x, SLOPE)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return _Sloped.apply(gradient, y.detach())


class _Sloped(torch.autograd.Function):
    """Numbers times the slope of leaky ReLU where it gave y; linear in the numbers, so its own derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(y)
        return torch.ops.aten.leaky_relu_backward(x, y, SLOPE, True)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Sloped.apply(gradient, *ctx.saved_tensors), None


class Convolution(nn.Conv2d):
    """A convolution whose penalised gradients are learned from as fast as its values: torch takes groups one by one."""

    def forward(self, x: Tensor) -> Tensor:
        kind = torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype
        weight = self.weight.to(kind)
        y = _Convolved.apply(x.to(kind), weight, self.padding, self.groups)
        return y if self.bias is None else y + self.bias.to(kind)[:, None, None]


class _Convolved(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, padding: tuple[int, int], groups: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.how = padding, groups
        return F.conv2d(x, weight, None, 1, padding, 1, groups)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _Returned.apply(gradient, weight, x.detach(), *ctx.how), None, None, None
        return *_gradients(gradient, x, weight, *ctx.how, *ctx.needs_input_grad[:2]), None, None


class _Returned(torch.autograd.Function):
    """The gradient of a convolution's input: linear in the gradient of its output, and in its weight."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, weight: Tensor, like: Tensor, padding: tuple[int, int], groups: int) -> Tensor:
        ctx.save_for_backward(y, weight)
        ctx.how = padding, groups
        return _gradients(y, like, weight, padding, groups, True, False)[0]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, None, None, None]:
        y, weight = ctx.saved_tensors
        padding, groups = ctx.how
        back = F.conv2d(gradient, weight, None, 1, padding, 1, groups)
        learned = _gradients(y, gradient, weight, padding, groups, False, True)[1]
        return back, learned, None, None, None


def _gradients(
    y: Tensor, x: Tensor, weight: Tensor, padding: tuple[int, int], groups: int, into: bool, learn: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of x and of the weight, where y is that of the convolution."""
    one = [1, 1]
    found = torch.ops.aten.convolution_backward(
        y, x, weight, None, one, padding, one, False, [0, 0], groups, [into, learn, False]
    )
    return found[0], found[1]


class Bottleneck(nn.Module):
    """x + f(x), with f convolutions of 1 x 1, 3 x 3 and 1 x 1, and leaky ReLU between them.

    Started as fix-up says (Zhang et al., 2019): the last convolution at zero, the others for a constant variance and
    then L^(-1/4) times that, where L is the number of blocks of the network.

    width: Channels outside of the block.
    inside: Channels of the 3 x 3 convolution.
    group: Channels that one group of it has; 0 for all.
    blocks: L.
    """

    def __init__(self, width: int, inside: int, group: int, blocks: int) -> None:
        super().__init__()
        self.enter = Convolution(width, inside, 1)
        self.middle = Convolution(inside, inside, 3, 1, 1, groups=inside // group if group else 1)
        self.leave = Convolution(inside, width, 1, bias=False)
        for layer in (self.enter, self.middle):
            _start(layer, sqrt(2 / (1 + SLOPE**2)) * blocks**-0.25)
        nn.init.zeros_(self.leave.weight)

    def forward(self, x: Tensor) -> Tensor:
        inner = _Leaky.apply(self.enter(x))
        return x + self.leave(_Leaky.apply(self.middle(inner)))


class Mix(Convolution):
    """A linear map of channels at each place, without a bias, that keeps the variance."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__(channels, out, 1, bias=False)
        _start(self, 1.0)


class Down(nn.Module):
    """(B, C, H, W) to (B, O, H/2, W/2), rounded up: bilinear, which halves by averaging four, and a map of channels."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.mix = Mix(channels, out) if channels != out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(F.avg_pool2d(x, 2, ceil_mode=True))


class Up(nn.Module):
    """(B, C, h, w) to (B, O, H, W) of at most twice the size: a map of channels, and bilinear.

    The two commute, and channels are cheaper to map where there are fewer places.
    """

    def __init__(self, channels: int, out: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.mix = Mix(channels, out) if channels != out else nn.Identity()
        self.crop = Crop(*size)

    def forward(self, x: Tensor) -> Tensor:
        return self.crop(F.interpolate(self.mix(x), scale_factor=2, mode="bilinear"))


class Basis(nn.Module):
    """Vectors (B, into) to pictures (B, C, h, w): one learned picture, each channel of it scaled by what z says."""

    def __init__(self, into: int, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.basis = nn.Parameter(torch.randn(channels, *size))
        self.scale = nn.Linear(into, channels, bias=False)
        nn.init.normal_(self.scale.weight, 0.0, into**-0.5)

    def forward(self, z: Tensor) -> Tensor:
        return self.basis * self.scale(z)[:, :, None, None]


class Summary(nn.Module):
    """Pictures (B, C, h, w) to vectors (B, C): each channel weighed by a learned picture of its own, in float32."""

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, *size) / sqrt(size[0] * size[1]))

    def forward(self, x: Tensor) -> Tensor:
        return (self.weight * x).sum((2, 3))


def _start(layer: nn.Conv2d, gain: float) -> None:
    """Weights from N(0, gain^2 / inputs), no biases."""
    nn.init.normal_(layer.weight, 0.0, gain / sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
