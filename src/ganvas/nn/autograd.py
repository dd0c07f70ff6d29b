"""Operations with gradients of their own, whose `apply` type checkers understand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor


class Function(torch.autograd.Function):
    """`torch.autograd.Function` of one output: torch leaves `apply` without types."""

    if TYPE_CHECKING:

        @classmethod
        def apply(cls, *inputs: Any) -> Tensor: ...
