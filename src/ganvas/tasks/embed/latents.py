"""Latents of examples, and the directions in which these vary most."""

from __future__ import annotations

import torch
from torch import Tensor

from ...abilities import Encodes, Tokenizes
from ...core import InputError, Tokens
from ...core.statistics import principal_axes
from .._progress import with_progress

AT_ONCE = 1024


def encode_all(model: Encodes, x: Tensor) -> Tensor:
    """Latents of examples, float32 (n, ...). Raises InputError where one is no number, or a
    symbol."""
    refuse_tokens(model)
    z = torch.cat(
        [model.encode(part).float() for part in with_progress(x.split(AT_ONCE), len(x), "encoding")]
    )
    if not z.isfinite().all():
        raise InputError(
            "the model gives latents that are no numbers; look at how it learned in report.html"
        )
    return z


def refuse_tokens(model: object) -> None:
    """Raises InputError for a model whose latents are symbols: nothing is between two of them, or
    near one."""
    if isinstance(model, Tokenizes) and isinstance(model.latents, Tokens):
        raise InputError(
            "this model's latents are codes, and between two codes there is nothing; take a run of"
            " a vae"
        )


def latents(model: Encodes, x: Tensor) -> Tensor:
    """The same as vectors on the CPU, (n, D)."""
    return encode_all(model, x).flatten(1).cpu()


def principal_components(z: Tensor, most: int) -> Tensor:
    """The first principal components of z (n, D), at most so many, (n, min(most, D))."""
    z = z.double()
    return ((z - z.mean(0)) @ principal_axes(z, most)).float()
