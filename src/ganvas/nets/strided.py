"""4 x 4 convolutions of stride 2, which halve or double a picture.

On a CPU the deep, narrow ones (few positions, many channels) are computed as matrix products: there oneDNN's
convolution kernels spend most of their time rearranging weights. The two are the same linear map.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight


class Halve(nn.Module):
    """(B, C, H, W) to (B, O, H/2, W/2), rounded down."""

    def __init__(self, channels: int, out: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out, channels, 4, 4))
        self.bias = nn.Parameter(torch.zeros(out)) if bias else None
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, x: Tensor) -> Tensor:
        if self.bias is None and _as_products(x, self.weight, x.shape[2] // 2 * (x.shape[3] // 2)):
            return _HalveByProducts.apply(*_cast(x, self.weight))
        return F.conv2d(x, self.weight, self.bias, 2, 1)


class Double(nn.Module):
    """(B, C, H, W) to (B, O, 2H, 2W): the transpose of `Halve`."""

    def __init__(self, channels: int, out: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, out, 4, 4))
        self.bias = nn.Parameter(torch.zeros(out)) if bias else None
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, x: Tensor) -> Tensor:
        if self.bias is None and _as_products(x, self.weight, x.shape[2] * x.shape[3]):
            return _DoubleByProducts.apply(*_cast(x, self.weight))
        return F.conv_transpose2d(x, self.weight, self.bias, 2, 1)


def _as_products(x: Tensor, weight: Tensor, positions: int) -> bool:
    """Whether matrix products are the faster way: a CPU, and weights that outweigh the positions they are used at."""
    even = x.shape[2] % 2 == x.shape[3] % 2 == 0
    return x.device.type == "cpu" and even and len(x) * positions <= 2 * weight[0].numel()


def _cast(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """What autocast would do before a convolution; pictures with the channels last."""
    kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    last = torch.channels_last
    return x.to(kind).contiguous(memory_format=last), weight.to(kind).contiguous(memory_format=last)


def _patches(x: Tensor) -> Tensor:
    """What each output position sees: (B * H/2 * W/2, 16 C)."""
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    (batch, height, width, channels), (b, h, w, c) = padded.shape, padded.stride()
    shape = (batch, height // 2 - 1, width // 2 - 1, 4, 4, channels)
    return padded.as_strided(shape, (b, 2 * h, 2 * w, h, w, c)).reshape(-1, 16 * channels)


def _halve(x: Tensor, weight: Tensor) -> Tensor:
    flat = weight.permute(0, 2, 3, 1).reshape(len(weight), -1)
    y = _patches(x) @ flat.t()
    return y.view(len(x), x.shape[2] // 2, x.shape[3] // 2, len(weight)).permute(0, 3, 1, 2)


def _double(x: Tensor, weight: Tensor) -> Tensor:
    """Every position gives a 4 x 4 patch; patches overlap by two and are added."""
    batch, _, height, width = x.shape
    flat = weight.permute(0, 2, 3, 1).reshape(len(weight), -1)
    patches = (_rows(x) @ flat).view(batch, height, width, 4, 4, -1)
    y = x.new_zeros(batch, 2 * height + 2, 2 * width + 2, patches.shape[-1])
    for i in range(4):
        for j in range(4):
            y[:, i : i + 2 * height : 2, j : j + 2 * width : 2] += patches[:, :, :, i, j]
    return y[:, 1:-1, 1:-1].permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def _rows(x: Tensor) -> Tensor:
    """(B, C, H, W) as (B * H * W, C)."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def _weight_gradient(small: Tensor, large: Tensor) -> Tensor:
    """Of `Halve` from large to small, or of `Double` from small to large: (channels of small, of large, 4, 4)."""
    flat = _rows(small).t() @ _patches(large)
    return flat.view(small.shape[1], 4, 4, large.shape[1]).permute(0, 3, 1, 2)


class _HalveByProducts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _halve(x, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        if torch.is_grad_enabled():  # to be differentiated again: by operations that torch knows the derivatives of
            return (
                F.conv_transpose2d(gradient, weight, None, 2, 1),
                conv2d_weight(x, weight.shape, gradient, 2, 1),
            )
        return (
            _double(gradient, weight) if ctx.needs_input_grad[0] else None,
            _weight_gradient(gradient, x) if ctx.needs_input_grad[1] else None,
        )


class _DoubleByProducts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _double(x, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        if torch.is_grad_enabled():
            return (
                F.conv2d(gradient, weight, None, 2, 1),
                conv2d_weight(gradient, weight.shape, x, 2, 1),
            )
        return (
            _halve(gradient, weight) if ctx.needs_input_grad[0] else None,
            _weight_gradient(x, gradient) if ctx.needs_input_grad[1] else None,
        )
