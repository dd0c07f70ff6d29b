"""What a task works on, and how what a person gives becomes that."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, get_args, get_type_hints

from ..core import InputError, Modality, NamedExamples, TrainingExamples, evenly_spaced
from ..core.detection import ReferenceScores, Scored, ScoredStream, ScoreFunction
from ..core.intervals import Calibrated
from ..runs.interval_calibration import calibration
from ..runs.reference_scores import reference_scores
from ..runs.run import Run
from ..runtime.errors import flag
from ..training.loop import stop_on_signal

KEPT: Mapping[Any, Callable[[Run, Any], Any]] = {
    ReferenceScores: reference_scores,
    Calibrated: lambda run, source: partial(calibration, run, source),
    TrainingExamples: lambda run, source: partial(training_examples, run, source),
}
"""What a task may ask for that comes from the run and the data of its training, not from a
person."""


def sources(task: Callable[..., Any]) -> list[inspect.Parameter]:
    """What a task works on, of what a person gives: all that comes by position, but the model and
    what a run has."""
    hints = task_hints(task)
    by_position = [
        p for p in inspect.signature(task).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    return [p for p in by_position[1:] if hints[p.name] not in KEPT]


@cache
def task_hints(task: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(task)


@cache
def wanted_by_position(task: Callable[..., Any]) -> tuple[Any, ...]:
    """What a task wants of what a person gives by position, in the order of its signature."""
    hints = task_hints(task)
    return tuple(
        kind
        for source in sources(task)
        for kind in get_args(hints[source.name]) or [hints[source.name]]
    )


@cache
def takes_several(task: Callable[..., Any]) -> bool:
    """Whether a task works on any number of sources as on one."""
    return ScoredStream in task_hints(task).values()


def follow_file(
    modality: Modality, sources: Sequence[Any], weigh: ScoreFunction
) -> Iterator[Scored]:
    """What is in a file and what is added to it, until Ctrl-C or SIGTERM: what was read by then is
    done first."""
    if len(sources) != 1 or not isinstance(sources[0], str | Path):
        raise InputError(f"{flag('follow')} is for one file that grows; name just that one")
    stop = threading.Event()
    with stop_on_signal(stop):
        yield from modality.score(modality.open(sources[0]).follow(stop.wait), weigh)


def training_examples(run: Run, source: Any, most: int) -> NamedExamples:
    """Examples that a run learned from, `core.TrainingExamples`.

    source: The data of the training, or None where it is not at hand.
    """
    if source is None:
        raise InputError(
            f"{run.path} was trained on data in memory; give examples to learn directions from"
        )
    learn = run.modality.read(source).split(run.config["training"]["held_out"])[0]
    some = learn.subset(evenly_spaced(len(learn), most))
    whole = some.gather().to(run.model.device)
    return NamedExamples(whole.x, some.names, whole.y, run.modality.classes)
