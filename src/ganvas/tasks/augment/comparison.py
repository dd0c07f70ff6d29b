"""Whether one way to learn does better than others, on examples that none of them learned from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...core import Estimate
from ...core.statistics import percentile_interval

Figure = Callable[[np.ndarray, Any], float]
"""What answers (n, ...) to examples are worth, of which these are the numbers (n,)."""


def compare(
    answers: Mapping[str, np.ndarray], ours: str, figure: Figure, draws: int
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """What each way's answers are worth; and by how much more ours are worth than every other's.

    answers: Of each way, in one or several repetitions, to all held-out examples: (repetitions, N,
        ...).

    Intervals are of 95 %, by the bootstrap (Efron, 1979): examples are drawn anew, the same for all
    ways, and so are repetitions, one fewer than there are, which makes up for their being few (Rao
    & Wu, 1988).
    """
    random, n = np.random.default_rng(0), int(answers[ours].shape[1])
    drawn = {name: np.empty(draws) for name in answers}
    for i in range(draws):
        rows = random.choice(n, n)
        for name, answer in answers.items():
            some = random.choice(len(answer), max(len(answer) - 1, 1))
            drawn[name][i] = figure(rows, answer[some].mean(0)[rows])
    found = {name: figure(np.arange(n), answer.mean(0)) for name, answer in answers.items()}
    more = {
        name: percentile_interval(found[ours] - found[name], drawn[ours] - drawn[name])
        for name in answers
        if name != ours
    }
    return {name: percentile_interval(found[name], drawn[name]) for name in answers}, more


def describe_gain(new: str, measure: str, helped: Mapping[str, Estimate]) -> str:
    """In words, whether new examples helped: more than all else, more than some of it, or not.

    helped: By how much they did better than each other way, the first of which is to do nothing.
    """
    (nothing, change), better = (
        next(iter(helped.items())),
        [name for name, e in helped.items() if e.low > 0],
    )
    figures = (
        f"{measure} {change.value:+.3f} ({change.low:+.3f} to {change.high:+.3f}) beside {nothing}"
    )
    if change.high < 0:
        return f"{new} did harm: {figures}"
    if change.low <= 0:
        return f"{new} made no difference that can be told: {figures}"
    if others := [name for name in helped if name not in better]:
        figures += f"; but not more than {_listed(others)}, as far as can be told"
    return f"{new} helped: {figures}"


def _listed(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
