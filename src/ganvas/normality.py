"""What is normal to a trained model: how it scores examples that it did not learn from."""

from __future__ import annotations

from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from .core import Data, InputError, Model, Normal, Scores, spread
from .run import Run

MOST = 10_000  # scores that are kept
NEIGHBOURS = 20_000  # examples that findings are compared with


@torch.no_grad()
def learn_normal(run: Run, model: Model, held_out: Data, quiet: bool) -> None:
    """Keeps in a run how its model scores what training held out, of at most so many examples."""
    if not isinstance(model, Scores) or not len(held_out):
        return
    batches, n = held_out.in_batches(most=MOST), min(len(held_out), MOST)
    scores, blame = list[Tensor](), list[Tensor]()
    for batch in track(batches, "what is normal", n / 256, console=Console(stderr=True, quiet=quiet), transient=True):
        x = batch.x.to(model.device)
        scores.append(model.score(x).float().cpu())
        blame.append(model.blame(x).float().sum(0).cpu())
    run.keep("normal", {"scores": torch.cat(scores), "blame": torch.stack(blame).sum(0) / n})


def normal(run: Run, source: Any) -> Normal:
    """What is normal to the model of a run. Raises InputError where training held nothing out.

    source: The data of the training, or None where it is not at hand.
    """
    kept = run.tensors("normal")
    if not kept:
        raise InputError(f"{run.path} knows no normal scores: training held nothing out, or ended early; train with "
                         "--held-out 0.1")  # fmt: skip
    examples, names = torch.empty(0, *run.modality.space.shape), list[str]()
    try:
        learn = run.modality.read(source).split(run.card["training"]["held_out"])[0] if source is not None else None
    except InputError:  # moved or changed since: findings go without their nearest normal example
        learn = None
    if learn is not None:
        some = learn.subset(spread(len(learn), NEIGHBOURS))
        examples, names = some.gather().x.cpu(), some.names
    return Normal(kept["scores"], kept["blame"], examples, names, run.modality.vectors)
