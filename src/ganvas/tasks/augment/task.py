"""Data augmentation: add new examples of rare classes, and say on held-out ones whether that
helped."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ...abilities import Samples
from ...core import Given, InputError, LabelledExamples, seeded_rng
from ...core.constraints import Balance
from ...core.options import Balanced
from ...results.augmented import Augmented, AugmentedImages, AugmentedRows
from ...runtime.console import stderr_console
from ...runtime.errors import flag
from .._progress import with_progress
from ..sample.rejection import Seen, Tally, batch_size, sample_meeting
from . import networks, trees
from .comparison import describe_gain

FEWEST = 5  # held-out examples of each class that a judgement needs


def augment(
    model: Samples,
    x: Given | LabelledExamples,
    *,
    target: Balanced | None = None,
    to_share: float = 0.5,
    per_class: int | None = None,
    seed: int | None = None,
) -> AugmentedRows | AugmentedImages:
    """Adds examples of rare classes, and judges them.

    target: Column of a table whose rare classes get new rows; of images, the labels do.
    to_share: Share of all that each rare class shall come to, an even one at most: so by default
        the largest's count.
    per_class: Examples, given and new ones, that every class shall come to at least, instead of a
        share.
    seed: The same seed gives the same new examples.

    Boosted trees for rows, small convolutional networks for images learn to tell the classes
    apart, from what was
    given and the model learned from: alone, with classes weighted, with as many new examples as
    these call for; rows with SMOTE's too (Chawla et al., 2002), where imbalanced-learn is
    installed, images shifted and mirrored. What
    counts are the examples that the training of the model held out, from which nobody learned: of
    rows the average precision of the classes that got new ones, of images the share named
    rightly, all classes counting alike.

    Example: ganvas augment runs/dcgan-photos photos/ --out more/
    """
    aim = Aim(to_share, per_class)
    if isinstance(x, LabelledExamples):
        return _images(model, x, aim, seed)
    if target is None:
        raise InputError(f"say whose rare classes shall get new rows: {flag('target', 'COLUMN')}")
    return _rows(model, x, target, aim, seed)


@dataclass(frozen=True)
class Aim:
    """What each class shall come to: a share of all examples, or so many of them."""

    share: float
    each: int | None

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise InputError(f"{flag('to_share')} is {self.share}; it must be above 0 and below 1")
        if self.each is not None and self.each < 1:
            raise InputError(f"{flag('per_class')} is {self.each}; it must be at least 1")

    def wanted(self, classes: np.ndarray, kinds: int) -> np.ndarray:
        """How many examples each class lacks, (kinds,); those of no class, -1, count for none."""
        counts = np.bincount(classes[classes >= 0], minlength=kinds)
        return (
            rare_classes(counts, self.share) if self.each is None else (self.each - counts).clip(0)
        )

    def __str__(self) -> str:
        return flag("to_share", self.share) if self.each is None else flag("per_class", self.each)


def rare_classes(counts: np.ndarray, share: float) -> np.ndarray:
    """How many examples each class lacks to come to a share of all, (classes,); with many classes,
    at most evenly."""
    share, rare = min(share, 1 / len(counts)), np.zeros(len(counts), bool)
    for _ in counts:
        # those that are raised come to t each, and t = share (others + number of raised t)
        level = share * counts[~rare].sum() / max(1 - share * rare.sum(), 1e-9)
        rare = counts < (level if rare.any() else share * counts.sum())
        if rare.all():
            break
    level = share * counts[~rare].sum() / max(1 - share * rare.sum(), 1e-9)
    return np.where(rare, np.ceil(level - 1e-6) - counts, 0).clip(0).astype(int)


def _rows(model: Samples, x: Given, target: Balance, aim: Aim, seed: int | None) -> AugmentedRows:
    known, kinds = x.known[:, target.place].cpu().numpy(), len(target.constraints)
    classes = np.where(known, x.codes[:, target.place].cpu().numpy(), -1)
    held, wanted = x.held_out.cpu().numpy(), aim.wanted(classes, kinds)
    if not wanted.any():
        raise InputError(
            f"no class of {target.column!r} is rarer than {aim}; there is nothing to add"
        )
    with seeded_rng(seed):
        made = [
            sample_meeting(model, n, Tally(constraint, n), Seen(), None, None)
            for constraint, n in zip(target.constraints, wanted.tolist(), strict=True)
            if n
        ]
    added, own = torch.cat(made), np.repeat(np.arange(kinds), wanted)
    answer = AugmentedRows(x, added, torch.from_numpy(own), "average precision", {}, {})
    rare = [i for i in judgeable(classes[held]) if wanted[i]]
    if not rare:
        _say(answer, "rows")
        return answer
    first = _firsts(own, aim.wanted(classes[~held], kinds))
    features, new = (
        x.features(None, target.column),
        x.features(added[torch.from_numpy(first)], target.column),
    )
    learn, judge = ~held & known, held & known
    scores, helped = trees.score_with_trees(
        (features.x[learn], classes[learn]),
        (features.x[judge], classes[judge]),
        (new.x, own[first]),
        features.categories,
        rare,
    )
    answer = replace(answer, scores=scores, helped=helped)
    _say(answer, "rows")
    return answer


def _images(model: Samples, x: LabelledExamples, aim: Aim, seed: int | None) -> AugmentedImages:
    if model.condition is None:
        raise InputError(
            "the model learned no labels and cannot be asked for a class; train cgan or dcgan on"
            " images in one sub-folder per class"
        )
    classes, held, kinds = x.y.cpu().numpy(), x.held_out.cpu().numpy(), len(x.classes)
    wanted = aim.wanted(classes, kinds)
    if not wanted.any():
        raise InputError(
            f"no class is rarer than {aim}; there is nothing to add: ask for more with"
            f" {flag('per_class')}"
        )
    own = torch.from_numpy(np.repeat(np.arange(kinds), wanted))
    with seeded_rng(seed):
        added = _drawn(model, own)
    answer = AugmentedImages(x, added, own, "accuracy", {}, {})
    clear = judgeable(classes[held])
    if not wanted[clear].any() or held.all():
        _say(answer, "images")
        return answer
    first = torch.from_numpy(_firsts(own.numpy(), aim.wanted(classes[~held], kinds)))
    learn, judge = torch.from_numpy(~held), torch.from_numpy(held & np.isin(classes, clear))
    ways = networks.training_sets(
        networks.Cases(x.x[learn], x.y[learn]), networks.Cases(added[first], own[first].to(x.y))
    )
    scores, helped = networks.score_with_networks(
        ways, networks.Cases(x.x[judge], x.y[judge]), kinds
    )
    answer = replace(answer, scores=scores, helped=helped)
    _say(answer, "images")
    return answer


def judgeable(classes: np.ndarray) -> list[int]:
    """The classes of which enough held-out examples, -1 where of none, are there to judge by."""
    return np.flatnonzero(np.bincount(classes[classes >= 0]) >= FEWEST).tolist()


def _firsts(own: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Numbers of the first so many new examples of each class: as many as those call for that were
    learned from."""
    return np.concatenate([np.flatnonzero(own == i)[:n] for i, n in enumerate(most)])


def _drawn(model: Samples, y: Tensor) -> Tensor:
    """New examples of these classes (n,), shape (n, *space.shape)."""
    parts = (
        model.sample(len(part), part.unsqueeze(1)).float()
        for part in y.split(batch_size(model.space))
    )
    return torch.cat(list(with_progress(parts, len(y), "drawing")))


def _say(answer: Augmented, what: str) -> None:
    console = stderr_console(highlight=False)
    lines = [
        f"{name}: {answer.measure} {e.value:.3f} ({e.low:.3f} to {e.high:.3f})"
        for name, e in answer.scores.items()
    ]
    words = (
        describe_gain(f"new {what}", answer.measure, answer.helped)
        if answer.helped
        else (
            f"too few held-out {what} of these classes to judge by: train with a larger --held-out"
        )
    )
    for line in [f"added {len(answer.added):,} {what}", *lines, words]:
        console.print(line, soft_wrap=True, markup=False)
