"""How a trained model scores held-out examples: the reference that anomaly scores are held
against."""

from __future__ import annotations

from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from ..core import Data, InputError, Overlapping, ReferenceScores, Scores, evenly_spaced
from ..core.scoring import AT_ONCE, score_parts
from .calibration_store import learn_after_training
from .run import Run

MOST = 10_000  # scores that are kept
NEIGHBOURS = 20_000  # examples that findings are compared with


@torch.no_grad()
def learn_reference_scores(run: Run, held_out: Data, quiet: bool) -> dict[str, Tensor]:
    """How a run's model scores what training held out, of at most so many examples; empty where it
    scores nothing."""
    model = run.model
    if not isinstance(model, Scores) or not len(held_out):
        return {}
    if not isinstance(run.modality, Overlapping):
        held_out = held_out.subset(evenly_spaced(len(held_out), MOST))
    console = Console(stderr=True, quiet=quiet)
    parts = score_parts(
        run.modality,
        [(held_out, torch.zeros(()))],
        lambda x: model.score_with_attribution(x.to(model.device)),
    )
    scores, total = list[Tensor](), torch.zeros(())
    for part in track(
        parts, "scoring held-out examples", len(held_out) / AT_ONCE, console=console, transient=True
    ):
        scores.append(part.scores)
        total = total + part.attribution.sum(0)
    every = torch.cat(scores)
    return {"scores": every[evenly_spaced(len(every), MOST)], "attribution": total / len(every)}


def reference_scores(run: Run, source: Any) -> ReferenceScores:
    """The reference scores of a run's model. Raises InputError where the run cannot have them.

    source: The data of the training, or None where it is not at hand.
    """
    kept = learn_after_training(run, "reference_scores", source, learn_reference_scores)
    examples, names = _normal_examples(run, source)
    scores, attribution = kept["scores"], kept["attribution"]
    return ReferenceScores(scores, attribution, examples, names, run.modality.vectors)


def _normal_examples(run: Run, source: Any) -> tuple[Tensor, list[str]]:
    """Training examples that findings are compared with, and their names; none where the data is
    not at hand, was moved or has changed, or consists of time steps, which are near nothing."""
    none = torch.empty(0, *run.modality.space.shape)
    if source is None or isinstance(run.modality, Overlapping):
        return none, []
    try:
        learn, _ = run.modality.read(source).split(run.config["training"]["held_out"])
    except InputError:
        return none, []
    some = learn.subset(evenly_spaced(len(learn), NEIGHBOURS))
    return some.gather().x.cpu(), some.names
