"""Latents of examples, and the directions in which these vary most."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core import Encodes, InputError
from ._progress import counted

AT_ONCE = 1024


def encoded(model: Encodes, x: Tensor) -> Tensor:
    """Latents of examples, float32 (n, ...). Raises InputError where one is no number."""
    z = torch.cat([model.encode(part).float() for part in counted(x.split(AT_ONCE), len(x), "encoding")])
    if not z.isfinite().all():
        raise InputError("the model gives latents that are no numbers; look at how it learned in report.html")
    return z


def latents(model: Encodes, x: Tensor) -> Tensor:
    """The same as vectors on the CPU, (n, D)."""
    return encoded(model, x).flatten(1).cpu()


def principal(z: Tensor, most: int) -> Tensor:
    """The first principal components of z (n, D), as many as there are but at most so many, (n, <= most)."""
    u, s, v = torch.linalg.svd(z.double() - z.double().mean(0), full_matrices=False)
    turned = v.gather(1, v.abs().argmax(1, keepdim=True)).sign().squeeze(1)  # of the two directions always the same
    return (u * s * turned)[:, :most].float()
