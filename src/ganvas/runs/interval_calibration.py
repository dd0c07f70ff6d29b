"""How far held-out values lie from a model's reconstructions: what intervals are scaled by."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from ..abilities import ResamplesPosterior
from ..core import Data, evenly_spaced, seeded_rng
from ..core.intervals import Calibration, predictive_values, split_draws
from .calibration_store import learn_after_training
from .run import Run

MOST, FEWEST = 400, 40  # examples that are looked at...
ROOM = 2**22  # ...as many as have so many values
FINEST = 1 / 256  # of a value's range: smaller differences count as this


@torch.no_grad()
def learn_calibration(run: Run, held_out: Data, quiet: bool) -> dict[str, Tensor]:
    """How the intervals of a run's model fit what training held out; empty where it draws no
    examples anew."""
    model = run.model
    if not isinstance(model, ResamplesPosterior) or not len(held_out):
        return {}
    most = min(MOST, max(ROOM // held_out.batch(torch.tensor([0])).x.numel(), FEWEST))
    x = held_out.subset(evenly_spaced(len(held_out), most)).gather().x
    measure = run.modality.measure
    console = Console(stderr=True, quiet=quiet)
    found = []
    with seeded_rng(0):
        for part in track(split_draws(x), "calibrating intervals", console=console, transient=True):
            some = part.to(model.device)
            shown = model.decode(model.encode(some))
            found.append(predictive_values(model.resample_posterior, some, shown, measure))
    given = np.concatenate([part.given for part in found])
    span = np.nanmax(given, 0, initial=-np.inf) - np.nanmin(given, 0, initial=np.inf)
    least = np.maximum(span, 1e-6) * FINEST
    scores = np.concatenate([part.scores(least) for part in found])
    return {"scores": torch.from_numpy(scores).float(), "least": torch.from_numpy(least).double()}


def calibration(run: Run, source: Any) -> Calibration:
    """What a run knows of how sure its model may be. Raises InputError where it cannot know.

    source: The data of the training, or None where it is not at hand.
    """
    kept = learn_after_training(run, "calibration", source, learn_calibration)
    scores, least = kept["scores"].double().numpy(), kept["least"].double().numpy()
    return Calibration(run.modality.measure, scores, least)
