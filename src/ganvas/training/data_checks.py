"""Checks of data before a model learns from it: of some examples, and of the keys of all."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor

from ..abilities import Generates, Samples
from ..core import Batch, Continuous, Data, InputError, Model, evenly_spaced, seeded_rng
from ..runs.diagnosis import Diagnosis

EXAMPLES = 1000
"""That are looked at; all where there are fewer."""

FEW = 1000
"""Distinct examples below which a discriminator soon knows them all (Karras et al., 2020, figure 1,
of thousands)."""

NEIGHBOURS = 10


def check_data(data: Data, vectors: Callable[[Tensor], Tensor], model: Model) -> list[Diagnosis]:
    """Diagnoses of data for this model. Raises InputError where an example holds what is no number.

    vectors: Examples as vectors (N, D) whose distances mean something: `Modality.vectors`.
    """
    some = data.gather(most=EXAMPLES)
    _refuse_non_finite(some.x, data)
    x = vectors(some.x).cpu()
    distinct = cache(partial(_count_distinct, data))  # reads all of the data: once, if it matters
    results = (
        find_constant(x),
        find_duplicates(len(data), distinct, model),
        find_few(distinct, model),
        find_unrelated_labels(x, some, model),
        find_narrow_latent(x, model),
    )
    found = [diagnosis for diagnosis in results if diagnosis]
    return found[:1] if found and found[0].kind == "constant data" else found


def find_constant(x: Tensor) -> Diagnosis | None:
    """Examples that are all the same leave nothing to learn."""
    if x.std(0, correction=0).max() > 1e-6:
        return None
    words = f"all {len(x):,} examples that were looked at are the same"
    return Diagnosis("constant data", 0, words, "check the source, and how it is read", grave=True)


def find_duplicates(n: int, distinct: Callable[[], int], model: Model) -> Diagnosis | None:
    """Duplicates are memorised (Lee et al., 2022; Carlini et al., 2023). Rows may well
    occur twice."""
    if not isinstance(model.space, Continuous) or distinct() > 0.7 * n:
        return None
    words = (
        f"{1 - distinct() / n:.0%} of {n:,} examples are copies of others; {distinct():,} are"
        " distinct"
    )
    return Diagnosis("duplicates", 0, words, "leave each in once, or it will be memorised")


def find_few(distinct: Callable[[], int], model: Model) -> Diagnosis | None:
    """A discriminator memorises few examples, and its gradients mean nothing then (Karras et al.,
    2020)."""
    if len(model.players) == 1 or not isinstance(model, Samples) or distinct() >= FEW:
        return None
    words = f"there are {distinct():,} distinct examples, and a discriminator soon memorises so few"
    return Diagnosis(
        "too few data", 0, words, "give more, mirror them (--flip), or use --augment adaptive"
    )


def find_unrelated_labels(x: Tensor, some: Batch, model: Model) -> Diagnosis | None:
    """Labels that neighbours do not share (Cover & Hart, 1967): each example's by the vote of its
    nearest others."""
    if not isinstance(model, Samples) or model.condition is None:
        return None
    if some.y is None or some.y.shape[1] > 1:
        return None
    y = some.y.squeeze(1).cpu()
    shares = y.bincount(minlength=model.condition.vocabulary) / len(y)
    apart = torch.cdist(x, x).fill_diagonal_(torch.inf)
    votes = y[apart.topk(min(NEIGHBOURS, len(x) - 1), largest=False).indices]
    right = (votes.mode(1).values == y).double().mean().item()
    guess = shares.max().item()
    if right > guess + 3 * (guess * (1 - guess) / len(y)) ** 0.5:
        return None
    words = (
        f"neighbours guess {right:.0%} of labels, and always saying the commonest would guess"
        f" {guess:.0%}"
    )
    advice = "check that labels belong to their examples, or use a model that needs none"
    return Diagnosis("labels that go with nothing", 0, words, advice)


def find_narrow_latent(x: Tensor, model: Model) -> Diagnosis | None:
    """Samples made of n numbers have n dimensions at most, and the data has more (Arjovsky &
    Bottou, 2017, lemma 1)."""
    if not isinstance(model, Generates) or len(x) < 10 * NEIGHBOURS:
        return None
    with seeded_rng(0), torch.no_grad():
        latent = model.prior(1).numel()
    needed = dimension(x)
    if latent > needed / 3:
        return None
    words = (
        f"an example is made from {latent} numbers, and the data has about {needed:.0f} dimensions"
    )
    return Diagnosis("narrow latent", 0, words, "raise --latent")


def dimension(x: Tensor, k: int = NEIGHBOURS) -> float:
    """The dimension of what examples (N, D) lie on, from the distances to their nearest k others.

    Levina & Bickel, 2005, equation 8, averaged as by MacKay & Ghahramani, 2005; copies of an
    example do not count.
    """
    x = x.double().unique(dim=0)
    if len(x) < 3:
        return 0.0
    nearest = (
        torch.cdist(x, x).topk(min(k + 1, len(x)), largest=False).values[:, 1:].clamp(min=1e-12)
    )
    inverse = (nearest[:, -1:] / nearest[:, :-1]).log().mean()
    return (1 / inverse.clamp(min=1e-12)).item()


def _count_distinct(data: Data) -> int:
    """How many examples differ, as far as their keys show."""
    return len(data) if data.parts else len(data.keys().unique())


def _refuse_non_finite(x: Tensor, data: Data) -> None:
    bad = ~x.float().flatten(1).isfinite().all(1)
    if bad.any():
        where = data.names[int(evenly_spaced(len(data), EXAMPLES)[bad][0])]
        raise InputError(f"{where} holds values that are no numbers; mend it, or leave it out")
