"""Layers for networks whose gradient is penalised: their second derivatives, fast.

Torch differentiates a gradient correctly, but slowly: a grouped convolution group by group, and the
second derivative of a leaky ReLU, zero everywhere, as numbers that are then carried back through
the whole network.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .autograd import Function

SLOPE = 0.2  # of leaky ReLU


class LeakyReLU(nn.Module):
    """max(x, x / 5)."""

    def forward(self, x: Tensor) -> Tensor:
        return _Leaky.apply(x)


class _Leaky(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = F.leaky_relu(x, SLOPE)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return _LeakyGradient.apply(gradient, y.detach())


class _LeakyGradient(Function):
    """A gradient times the slope of leaky ReLU where it gave y; linear in the gradient, so its own
    derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(y)
        return torch.ops.aten.leaky_relu_backward(x, y, SLOPE, True)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _LeakyGradient.apply(gradient, *ctx.saved_tensors), None


class Convolution(nn.Conv2d):
    """A convolution of stride 1 that pads with zeros.

    With `create_graph`, only gradients of inputs can be computed: those of its weight are None.
    """

    def forward(self, x: Tensor) -> Tensor:
        kind = x.dtype
        if torch.is_autocast_enabled(x.device.type):
            kind = torch.get_autocast_dtype(x.device.type)
        weight = self.weight.to(kind)
        y = _Convolve.apply(x.to(kind), weight, self.padding, self.groups)
        return y if self.bias is None else y + self.bias.to(kind)[:, None, None]


class _Convolve(Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, padding: tuple[int, int], groups: int
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.how = padding, groups
        return F.conv2d(x, weight, None, 1, padding, 1, groups)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        if torch.is_grad_enabled():  # again; ctx cannot know that only x is asked for
            return (
                _ConvolutionGradient.apply(gradient, weight, x.detach(), *ctx.how),
                None,
                None,
                None,
            )
        return *_gradients(gradient, x, weight, *ctx.how, *ctx.needs_input_grad[:2]), None, None


class _ConvolutionGradient(Function):
    """The gradient of a convolution's input: linear in the gradient of its output, and in its
    weight."""

    @staticmethod
    def forward(
        ctx: Any, y: Tensor, weight: Tensor, like: Tensor, padding: tuple[int, int], groups: int
    ) -> Tensor:
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
    y: Tensor,
    x: Tensor,
    weight: Tensor,
    padding: tuple[int, int],
    groups: int,
    into: bool,
    learn: bool,
) -> tuple[Any, Any]:
    """Gradients of x and of the weight, where y is that of the convolution; None for what is not
    asked for."""
    one = [1, 1]
    found = torch.ops.aten.convolution_backward(
        y, x, weight, None, one, padding, one, False, [0, 0], groups, [into, learn, False]
    )
    return found[0], found[1]
