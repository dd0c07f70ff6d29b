"""Linear maps of images that can be differentiated any number of times: each gradient is the
transpose of the map.

No matrix product takes part: in training those may be rounded to bfloat16 or TF32, which is too
coarse for places and colours.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from .autograd import Function

Beyond = Literal["reflection", "zeros"]
"""What lies beyond an image's edges."""

_MODES = {"zeros": 0, "reflection": 2}  # the numbers by which torch's own operators know them


def product(a: Tensor, b: Tensor) -> Tensor:
    """Matrices (..., I, K) times matrices (..., K, J)."""
    return (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2)


def warp(x: Tensor, matrices: Tensor, beyond: Beyond = "reflection") -> Tensor:
    """Images (B, C, H, W) whose pixel at (u, v) is what x has at M (u, v, 1): bilinear, in one
    pass.

    matrices: M, (B, 3, 3) with last row (0, 0, 1), in pixels from the middle of the image, u to
        the right and v downwards. Where M is the identity, x stays as it is, bit for bit.
    """
    height, width = x.shape[2:]
    u = torch.arange(width, device=x.device, dtype=x.dtype) - (width - 1) / 2
    v = torch.arange(height, device=x.device, dtype=x.dtype).unsqueeze(1) - (height - 1) / 2
    (a, b, c), (d, e, f) = (row[:, :, None, None].unbind(1) for row in matrices[:, :2].unbind(1))
    across, down = (a * u + b * v + c) * (2 / width), (d * u + e * v + f) * (2 / height)
    places = torch.stack([across, down], -1)
    still = (matrices == torch.eye(3, device=x.device)).all(2).all(1)
    return _Gather.apply(x, places, still.view(-1, 1, 1, 1), beyond)


def recolour(x: Tensor, matrices: Tensor) -> Tensor:
    """Images (B, C, H, W) whose colours c are M (c, 1).

    matrices: M, (B, C + 1, C + 1) with last row (0, ..., 0, 1). Its linear part is taken as
        constant.
    """
    channels = x.shape[1]
    mixed = _Mix.apply(x, matrices[:, :channels, :channels].detach())
    return mixed + matrices[:, :channels, channels, None, None]


class _Gather(Function):
    """Pixels of images at places (B, H, W, 2), as `grid_sample` defines them; images that stand
    still are not touched.

    torch 2.7, with which Ganvas still works, cannot differentiate the gradient of `grid_sample`.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, places: Tensor, still: Tensor, beyond: Beyond) -> Tensor:
        ctx.save_for_backward(places, still)
        ctx.beyond = beyond
        moved = F.grid_sample(x, places, padding_mode=beyond, align_corners=False)
        return torch.where(still, x, moved)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return _Scatter.apply(gradient, *ctx.saved_tensors, ctx.beyond), None, None, None


class _Scatter(Function):
    """The transpose of `_Gather`: adds pixels to the places that they were gathered from."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, places: Tensor, still: Tensor, beyond: Beyond) -> Tensor:
        ctx.save_for_backward(places, still)
        ctx.beyond = beyond
        back = torch.ops.aten.grid_sampler_2d_backward
        return back(y.contiguous(), y, places, 0, _MODES[beyond], False, [True, False])[0]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return _Gather.apply(gradient, *ctx.saved_tensors, ctx.beyond), None, None, None


class _Mix(Function):
    """Colours (B, C, H, W) by matrices (B, C, C)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, matrices: Tensor) -> Tensor:
        ctx.save_for_backward(matrices)
        columns, channels = matrices[..., None, None].unbind(2), x.split(1, 1)
        y = columns[0] * channels[0]
        for column, channel in zip(columns[1:], channels[1:], strict=True):
            y.addcmul_(column, channel)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Mix.apply(gradient, ctx.saved_tensors[0].mT), None
