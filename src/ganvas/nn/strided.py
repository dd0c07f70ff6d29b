"""Convolutions of stride 2, which halve an image, and their transposes, which double it.

On a CPU the deep, narrow ones (few positions, many channels) are computed as matrix products: there
oneDNN's convolution kernels spend most of their time rearranging weights. The two are the same
linear map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

from .autograd import Function


class _Strided(nn.Module):
    """Weight (channels of the small image, channels of the large, kernel, kernel); padding is 1
    on each side."""

    def __init__(self, small: int, large: int, kernel: int, bias: int | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(small, large, kernel, kernel))
        self.bias = None if bias is None else nn.Parameter(torch.zeros(bias))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)


class Halve(_Strided):
    """(B, C, H, W) to (B, O, H/2, W/2), rounded down; rounded up where the kernel is 3."""

    def __init__(self, channels: int, out: int, kernel: int = 4, bias: bool = True) -> None:
        super().__init__(out, channels, kernel, out if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        if not _as_products(x, self.weight, _half_size(x, self.weight)):
            return F.conv2d(x, self.weight, self.bias, 2, 1)
        return _add(_Products.apply(*_cast(x, self.weight), None), self.bias)


class Double(_Strided):
    """(B, C, H, W) to (B, O, 2H, 2W): the transpose of `Halve`.

    extra: Rows and columns that the transpose of a kernel of 3 adds to its 2H - 1 and 2W - 1.
    """

    def __init__(
        self, channels: int, out: int, kernel: int = 4, extra: int = 0, bias: bool = True
    ) -> None:
        super().__init__(channels, out, kernel, out if bias else None)
        self.extra = extra

    def forward(self, x: Tensor) -> Tensor:
        if not _as_products(x, self.weight, x.shape[2:]):
            return F.conv_transpose2d(x, self.weight, self.bias, 2, 1, self.extra)
        grown = self.weight.shape[-1] - 4 + self.extra
        size = 2 * x.shape[2] + grown, 2 * x.shape[3] + grown
        return _add(_Products.apply(*_cast(x, self.weight), size), self.bias)


def _as_products(x: Tensor, weight: Tensor, small: Sequence[int]) -> bool:
    """Whether matrix products are the faster way: a CPU, and weights that outweigh the positions
    they are used at.

    What is exported is for other machines and any number of examples: there it is always a
    convolution.
    """
    if torch.compiler.is_exporting():
        return False
    return x.device.type == "cpu" and len(x) * small[0] * small[1] <= 4 * weight[0].numel()


def _cast(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """What autocast would do before a convolution; images with the channels last."""
    kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    last = torch.channels_last
    return x.to(kind).contiguous(memory_format=last), weight.to(kind).contiguous(memory_format=last)


def _add(y: Tensor, bias: Tensor | None) -> Tensor:
    return y if bias is None else y + bias.to(y.dtype)[:, None, None]


class _Products(Function):
    """Doubles x to a size, or halves it where there is none; each is what the other does to
    gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, size: Sequence[int] | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.doubles = size is not None
        return _halve(x, weight) if size is None else _double(x, weight, size)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        small, large = (x, gradient) if ctx.doubles else (gradient, x)
        if torch.is_grad_enabled():  # differentiated again: by operations that torch can derive
            if ctx.doubles:
                back = F.conv2d(gradient, weight, None, 2, 1)
            else:
                back = _transposed_convolution(gradient, weight, x)
            return back, conv2d_weight(large, weight.shape, small, 2, 1), None
        back = _halve(gradient, weight) if ctx.doubles else _double(gradient, weight, x.shape[2:])
        learned = _weight_gradient(small, large, weight) if ctx.needs_input_grad[1] else None
        return back, learned, None


def _transposed_convolution(small: Tensor, weight: Tensor, large: Tensor) -> Tensor:
    """The transposed convolution that gives images of the size of `large`."""
    sides = zip(large.shape[2:], small.shape[2:], strict=True)
    extra = [a - 2 * b - weight.shape[-1] + 4 for a, b in sides]
    return F.conv_transpose2d(small, weight, None, 2, 1, extra)


def _half_size(large: Tensor, weight: Tensor) -> tuple[int, int]:
    """Height and width once halved."""
    kernel = weight.shape[-1]
    return (large.shape[2] + 2 - kernel) // 2 + 1, (large.shape[3] + 2 - kernel) // 2 + 1


def _patches(large: Tensor, weight: Tensor) -> Tensor:
    """What each position of the small image sees: (B h w, kernel kernel C)."""
    kernel, small = weight.shape[-1], _half_size(large, weight)
    padded = F.pad(large.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    (batch, _, _, channels), (b, h, w, c) = padded.shape, padded.stride()
    windows = padded.as_strided(
        (batch, *small, kernel, kernel, channels), (b, 2 * h, 2 * w, h, w, c)
    )
    return windows.reshape(-1, kernel * kernel * channels)


def _rows(x: Tensor) -> Tensor:
    """(B, C, H, W) as (B H W, C)."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def _flat(weight: Tensor) -> Tensor:
    """(O, C, kernel, kernel) as (O, kernel kernel C)."""
    return weight.permute(0, 2, 3, 1).flatten(1)


def _halve(x: Tensor, weight: Tensor) -> Tensor:
    y = _patches(x, weight) @ _flat(weight).t()
    return y.view(len(x), *_half_size(x, weight), len(weight)).permute(0, 3, 1, 2)


def _double(x: Tensor, weight: Tensor, size: Sequence[int]) -> Tensor:
    """Every position gives a patch; patches overlap and are added."""
    (batch, _, height, width), kernel = x.shape, weight.shape[-1]
    patches = (_rows(x) @ _flat(weight)).view(batch, height, width, kernel, kernel, -1)
    y = x.new_zeros(batch, size[0] + 2, size[1] + 2, patches.shape[-1])
    for i in range(kernel):
        for j in range(kernel):
            y[:, i : i + 2 * height - 1 : 2, j : j + 2 * width - 1 : 2] += patches[:, :, :, i, j]
    return y[:, 1:-1, 1:-1].permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def _weight_gradient(small: Tensor, large: Tensor, weight: Tensor) -> Tensor:
    kernel = weight.shape[-1]
    flat = _rows(small).t() @ _patches(large, weight)
    return flat.view(len(weight), kernel, kernel, -1).permute(0, 3, 1, 2)
