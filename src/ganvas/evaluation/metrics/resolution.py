"""How near enlarged images come to what they were made small from: PSNR, SSIM (Wang et al.,
2004), features."""

from __future__ import annotations

from math import log10

import torch
from torch import Tensor

from ...core import (
    Estimate,
    Evidence,
    Measured,
    Upscales,
    crop_to_multiple,
    seeded_rng,
    with_channels,
)
from ._statistics import bootstrap_mean, image_similarity


def resolution(model: Upscales, evidence: Evidence) -> Measured:
    """Held-out images, made smaller as in training and enlarged again, as sharp as the model can
    and true to pixels.

    PSNR of luma leaves out as many pixels at each edge as the model enlarges by, as is usual (Ledig
    et al., 2017, section 3.1). How different images look is the squared distance of their
    features, as a share of that of two images which have nothing to do with each other.
    """
    x = crop_to_multiple(evidence.held_out.x, model.scale)
    kinds = {"enlarged": 0.0, "enlarged with fidelity 1": 1.0}
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
        numbers[f"PSNR of luma (dB), {kind}"] = bootstrap_mean(
            errors, lambda error: 10 * log10(4 / max(error, 1e-12))
        )
        numbers[f"looks different, {kind}"] = bootstrap_mean(
            _apart(evidence.features(after), evidence.features(x))
        )
    return Measured(
        numbers, {name: "error" not in name and "different" not in name for name in numbers}
    )


def _shaven(x: Tensor, edge: int) -> Tensor:
    """Images without so many pixels at each edge, where something is left."""
    return x[:, :, edge:-edge, edge:-edge] if min(x.shape[2:]) > 2 * edge else x


def _apart(a: Tensor, b: Tensor) -> Tensor:
    """Squared distance of features (N, D) of pairs, by that of two drawn at random, (N,)."""
    usual = 2 * b.var(0, correction=0).sum()
    return (a - b).square().sum(1) / usual.clamp(min=1e-12)
