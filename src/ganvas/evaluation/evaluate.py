"""Judging a run: what it learned from, what it never saw, features to compare them by; then figures
and a report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from ..abilities import Completes, Samples, previews
from ..core import (
    Batch,
    Data,
    InputError,
    Modality,
    evenly_spaced,
    seeded_rng,
)
from ..core.statistics import nearest_distance
from ..runs.available import available_tasks
from ..runs.run import Run
from ..runtime import registry
from ..runtime.device import choose_device, prepare
from ..runtime.files import write_atomically
from .associations import draw_associations
from .figures import Coding, Evaluation, evaluate
from .report import Image, write_report

BYTES = 2**30  # of training examples that are compared with, at most
NEIGHBOURS = 3
FEWEST = 10  # examples that a model can be judged by


def write_final_report(run: Run) -> None:
    """What a run gets when its training is done: a film of its previews, and its report."""
    sheets = sorted((run.path / "previews").glob("*.png"))
    if sheets:
        run.modality.film(sheets, run.path / "previews" / "training.gif")
    judged = run.path / "evaluation.json"
    known = Evaluation.from_json(json.loads(judged.read_text("utf-8"))) if judged.exists() else None
    _report(run, known, run.path / "report.html")


def evaluate_run(
    run: Run,
    source: Any,
    learned_from: Any,
    *,
    features: str | None = None,
    size: int = 2000,
    target: str | None = None,
    out: Path | None = None,
    quiet: bool = False,
) -> Evaluation:
    """Judges a run on examples it has not seen, and writes its report.

    source: Data to judge by; whatever the model learned from is left out of it. None: what training
        held out.
    learned_from: The data of the training.
    features: What examples are compared by: learned (for images), imagenet, inception, or plain
        (for tables).
    size: Examples to judge by, at most.
    target: Column of a table that is to be predicted from samples; by default the last.
    out: Where the report goes; by default into the run.
    quiet: Say nothing on the way.

    Raises InputError where too few examples are left to judge by.
    """
    console = Console(stderr=True, quiet=quiet)
    modality = run.modality.inner  # of latents, samples are judged as what they are latents of
    train, held, leaks = _data(run, modality, source, learned_from)
    fit = registry.load("features", features or modality.features).fit
    extractor = fit(train, modality, run.path.parent / ".features")
    model = run.model
    prepare(model, choose_device())
    seen, unseen = (
        _spread(data, most).to(model.device) for data, most in ((train, 10 * size), (held, size))
    )
    coding = _coding(run, seen, unseen)
    embed = _remembering(lambda x: extractor(x.cpu()))
    with console.status("judging") as status, torch.no_grad():
        figures, drawn = evaluate(
            model,
            seen,
            unseen,
            embed,
            _classifier(extractor.classify, unseen.x),
            modality.frame,
            target,
            modality.pairs,
            lambda words: status.update(f"judging: {words}"),
            coding,
        )
        notes = [
            (
                f"Judged by {len(unseen):,} examples that the model never saw, beside {len(seen):,}"
                f" of the {len(train):,} that it learned from."
            ),
            f"Features: {extractor.description}.",
            *(
                [
                    "Samples, and what is filled in, are decoded first; what latents cannot hold"
                    " counts against them."
                ]
                if coding
                else []
            ),
            *leaks,
            *_twins(embed, seen.x, unseen.x),
        ]
        evaluation = Evaluation(figures, tuple(notes))
        _show_samples(run, modality, drawn, seen, unseen, embed)
        _show_passed(run, model, coding.held_out if coding else unseen)
    write_atomically(
        run.path / "evaluation.json", json.dumps(evaluation.to_json(), indent=2).encode()
    )
    _report(run, evaluation, out or run.path / "report.html")
    return evaluation


def _coding(run: Run, seen: Batch, unseen: Batch) -> Coding | None:
    """The same examples as latents, where the run learned these."""
    modality = run.modality
    if modality.encoder is None:
        return None
    train, held = (
        Batch(modality.encode(part.x), part.y).to(run.model.device) for part in (seen, unseen)
    )
    completing = modality.completing(run.model) if isinstance(run.model, Completes) else None
    return Coding(train, held, modality.inner.space, modality.decode, completing)


def _data(
    run: Run, modality: Modality, source: Any, learned_from: Any
) -> tuple[Data, Data, list[str]]:
    """What the model learned from, what it never saw, and what is to be said of how they
    overlapped."""
    train, held = modality.read(learned_from).split(run.config["training"]["held_out"])
    if source is not None:
        return train, *_unseen(modality.read(source), train)
    if len(held) < FEWEST:
        raise InputError(
            f"training held out {len(held)} examples, too few to judge by; give some it has not"
            " seen"
        )
    return train, held, []


def _remembering(features: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Features that are worked out once for each set of examples, however many metrics look at
    it."""
    known: dict[
        int, tuple[Tensor, Tensor]
    ] = {}  # keeps the examples too, so that no identity is given out twice

    def embed(x: Tensor) -> Tensor:
        if id(x) not in known:
            known[id(x)] = (x, features(x))
        return known[id(x)][1]

    return embed


