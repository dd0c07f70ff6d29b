"""What the machine can do: device, precision, memory."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from .errors import InputError, flag

Precision = Literal["auto", "bf16", "float32"]

LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}
"""Of the weights of convolutions, by how many dimensions these have: channels are what processors
read together."""


def choose_device(name: str = "auto") -> torch.device:
    """The device asked for, or the best there is. Raises InputError where it is not there."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        why = str(error).splitlines()[0]
        raise InputError(
            f"device {name!r} cannot be used here ({why}); try {flag('device', 'cpu')}"
        ) from error
    return torch.device(name)


def choose_precision(precision: Precision, device: torch.device) -> torch.dtype | None:
    """bfloat16 where it is asked for, or where the processor computes in it; None for float32."""
    if precision == "auto":
        return torch.bfloat16 if _computes_in_bf16(device) else None
    return torch.bfloat16 if precision == "bf16" else None


def _computes_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


def prepare(model: nn.Module, device: torch.device) -> None:
    """Moves a model where it will work, its convolutions laid out as processors like them."""
    torch.set_float32_matmul_precision("medium")
    kinds = nn.Conv2d | nn.ConvTranspose2d | nn.Conv3d | nn.ConvTranspose3d
    model.to(device)
    if any(isinstance(module, kinds) for module in model.modules()):
        for weight in model.parameters():
            if weight.dim() in LAYOUTS:
                weight.data = weight.data.contiguous(memory_format=LAYOUTS[weight.dim()])


def free_memory(device: torch.device) -> int | None:
    """Bytes that may still be taken on a device; None where nobody tells."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    with suppress(OSError):  # no /proc outside Linux
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(
            int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")
        )
    return None
