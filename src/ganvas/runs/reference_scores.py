"""How a trained model scores held-out examples: the reference that anomaly scores are held
against."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from ..abilities import Scores
from ..core import Data, InputError, NamedExamples, evenly_spaced
from ..core.detection import ReferenceScores
from ..core.scoring import AT_ONCE
from .calibration_store import learn_after_training
from .run import Run

MOST = 10_000  # scores that are kept
NEIGHBOURS = 20_000  # examples that findings are compared with...
ROOM = 2**22  # ...and that are kept with the run where they are so many numbers at most


@torch.no_grad()
def learn_reference_scores(run: Run, held_out: Data, quiet: bool) -> dict[str, Tensor]:
    """How a run's model scores what training held out, of at most so many examples; empty where it
    scores nothing."""
    model = run.model
    if not isinstance(model, Scores) or not len(held_out):
        return {}
    if not run.modality.overlapping:
        held_out = held_out.subset(evenly_spaced(len(held_out), MOST))
    console = Console(stderr=True, quiet=quiet)
    parts = run.modality.score(
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
    return {
        "scores": every[evenly_spaced(len(every), MOST)],
        "attribution": total / len(every),
    }


def collect_neighbours(run: Run, learn: Data) -> dict[str, Tensor]:
    """Examples that findings are compared with, and their names as bytes, of what a run learned
    from.

    Empty where the model scores nothing, where they would take too much room (they are read from
    the data when they are needed), and where the training promised privacy to each of them.
    """
    if not isinstance(run.model, Scores) or run.modality.overlapping or run.promise:
        return {}
    count = min(len(learn), NEIGHBOURS)
    if not count or count * prod(run.modality.space.shape) > ROOM:
        return {}
    found = _spread(learn)
    x = found.x if found.x.is_floating_point() else found.x.int()
    return {"x": x, "names": _to_bytes(found.names)}


def reference_scores(run: Run, source: Any) -> ReferenceScores:
    """The reference scores of a run's model. Raises InputError where the run cannot have them.

    source: The data of the training, or None where it is not at hand. It is only read where the run
        lacks what it keeps of it.
    """
    kept = learn_after_training(run, "reference_scores", source, learn_reference_scores)
    return ReferenceScores(
        kept["scores"],
        kept["attribution"],
        lambda: _find_neighbours(run, source),
        run.modality.vectors,
    )


def _find_neighbours(run: Run, source: Any) -> NamedExamples:
    """Examples that findings are compared with: as the run keeps them, else out of the data; none
    where that is gone, or where none are near any, as time steps."""
    if kept := run.tensors("neighbours"):
        x = kept["x"] if kept["x"].is_floating_point() else kept["x"].long()
        return NamedExamples(x, _from_bytes(kept["names"]))
    none = NamedExamples(torch.empty(0, *run.modality.space.shape), [])
    if source is None or run.modality.overlapping:
        return none
    try:
        learn, _ = run.modality.read(source).split(run.config["training"]["held_out"])
    except InputError:  # moved or changed since: findings go without their nearest normal example
        return none
    return _spread(learn)


def _spread(learn: Data) -> NamedExamples:
    some = learn.subset(evenly_spaced(len(learn), NEIGHBOURS))
    return NamedExamples(some.gather().x.cpu(), some.names)


def _to_bytes(names: list[str]) -> Tensor:
    """Names as UTF-8, uint8 (bytes,), with zeros between them."""
    joined = "\0".join(names).encode("utf-8", "surrogateescape")
    return torch.from_numpy(np.frombuffer(joined, np.uint8).copy())


def _from_bytes(names: Tensor) -> list[str]:
    return names.numpy().tobytes().decode("utf-8", "surrogateescape").split("\0")