def _unseen(held: Data, train: Data) -> tuple[Data, list[str]]:
    """The examples that are in no training set, and what is to be said of the others."""
    known = torch.isin(held.keys(), train.keys())
    if not known.any():
        return held, []
    fresh = held.subset((~known).nonzero().squeeze(1))
    if len(fresh) < FEWEST:
        raise InputError(
            f"the model learned from {int(known.sum()):,} of the {len(held):,} examples given, and "
            f"{len(fresh)} are too few to judge by; give examples it has not seen"
        )
    names = ", ".join(held.names[i] for i in known.nonzero().flatten()[:3].tolist())
    return fresh, [
        f"{int(known.sum()):,} of the examples given were learned from and are left out"
        f" ({names} …)."
    ]


def _twins(embed: Callable[[Tensor], Tensor], train: Tensor, held: Tensor) -> list[str]:
    """What is to be said of unseen examples that are all but the same as a training example."""
    near = nearest_distance(embed(held), embed(train))
    twins = int((near < 0.02 * near.median()).sum())
    return (
        [f"{twins:,} unseen examples are all but equal to one learned from: figures may flatter."]
        if twins
        else []
    )


def _classifier(
    classify: Callable[[Tensor], Tensor | None], x: Tensor
) -> Callable[[Tensor], Tensor] | None:
    if classify(x[:2].cpu()) is None:
        return None

    def on_device(x: Tensor) -> Tensor:
        named = classify(x.cpu())
        assert named is not None
        return named.to(x.device)

    return on_device


def _spread(data: Data, most: int) -> Batch:
    """Examples evenly spread over the data, no more than memory likes."""
    one = data.batch(torch.arange(1)).x
    return data.gather(min(most, max(BYTES // one.nbytes, 100)))


def _show_samples(
    run: Run,
    modality: Modality,
    drawn: Tensor | None,
    train: Batch,
    held: Batch,
    embed: Callable[[Tensor], Tensor],
) -> None:
    """Samples with their nearest training examples under them; of rows, how values are spread and
    go together."""
    folder, model = run.path / "images", run.model
    folder.mkdir(exist_ok=True)
    if drawn is None:
        return
    if (real := modality.frame(held.x)) is not None:
        if (made := modality.frame(drawn)) is not None:
            modality.sheet(drawn.cpu(), folder / "marginals.png")
            draw_associations(real, made, folder / "associations.png")
        return
    assert isinstance(model, Samples), "what was drawn was drawn by it"
    with seeded_rng(0):
        x = model.sample(10).float()
    x = run.modality.decode(x).to(x.device)
    near = torch.cdist(embed(x), embed(train.x)).topk(NEIGHBOURS, 1, largest=False).indices
    rows = torch.cat([x, *(train.x[column] for column in near.T.to(train.x.device))])
    modality.sheet(rows.cpu(), folder / "neighbours.png", columns=len(x))


def _show_passed(run: Run, model: Any, held: Batch) -> None:
    """Unseen examples with what came back of them, where these can be seen."""
    if run.modality.frame(held.x[:2]) is not None:
        return
    some = evenly_spaced(len(held), 10)
    y = None if held.y is None else held.y[some]
    for preview in previews(model):
        if rows := preview.rows(model, held.x[some], y):
            file = run.path / "images" / f"{preview.name}.png"
            run.modality.sheet(torch.cat([*rows]).cpu(), file, columns=len(some))


CAPTIONS = {
    "images/marginals.png": (
        "How frequent the values of each column are: among samples (blue), in training (grey)."
    ),
    "images/associations.png": (
        "How strongly columns go together (Cramér's V): among unseen rows, among samples, "
        "and where the two differ."
    ),
    "previews/training.gif": "The same latents, or the same unseen images, while it learned.",
    "images/neighbours.png": (
        f"Samples (top row), and under each the {NEIGHBOURS} training images most like it: "
        "a sample that equals one of them was memorised."
    ),
}


def _report(run: Run, evaluation: Evaluation | None, target: Path) -> None:
    last = sorted((run.path / "previews").glob("*.png"))[-1:]
    conditional = (
        isinstance(run.model, Samples) and run.model.condition is not None and run.modality.classes
    )
    asked = f" Columns: {', '.join(run.modality.classes)}." if conditional else ""
    images = [Image(file, f"Preview at the end of training.{asked}") for file in last]
    captions = CAPTIONS | {f"images/{one.name}.png": one.caption for one in previews(run.model)}
    images += [
        Image(run.path / name, words)
        for name, words in captions.items()
        if (run.path / name).exists()
    ]
    write_report(run, evaluation, images, available_tasks(type(run.model), run.modality), target)
