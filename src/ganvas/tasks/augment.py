"""Add new rows of rare classes, and say on held-out rows whether that helped."""

from __future__ import annotations

import numpy as np
import torch
from rich.console import Console

from ..core import Augmented, Balance, Estimate, Given, InputError, Samples, chance
from ._meeting import Seen, Tally, meeting
from ._trees import judged

FEWEST = 5  # held-out rows of each class that a judgement needs


@torch.no_grad()
def augment(
    model: Samples, x: Given, *, target: Balance | None = None, to_share: float = 0.5, seed: int | None = None
) -> Augmented:
    """Adds rows of the target's rare classes, and judges them.

    target: Column whose rare classes get new rows.
    to_share: Share of all rows that each rare class shall come to; with many classes, at most evenly.
    seed: The same seed gives the same rows.

    Boosted trees learn to tell the classes from the given rows that the model learned from: alone, with classes
    weighted, with as many new rows as these call for, and with SMOTE's (Chawla et al., 2002) where imbalanced-learn is
    installed. What counts is the average precision on the given rows that the training of the model held out, of the
    classes that got new rows; neither the model nor the trees learned from them.

    Example: ganvas augment runs/made-payments payments.csv --target fraud --out more.csv
    """
    if target is None:
        raise InputError("say whose rare classes shall get new rows: --target COLUMN")
    if not 0 < to_share < 1:
        raise InputError(f"--to-share is {to_share}; it must be above 0 and below 1")
    known = x.known[:, target.place].cpu().numpy()
    classes = np.where(known, x.codes[:, target.place].cpu().numpy(), -1)
    held = x.held_out.cpu().numpy()
    wanted = lacking(counted(classes, target), to_share)
    if not wanted.any():
        raise InputError(f"no class of {target.column!r} is rarer than --to-share {to_share}; there is nothing to add")
    with chance(seed):
        made = [meeting(model, n, Tally(wish, n), Seen(), None, None)
                for wish, n in zip(target.wishes, wanted.tolist(), strict=True) if n]  # fmt: skip
    added = torch.cat(made)
    own = np.repeat(np.arange(len(wanted)), wanted)
    rare = [i for i in np.flatnonzero(wanted).tolist() if (classes[held] == i).sum() >= FEWEST]
    if not rare:
        return _said(Augmented(x, added, {}, None), "too few held-out rows of rare classes to judge by", wanted)
    wanted_there = lacking(counted(classes[~held], target), to_share)
    first = np.concatenate([np.flatnonzero(own == i)[: wanted_there[i]] for i in range(len(wanted))])
    features, new = x.features(None, target.column), x.features(added[torch.from_numpy(first)], target.column)
    learn, judge = ~held & known, held & known
    precision, helped = judged(
        (features.x[learn], classes[learn]), (features.x[judge], classes[judge]), (new.x, own[first]),
        features.categories, rare,
    )  # fmt: skip
    return _said(Augmented(x, added, precision, helped), _verdict(helped), wanted)


def counted(classes: np.ndarray, target: Balance) -> np.ndarray:
    """How many rows each class has, (classes,); those that are missing, -1, count for none."""
    return np.bincount(classes[classes >= 0], minlength=len(target.wishes))


def lacking(counts: np.ndarray, share: float) -> np.ndarray:
    """How many rows each class lacks to come to a share of all, (classes,); with many classes, at most evenly."""
    share, rare = min(share, 1 / len(counts)), np.zeros(len(counts), bool)
    for _ in counts:
        # those that are raised come to t rows each, and t = share (others + number of raised t)
        level = share * counts[~rare].sum() / max(1 - share * rare.sum(), 1e-9)
        rare = counts < (level if rare.any() else share * counts.sum())
        if rare.all():
            break
    level = share * counts[~rare].sum() / max(1 - share * rare.sum(), 1e-9)
    return np.where(rare, np.ceil(level - 1e-6) - counts, 0).clip(0).astype(int)


def _verdict(helped: Estimate) -> str:
    word = "helped" if helped.low > 0 else "did harm" if helped.high < 0 else "made no difference that can be told"
    return f"new rows {word}: average precision {helped.value:+.3f} ({helped.low:+.3f} to {helped.high:+.3f})"


def _said(answer: Augmented, words: str, wanted: np.ndarray) -> Augmented:
    console = Console(stderr=True, highlight=False)
    lines = [f"{name}: average precision {e.value:.3f} ({e.low:.3f} to {e.high:.3f})"
             for name, e in answer.precision.items()]  # fmt: skip
    for line in [f"added {wanted.sum():,} rows", *lines, words]:
        console.print(line, soft_wrap=True, markup=False)
    return answer
