"""What is normal to a trained model: how it scores examples that it did not learn from."""

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
    parts = score_parts(run.modality, [(held_out, torch.zeros(()))], lambda x: model.score_with_attribution(x.to(model.device)))
    scores, total = list[Tensor](), torch.zeros(())
    for part in track(parts, "what is normal", len(held_out) / AT_ONCE, console=console, transient=True):
        scores.append(part.scores)
        total = total + part.attribution.sum(0)
    every = torch.cat(scores)
    return {"scores": every[evenly_spaced(len(every), MOST)], "attribution": total / len(every)}


def reference_scores(run: Run, source: Any) -> ReferenceScores:
    """What is normal to the model of a run. Raises InputError where the run cannot know.

    source: The data of the training, or None where it is not at hand.
    """
    kept = learn_after_training(run, "reference_scores", source, learn_reference_scores)
    examples, names = torch.empty(0, *run.modality.space.shape), list[str]()
    try:
        here = source is not None and not isinstance(run.modality, Overlapping)  # moments are near nothing
        learn = run.modality.read(source).split(run.config["training"]["held_out"])[0] if here else None
    except InputError:  # moved or changed since: findings go without their nearest normal example
        learn = None
    if learn is not None:
        some = learn.subset(evenly_spaced(len(learn), NEIGHBOURS))
        examples, names = some.gather().x.cpu(), some.names
    return ReferenceScores(kept["scores"], kept["attribution"], examples, names, run.modality.vectors)
