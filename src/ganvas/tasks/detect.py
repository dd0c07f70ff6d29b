"""Find what is not normal, and say how sure that is and why."""

from __future__ import annotations

import torch
from rich.console import Console
from torch import Tensor

from ..core import Detections, InputError, Named, Normal, Scores
from ._progress import counted

AT_ONCE = 1024
COMPARED = 2**22  # distances that are worked out at a time


@torch.no_grad()
def detect(model: Scores, x: Named, normal: Normal, *, fdr: float = 0.1, alpha: float | None = None) -> Detections:
    """Scores examples, and finds those that are stranger than normal ones are.

    fdr: Share of what is found that may be normal after all (Benjamini & Hochberg, 1995).
    alpha: Or share of normal examples that may be found.

    The p-value of an example is the share of normal examples, which the model did not learn from, that are as strange:
    if it is one of them, p is below a with a probability of a at most, whatever the model (Vovk et al., 2005).

    Example: ganvas detect runs/made-payments today.csv --fdr 0.1 --out strange.csv
    """
    for name, share in (("fdr", fdr), ("alpha", alpha)):
        if share is not None and not 0 < share < 1:
            raise InputError(f"--{name} is {share}; it must be above 0 and below 1")
    judged = [model.weigh(part) for part in counted(x.x.split(AT_ONCE), len(x.x), "scoring")]
    scores, blame = (torch.cat(parts).float().cpu() for parts in zip(*judged, strict=True))
    if x.hidden.dim():
        scores, blame = scores + x.hidden.flatten(1).sum(1), blame + x.hidden
    p = p_values(scores, normal.scores)
    found = discoveries(p, fdr) if alpha is None else p <= alpha
    _say(int(found.sum()), len(found), len(normal.scores), fdr if alpha is None else alpha)
    return Detections(x, scores, p, found, blame - normal.blame, _nearest(x.x.cpu()[found], normal), normal)


def p_values(scores: Tensor, normal: Tensor) -> Tensor:
    """(1 + number of normal scores (N,) that are as high) / (1 + N), of each score (n,); float64."""
    ranked = normal.sort().values
    as_high = len(ranked) - torch.searchsorted(ranked, scores.contiguous())
    return (1 + as_high).double() / (1 + len(ranked))


def discoveries(p: Tensor, fdr: float) -> Tensor:
    """Which of p-values (n,) to call findings so that a share `fdr` of these is false at most, in expectation: all up
    to the largest p_(k) that is at most k fdr / n (Benjamini & Hochberg, 1995)."""
    ranked = p.sort().values
    good = (ranked <= fdr * torch.arange(1, len(p) + 1, dtype=torch.float64) / len(p)).nonzero()
    return p <= ranked[good.max()] if len(good) else torch.zeros_like(p, dtype=torch.bool)


def _nearest(found: Tensor, normal: Normal) -> Tensor:
    """Numbers of the normal examples nearest to what was found, (found,); empty where there are none at hand."""
    if not len(normal.examples) or not len(found):
        return torch.empty(0, dtype=torch.int64)
    known = normal.vectors(normal.examples)
    parts = normal.vectors(found).split(max(COMPARED // len(known), 1))
    return torch.cat([torch.cdist(part, known).argmin(1) for part in parts])


def _say(found: int, of: int, normal: int, share: float) -> None:
    console = Console(stderr=True, highlight=False)
    console.print(f"{found:,} of {of:,} are strange, beside {normal:,} normal examples", soft_wrap=True)
    least = 1 / (1 + normal)
    if least > share or (not found and least > share / of):
        words = f"with {normal:,} normal examples no p-value is below {least:.1g}, so that a few findings among {of:,}"
        console.print(f"{words} may not show: train with more examples, or a larger --held-out", soft_wrap=True)
