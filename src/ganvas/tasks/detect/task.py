"""Anomaly detection: find what is anomalous, and say how sure that is and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

import torch
from torch import Tensor

from ...abilities import Scores
from ...core import InputError, Parts
from ...core.conformal import p_values_in_order
from ...core.detection import Detected, ReferenceScores, Scored, ScoredStream
from ...core.options import Endless
from ...results.detections import Detections, Tally
from ...runtime.console import is_silent, stderr_console
from ...runtime.errors import flag
from .._progress import progress_bar

COMPARED = 2**22  # distances that are worked out at a time
ROOM = (
    2**21
)  # numbers of examples and attribution that are kept while others are still to be weighed
FDR, ALPHA = 0.1, 0.01

Examples = Callable[[], Iterator[Scored]]


def detect(
    model: Scores,
    x: ScoredStream,
    normal: ReferenceScores,
    *,
    fdr: float | None = None,
    alpha: float | None = None,
    follow: Annotated[bool, Endless()] = False,
) -> Detections:
    """Scores examples, and finds those that are more anomalous than normal ones are.

    fdr: Share of what is found that may be normal after all (Benjamini & Hochberg, 1995); 0.1 where
        nothing is said.
    alpha: Or share of normal examples that may be found; 0.01 where nothing is said while
        following.
    follow: Wait for what is added to a file, and judge it as it comes, until Ctrl-C.

    The p-value of an example is the share of normal examples, which the model did not learn from,
    that are as anomalous: if it is one of them, p is below a with a probability of a at most,
    whatever the model (Vovk et al., 2005).

    Example: ganvas detect runs/detector-payments today.csv older/ --fdr 0.1 --out anomalous.csv
    """
    for name, share in (("fdr", fdr), ("alpha", alpha)):
        if share is not None and not 0 < share < 1:
            raise InputError(f"{flag(name)} is {share}; it must be above 0 and below 1")
    if fdr and alpha:
        raise InputError(f"{flag('fdr')} and {flag('alpha')} contradict each other; leave one out")
    if fdr and follow:
        raise InputError(
            f"{flag('fdr')} looks at everything at once, and {flag('follow')} never has"
            f" everything; say {flag('alpha')} instead"
        )
    alpha = alpha or (ALPHA if follow else None)
    tally = Tally()

    def examples() -> Iterator[Scored]:
        parts = x.weighed(model.score_with_attribution)
        return parts if follow else progress_bar(parts, "scoring", lambda part: len(part.scores))

    def judge() -> Iterator[Detected]:
        if alpha:
            return _alone(examples, normal, alpha)
        if x.apart:
            return _apart(examples, normal, fdr or FDR, x.apart)
        return _together(examples, normal, fdr or FDR)

    share = alpha or fdr or FDR
    parts = Parts(lambda: _told(judge(), tally, len(normal.scores), share), follow)
    return Detections(parts, normal, tally, follow)


def _alone(examples: Examples, normal: ReferenceScores, alpha: float) -> Iterator[Detected]:
    """Each example by its own p-value."""
    for part in examples():
        p = p_values_in_order(part.scores, normal.ranked)
        yield _judged(part, p, p <= alpha, normal)


def _apart(
    examples: Examples, normal: ReferenceScores, fdr: float, sizes: tuple[int, ...]
) -> Iterator[Detected]:
    """Each example by the p-values of those who came with it."""
    for part in examples():
        p = p_values_in_order(part.scores, normal.ranked)
        found = torch.cat(
            [own <= fdr if len(own) == 1 else discoveries(own, fdr) for own in p.split(sizes)]
        )
        yield _judged(part, p, found, normal)


def _together(examples: Examples, normal: ReferenceScores, fdr: float) -> Iterator[Detected]:
    """Each example by the p-values of all: of very many these alone are kept, and the rest is
    worked out again."""
    p, kept, room = [torch.empty(0, dtype=torch.float64)], list[Scored](), ROOM
    for part in examples():
        p.append(p_values_in_order(part.scores, normal.ranked))
        room -= part.x.numel() + part.attribution.numel()
        if room >= 0:
            kept.append(part)
        else:
            kept.clear()
    whole = torch.cat(p)
    found = whole[discoveries(whole, fdr)]
    again = examples() if room < 0 else iter(kept)
    yield from _alone(lambda: again, normal, float(found.max()) if len(found) else 0.0)


def _judged(part: Scored, p: Tensor, found: Tensor, normal: ReferenceScores) -> Detected:
    """Examples, and what was found among them."""
    nearest = torch.full(p.shape, -1)
    if found.any():
        nearest[found] = _nearest(part.x[found], normal)
    return Detected(
        part.x, part.names, part.scores, p, found, part.attribution - normal.attribution, nearest
    )


def discoveries(p: Tensor, fdr: float) -> Tensor:
    """Which of p-values (n,) to call findings so that a share `fdr` of these is false at most, in
    expectation: all up to the largest p_(k) that is at most k fdr / n (Benjamini & Hochberg,
        1995)."""
    ranked = p.sort().values
    good = (ranked <= fdr * torch.arange(1, len(p) + 1, dtype=torch.float64) / len(p)).nonzero()
    return p <= ranked[good.max()] if len(good) else torch.zeros_like(p, dtype=torch.bool)


def _nearest(found: Tensor, normal: ReferenceScores) -> Tensor:
    """Numbers of the normal examples nearest to what was found, (found,); -1 where there are none
    at hand."""
    if not len(normal.examples) or not len(found):
        return torch.full((len(found),), -1)
    parts = normal.vectors(found).split(max(COMPARED // len(normal.known), 1))
    return torch.cat([torch.cdist(part, normal.known).argmin(1) for part in parts])


def _told(parts: Iterator[Detected], tally: Tally, normal: int, share: float) -> Iterator[Detected]:
    """The same parts, counted, and at the end what came of them in words."""
    yield from tally.count(parts)
    _say(tally.found, tally.of, normal, share)


def _say(found: int, of: int, normal: int, share: float) -> None:
    if is_silent():
        return
    console = stderr_console(highlight=False)
    console.print(
        f"{found:,} of {of:,} are anomalous, beside {normal:,} normal examples", soft_wrap=True
    )
    least = 1 / (1 + normal)
    if least > share or (not found and of and least > share / of):
        words = (
            f"with {normal:,} normal examples no p-value is below {least:.1g}, so that a few"
            f" findings among {of:,}"
        )
        console.print(
            f"{words} may not show: train with more examples, or a larger --held-out",
            soft_wrap=True,
        )
