"""How like two sets of images are, one beside the other: squared error, PSNR, SSIM (Wang et al.,
2004)."""

from __future__ import annotations

from math import log10

import torch
from torch import Tensor

from ...core import Estimate
from ...core.statistics import bootstrap_mean


def psnr(errors: Tensor) -> Estimate:
    """Peak signal-to-noise ratio in dB, by the squared error of each example (N,), values in
    [-1, 1]."""
    return bootstrap_mean(errors, lambda error: 10 * log10(4 / max(error, 1e-12)))


def image_similarity(after: Tensor, x: Tensor) -> dict[str, Estimate]:
    """How like examples x (N, ...) others are: SSIM by torchmetrics, for images of at least 11
    pixels, and for clips of them, the mean over frames."""
    errors = (after - x).square().flatten(1).mean(1)
    numbers = {"mean squared error": bootstrap_mean(errors), "PSNR (dB)": psnr(errors)}
    if x.ndim in (4, 5) and min(x.shape[-2:]) >= 11:
        numbers["SSIM"] = bootstrap_mean(_ssim(after, x))
    return numbers


def _ssim(after: Tensor, x: Tensor) -> Tensor:
    """Of each example, (N,)."""
    from torchmetrics.functional.image import structural_similarity_index_measure as ssim

    parts = zip(_images(after).split(256), _images(x).split(256), strict=True)
    values = [ssim(a, b, data_range=(-1.0, 1.0), reduction="none") for a, b in parts]
    return torch.cat([torch.atleast_1d(v) for v in values]).view(len(x), -1).mean(1)


def _images(x: Tensor) -> Tensor:
    """Images (N, C, H, W) as they are, and of clips (N, C, T, H, W) all frames."""
    return x.transpose(1, 2).flatten(0, 1) if x.ndim == 5 else x
