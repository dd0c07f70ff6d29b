"""Reconstruction: encode examples, and decode them again."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from ..abilities import Autoencodes, ResamplesPosterior
from ..core import Interval, seeded_rng
from ..core.intervals import FIELDS, Calibrated, check_level, predictive_values, split_draws
from ..core.options import HeededBy
from ..results.pairs import Pairs
from ..results.reconstruction_intervals import ReconstructionIntervals
from ..runtime.console import stderr_console

KNOWS_POSTERIOR = HeededBy(
    ResamplesPosterior, "models that have a posterior, such as vae, and give more than one answer"
)


def reconstruct(
    model: Autoencodes,
    x: Tensor,
    known: Calibrated,
    *,
    interval: Annotated[float | None, KNOWS_POSTERIOR] = None,
    seed: int = 0,
) -> Pairs | ReconstructionIntervals:
    """Shows each example beside what the model makes of it: what the latent could not hold is
    missing.

    interval: Say of each value between what it lies with this probability, such as 0.9: predictive
        intervals.
    seed: Of the draws that intervals are made of; the same seed gives the same intervals.

    Intervals are drawn from p(x' | z), z ~ q(z | x): the doubt about the latent and the noise of
    the likelihood. They are then scaled by how values that the training held out came out of them,
    so that values which are like those lie inside as often as was asked (conformalised quantiles:
    Romano et al., 2019).

    Example: ganvas reconstruct runs/vae-photos photos/ --interval 0.9 --out back/
    """
    parts = track(
        x.split(256),
        "reconstructing",
        console=stderr_console(),
        transient=True,
        disable=len(x) <= 256,
    )
    if interval is not None:
        return _within(model, x, known, check_level(interval), seed)
    return Pairs(x, torch.cat([model.decode(model.encode(part)) for part in parts]))


def _within(
    model: Autoencodes, x: Tensor, known: Calibrated, level: float, seed: int
) -> ReconstructionIntervals:
    """Reconstructions and the intervals around them."""
    assert isinstance(model, ResamplesPosterior), "others do not heed --interval"
    calibration = known()
    reach, shown, said = calibration.reach(level), list[Tensor](), list[Interval]()
    console = stderr_console()
    with seeded_rng(seed):
        for part in track(
            split_draws(x), "reconstructing", console=console, transient=True, disable=len(x) <= 64
        ):
            after = model.decode(model.encode(part))
            shown.append(after)
            said.append(
                predictive_values(
                    model.resample_posterior, part, after, calibration.measure
                ).interval(reach, calibration.least, level)
            )
    whole = [np.concatenate([getattr(part, field) for part in said]) for field in FIELDS]
    return ReconstructionIntervals(x, torch.cat(shown), Interval(level, *whole))
