"""Sampling: generate new examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import torch
from torch import Tensor

from ...abilities import EstimatesDensityRatio, Generates, Samples, SamplesTokens, ScoresPrompts
from ...core import Constraint, InputError, Parts, seeded_rng
from ...core.constraints import Marginals, combine
from ...core.options import Balanced, Check, HeededBy, Label, Like, Prompt, Together, Unique, Where
from ...results.generated import Generated
from ...runtime.console import stderr_console
from ...runtime.errors import flag
from ...runtime.random import fresh_seed
from .._progress import with_progress
from .decoding import best_of_several, with_decoding_options
from .discriminator_rejection import with_rejection
from .raking import effective_size, rake, resample
from .rejection import Seen, Tally, batch_size, sample_meeting

POOL = 4
"""Rows drawn for each row that is to be like others."""
TOLD = 20  # constraints that are worth a line each

DECODES_LATENTS = HeededBy(Generates, "models that decode latents")
DRAWS_TOKENS = HeededBy(SamplesTokens, "models that draw symbols, such as transformer")
HAS_DISCRIMINATOR = HeededBy(EstimatesDensityRatio, "GANs, whose discriminator it asks")
SCORES_PROMPTS = HeededBy(ScoresPrompts, "models that score prompts, such as transformer")

Draw = Callable[[int, int], Tensor]
"""Draws so many rows, the first of which has this number."""


def sample(
    model: Samples,
    *,
    n: int = 16,
    label: Label | None = None,
    prompt: Prompt | None = None,
    best: Annotated[int, SCORES_PROMPTS] = 1,
    seed: int | None = None,
    truncation: Annotated[float | None, DECODES_LATENTS] = None,
    reject: Annotated[bool, HAS_DISCRIMINATOR] = False,
    where: Where | None = None,
    constraint: Check | None = None,
    unique: Unique | None = None,
    together: Together | None = None,
    balance: Balanced | None = None,
    like: Like | None = None,
    temperature: Annotated[float | None, DRAWS_TOKENS] = None,
    top_k: Annotated[int | None, DRAWS_TOKENS] = None,
    top_p: Annotated[float | None, DRAWS_TOKENS] = None,
    guidance: Annotated[float | None, DRAWS_TOKENS] = None,
    decoding_steps: Annotated[int | None, DRAWS_TOKENS] = None,
) -> Generated:
    """Draws new examples, in parts, when they are asked for.

    n: How many.
    label: What each shall be, where the model learned labels; without, every label in turn.
    prompt: What each shall show, where the model learned captions: "a red apple".
    best: Draw so many for each that is kept: that which, by the model's own likelihood, its prompt
        tells most about.
    seed: The same seed gives the same examples.
    truncation: Latents further out than this many standard deviations are drawn again: fewer
        surprises.
    reject: Draw again, as often as the discriminator finds that the data has fewer of a kind than
        were drawn.
    where: What every row shall be, as SQL says it: "income = '>50K' AND age > 40".
    constraint: What must hold in every row, such as "start <= end"; what is missing leaves it open,
        and that will do.
    unique: Column of which no value may come twice.
    together: Columns, such as "city,state", that have only combinations which came together in
        training.
    balance: Column of which every level shall come equally often.
    like: Table whose columns, as far as it has them, new ones shall be distributed like: each
        alone.
    temperature: Of a model of symbols: below 1 likely symbols become likelier still.
    top_k: Draw among so many of the likeliest symbols.
    top_p: Draw among the likeliest symbols that together have this probability.
    guidance: How many times as much the label or text shall count; above 1 samples fit it better
        and vary less.
    decoding_steps: In how many steps a model that draws many symbols at a time draws all; more take
        longer and fit better.

    A constraint is met exactly where the model completes: what is asked of one column each is drawn
    first. What is left to be met, and any constraint of another model's rows, is met by drawing
    until enough rows do; which way it was, and what share was accepted, is said on standard error.
    Raises InputError where too few are found.

    Example: ganvas sample runs/made-people --n 1000 --where "income = '>50K' AND age > 40" --out
        rich.csv
    """
    if n < 1:
        raise InputError(f"{flag('n')} is {n}; ask for at least one example")
    if truncation is not None and not truncation > 0:
        raise InputError(f"{flag('truncation')} is {truncation}; it must be above zero")
    y = _asked(label, prompt)
    if balance and like:
        raise InputError(
            f"{flag('balance')} and {flag('like')} contradict each other; leave one out"
        )
    if unique and like:
        raise InputError(
            f"{flag('unique')} and {flag('like')} contradict each other: rows of a pool may come"
            " twice; leave one out"
        )
    fit, model = model, with_rejection(model) if reject else model
    model = with_decoding_options(
        model,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        guidance=guidance,
        decoding_steps=decoding_steps,
    )
    model = best_of_several(model, fit, y, best)
    constraints = [
        combine([where, constraint, together, unique, level])
        for level in (balance.constraints if balance else [None])
    ]
    seed = fresh_seed() if seed is None else seed

    def draw() -> Iterator[Tensor]:
        tallies = _tallies(constraints, n)
        rows = (
            _alternating(model, tallies, y, truncation) if tallies else _free(model, y, truncation)
        )
        own = _like(rows, like, n) if like else rows
        return with_progress(
            _told(_parts(own, n, batch_size(model.space), seed), tallies), n, "sampling"
        )

    return Generated(Parts(draw))


def _tallies(constraints: Sequence[Constraint | None], n: int) -> list[Tally]:
    """Of each constraint how many examples shall meet it: `n` together, evenly."""
    shares = [n // len(constraints) + (i < n % len(constraints)) for i in range(len(constraints))]
    return [Tally(one, share) for one, share in zip(constraints, shares, strict=True) if one]


def _asked(label: int | None, prompt: Tensor | None) -> Tensor | None:
    """What every example shall be, (1, *condition.shape). Raises InputError where two things are
    asked for."""
    if label is not None and prompt is not None:
        raise InputError(
            f"{flag('label')} and {flag('prompt')} contradict each other; leave one out"
        )
    if prompt is not None:
        return prompt[None]
    return None if label is None else torch.full((1, 1), label)


def _parts(rows: Draw, n: int, size: int, seed: int) -> Iterator[Tensor]:
    """Rows in parts; chance starts from the seed and the part alone."""
    for part, start in enumerate(range(0, n, size)):
        with seeded_rng(seed, part):
            x = rows(min(size, n - start), start)
        yield x


def _free(model: Samples, y: Tensor | None, truncation: float | None) -> Draw:
    return lambda n, start: model.sample(n, None if y is None else y.expand(n, -1), truncation)


def _alternating(
    model: Samples, tallies: list[Tally], y: Tensor | None, truncation: float | None
) -> Draw:
    """Rows that meet the constraints in turn: the first the first, the second the second, and so
    on."""
    seen = Seen()

    def draw(n: int, start: int) -> Tensor:
        turns = (torch.arange(n) + start) % len(tallies)
        shares = zip(tallies, turns.bincount(minlength=len(tallies)).tolist(), strict=True)
        found = [
            sample_meeting(model, share, tally, seen, y, truncation)
            for tally, share in shares
            if share
        ]
        return torch.cat(found)[turns.argsort(stable=True).argsort()]

    return draw


def _like(rows: Draw, like: Marginals, n: int) -> Draw:
    """Rows out of a pool of more, such that columns are distributed as asked; says how far the pool
    reached."""

    def draw(count: int, start: int) -> Tensor:
        size = max(count, 2**12)
        pool = torch.cat([rows(size, i * size) for i in range(POOL)])
        codes = like.codes(pool)
        weights = rake(codes, like.shares)
        alike = codes.unique(dim=0, return_inverse=True)[
            1
        ].argsort()  # so that rows of a kind stand in for each other
        picks = alike[resample(weights[alike], count)][torch.randperm(count)]
        if start == 0:
            _say(f"{like.words}: {_reach(codes, weights, picks, like)}")
        return pool[picks.to(pool.device)]

    return draw


def _reach(codes: Tensor, weights: Tensor, picks: Tensor, like: Marginals) -> str:
    """In words, what became of a pool: its effective size, rows that repeat, what was out of
    reach."""
    lost = max(
        float(wanted[codes[:, i].bincount(minlength=len(wanted)) == 0].sum())
        for i, wanted in enumerate(like.shares)
    )
    words = (
        f"a pool of {len(codes):,} rows was worth {effective_size(weights):,.0f};"
        f" {len(picks.unique()):,} of "
    )
    words += f"{len(picks):,} rows are different ones"
    return words + (
        f"; up to {lost:.1%} of a column is of values that were never drawn" if lost > 0 else ""
    )


def _told(parts: Iterator[Tensor], tallies: list[Tally]) -> Iterator[Tensor]:
    """The same parts; after the last it is said how constraints were met."""
    yield from parts
    for tally in tallies[:TOLD]:
        _say(f"{tally.constraint.words}: {tally.words}")


def _say(words: str) -> None:
    stderr_console(highlight=False).print(words, soft_wrap=True, markup=False)
