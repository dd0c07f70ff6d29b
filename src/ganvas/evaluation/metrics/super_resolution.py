"""How near upscaled images come to what they were made small from: PSNR, SSIM (Wang et al.,
2004), features."""

from __future__ import annotations

import torch
from torch import Tensor

from ...abilities import Upscales
from ...core import Estimate, Evidence, Measured, seeded_rng
from ...core.images import crop_to_multiple, with_channels
from ...core.statistics import bootstrap_mean
from ._image_similarity import image_similarity, psnr


def super_resolution(model: Upscales, evidence: Evidence) -> Measured:
    """Held-out images, made smaller as in training and upscaled, as sharp as the model can
    and true to pixels.

    PSNR of luma leaves out as many pixels at each edge as the model upscales by, as is usual (Ledig
    et al., 2017, section 3.1). The distance of features is squared, as a share of that
    of two images which have nothing to do with each other.
    """
    x = crop_to_multiple(evidence.held_out.x, model.scale)
    kinds = {"upscaled": 0.0, "upscaled with fidelity 1": 1.0}
    numbers = dict[str, Estimate]()
    for kind, fidelity in kinds.items():
        with seeded_rng(0), torch.no_grad():
            after = torch.cat(
                [model.upscale(model.degrade(part), fidelity).float() for part in x.split(64)]
            )
        numbers |= {f"{name}, {kind}": value for name, value in image_similarity(after, x).items()}
        errors = (
            _shaven(with_channels(after, 1) - with_channels(x, 1), model.scale)
            .square()
            .flatten(1)
            .mean(1)
        )
        numbers[f"PSNR of luma (dB), {kind}"] = psnr(errors)
        numbers[f"feature distance, {kind}"] = bootstrap_mean(
            _apart(evidence.features(after), evidence.features(x))
        )
    return Measured(
        numbers, {name: "error" not in name and "distance" not in name for name in numbers}
    )


def _shaven(x: Tensor, edge: int) -> Tensor:
    """Images without so many pixels at each edge, where something is left."""
    return x[:, :, edge:-edge, edge:-edge] if min(x.shape[2:]) > 2 * edge else x


def _apart(a: Tensor, b: Tensor) -> Tensor:
    """Squared distance of features (N, D) of pairs, by that of two drawn at random, (N,)."""
    usual = 2 * b.var(0, correction=0).sum()
    return (a - b).square().sum(1) / usual.clamp(min=1e-12)
