"""Reads the log of a game while it is played and says, in words, what is wrong with it and what
would help.

Each diagnosis is made by a function of the history, which returns None where its columns are not in
the log, and names the paper that describes the failure. Thresholds are those of a sign that lasts,
since every game goes wrong for a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from statistics import median
from typing import Any, NamedTuple, Self

RECENT = 200  # lines of the log that are looked at, beside all earlier ones with a preview
SMOOTH = 10  # lines that are averaged, so that one batch is no sign
LASTING = 300  # steps for which a sign must have been there
GROWN = 500  # steps after which samples of a sound game are no longer all alike

FOOLED, CERTAIN = 0.6, 0.99
"""Share of pairs that a discriminator orders when it cannot tell real from made, and when it always
can."""

SLIPPED = 0.15
"""Share of real examples that samples covered at their best and no longer do, beyond what 256
samples leave to luck."""

INFORMATIVE, BYTE = 2.0, 8.0
"""Bits about an example that latents must carry at least: enough to say which of four kinds it is;
and those that are few where nine in ten latents are idle."""

NOTES = (
    "/gradient",
    "/ordering",
    "/bits",
    "/active",
    "/perplexity",
    "/used",
    "/lambda",
    "/bits_per_token",
    "/bits_per_byte",
    "/bound",
    "/PSNR (dB)",
)
"""What is looked at while a game is played, and no term of a loss."""

RECKLESS = 0.2
"""Step of Adam, as a share of the size of weights, that is far beyond what any of our models takes
(0.01 to 0.05)."""


class Remedy(NamedTuple):
    """One thing to change: multiplied by `factor`, then kept between `least` and `most`.

    what: "lr" for the learning rate of every player, "lr.PLAYER" for that of one, or one of the
        model's `hyperparameters`.
    """

    what: str
    factor: float
    least: float = 0.0
    most: float = 1e12

    def apply(self, value: float) -> float:
        """The value after the change; the same value where nothing can be changed any more."""
        new = min(max(value * self.factor, self.least), self.most)
        return (
            new if (new > value) == (self.factor > 1) else value
        )  # a bound does not pull the other way


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a game, in words.

    kind: Its usual name.
    since: Step in which the sign began; 0 for what was so before the first.
    words: What the log shows, with numbers.
    advice: What to do.
    grave: Whether training that goes on as it does is wasted.
    remedies: What may help, in the order in which to try it.
    """

    kind: str
    since: int
    words: str
    advice: str
    grave: bool = False
    remedies: tuple[Remedy, ...] = ()

    def __str__(self) -> str:
        since = f" since step {self.since:,}" if self.since else ""
        return f"{self.kind}{since}: {self.words}; {self.advice}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(**{**value, "remedies": tuple(Remedy(*remedy) for remedy in value["remedies"])})


class Intervention(NamedTuple):
    """One change that was made to a game after a grave diagnosis.

    step: Step after which it was made; to_step: step whose averaged weights the game went back
        to, 0 for none.
    what, before, after: as in `Remedy.what`, with its value.
    """

    step: int
    kind: str
    what: str
    before: float
    after: float
    to_step: int

    def __str__(self) -> str:
        back = f"the weights of step {self.to_step:,}" if self.to_step else "the first weights"
        change = f"{self.what} {self.before:.3g} -> {self.after:.3g}"
        return f"step {self.step:,}, {self.kind}: back to {back}, {change}"


class Curve(NamedTuple):
    """One column of a log: a value in some of the steps, oldest first."""

    steps: tuple[int, ...] = ()
    values: tuple[float, ...] = ()

    @property
    def last(self) -> float:
        return self.values[-1]

    def smooth(self) -> Curve:
        """Each value averaged with those before it."""
        windows = (self.values[max(i - SMOOTH, 0) : i] for i in range(1, len(self.values) + 1))
        return Curve(self.steps, tuple(sum(window) / len(window) for window in windows))

    def since(self, holds: Callable[[float], bool]) -> int | None:
        """The first step of the unbroken stretch, up to now, in which this holds; None where it
        does not now."""
        first = None
        for step, value in zip(reversed(self.steps), reversed(self.values), strict=True):
            if not holds(value):
                break
            first = step
        return first

    def lasting_since(self, holds: Callable[[float], bool], n_steps: int = LASTING) -> int | None:
        """The same, where the stretch has lasted for so many steps."""
        first = self.since(holds)
        if first is None or self.steps[-1] - first < n_steps:
            return None
        return first


@dataclass(frozen=True)
class Facts:
    """What is known of a game beside its log.

    lr: Learning rates by player.
    sizes: Root mean squares of the weights that players began with.
    parameters: How many a player has.
    codes: Size of the codebook of a model that has one, as far as a step has places for.
    """

    lr: Mapping[str, float] = field(default_factory=dict)
    sizes: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, int] = field(default_factory=dict)
    codes: int = 0

    @property
    def relative_steps(self) -> dict[str, float]:
        """How far one step of Adam may change a weight, as a share of its size, by player."""
        return {player: self.lr[player] / size for player, size in self.sizes.items() if size}


@dataclass(frozen=True)
class History:
    """A view of the log of a game, oldest line first, and the facts."""

    lines: Sequence[Mapping[str, float]]
    facts: Facts = field(default_factory=Facts)

    @property
    def step(self) -> int:
        return int(self.lines[-1]["step"]) if self.lines else 0

    @property
    def start(self) -> int:
        """The step it starts after: what came before an intervention is another game."""
        return int(self.lines[0]["step"]) - 1 if self.lines else 0

    @property
    def age(self) -> int:
        return self.step - self.start

    def curve(self, name: str) -> Curve:
        """A column, as far as it was logged and is a number."""
        lines = [line for line in self.lines if name in line and isfinite(line[name])]
        return Curve(
            tuple(int(line["step"]) for line in lines), tuple(line[name] for line in lines)
        )

    def terms(self, end: str = "") -> Iterator[tuple[str, Curve]]:
        """The columns of players' terms and notes whose names end so, where they have values."""
        for name in dict.fromkeys(name for line in self.lines for name in line):
            curve = self.curve(name)
            if curve.values and _is_of_player(name) and name.endswith(end):
                yield name, curve

    @property
    def non_finite_term(self) -> tuple[str, float] | None:
        """A term of a player's that is no number in the last step, by name, if there is one."""
        for name, value in self.lines[-1].items():
            if _is_of_player(name) and not isfinite(value):
                return name, value
        return None

    @property
    def has_poor_samples(self) -> bool:
        """Whether samples were looked at after they had time to become good, and have not."""
        coverage, diversity = self.curve("made/coverage"), self.curve("made/diversity")
        if self.age < GROWN or len(coverage.values) < 3 or coverage.last >= 0.15:
            return False
        return not diversity.values or diversity.last < 0.7


def find_non_finite_loss(history: History) -> Diagnosis | None:
    """Numbers out of range: steps were longer than the loss is smooth (Goodfellow et al., 2016,
    section 8.2.4)."""
    if history.non_finite_term is None:
        return None
    name, value = history.non_finite_term
    return _divergence(history.step, f"{name} became {value}")


def find_exploding_gradient(history: History) -> Diagnosis | None:
    """Gradients a thousand times as long as they usually are (Pascanu et al., 2013)."""
    for name, curve in history.terms("/gradient"):
        usual = max(median(curve.values), curve.values[0], 1e-12)
        far = 1e3 * usual
        since = next((step for step, norm in zip(*curve, strict=True) if norm > far), None)
        if since is not None and curve.smooth().last > far / SMOOTH:
            return _divergence(
                since, f"{name} is {max(curve.values):.3g}, and {usual:.3g} as a rule"
            )
    return None


def _divergence(since: int, words: str) -> Diagnosis:
    advice = "try again with a lower --lr, or --clip 1"
    return Diagnosis("divergence", since, words, advice, True, (Remedy("lr", 0.1),) * 3)


def find_winning_discriminator(history: History) -> Diagnosis | None:
    """The discriminator tells real from generated every time, and samples are poor (Arjovsky &
    Bottou, 2017)."""
    since = (
        history.curve("discriminator/ordering")
        .smooth()
        .lasting_since(lambda share: share > CERTAIN)
    )
    if since is None or not history.has_poor_samples:
        return None
    words = (
        f"the discriminator has put {CERTAIN:.0%} of pairs and more in order, and samples are far"
        " from real"
    )
    return Diagnosis(
        "discriminator has won",
        since,
        words,
        "lower --lr discriminator=..., or raise --r1",
        True,
        (
            Remedy("r1", 10, 1, 100),
            Remedy("lr.discriminator", 0.1),
            Remedy("lr.discriminator", 0.2),
        ),
    )


def find_losing_discriminator(history: History) -> Diagnosis | None:
    """The generator learns faster than the discriminator, and so from nobody (Goodfellow et al.,
    2014, section 6)."""
    since = (
        history.curve("discriminator/ordering").smooth().lasting_since(lambda share: share < FOOLED)
    )
    if since is None or not history.has_poor_samples:
        return None
    words = (
        f"the discriminator has put fewer than {FOOLED:.0%} of pairs in order, yet samples are far"
        " from real"
    )
    return Diagnosis(
        "discriminator has lost",
        since,
        words,
        "raise --lr discriminator=..., or lower --lr generator=...",
        True,
        (
            Remedy("lr.discriminator", max(_speed_ratio(history.facts.lr), 3)),
            Remedy("lr.generator", 0.3),
            Remedy("lr.generator", 0.3),
        ),
    )


def find_vanishing_gradient(history: History) -> Diagnosis | None:
    """Gradients of the generator vanish before a perfect discriminator (Arjovsky & Bottou, 2017,
    theorem 2.4)."""
    gradient = history.curve("generator/gradient")
    if not gradient.values or not history.has_poor_samples:
        return None
    first = max(gradient.values[:SMOOTH])
    since = gradient.smooth().lasting_since(lambda norm: norm < 0.05 * first, LASTING // 2)
    certain = history.curve("discriminator/ordering").smooth().since(lambda share: share > 0.95)
    if since is None or certain is None:
        return None
    return Diagnosis(
        "vanishing gradients",
        since,
        f"the generator's gradient fell from {first:.2g} to {gradient.smooth().last:.2g} while the"
        " discriminator wins",
        "use --loss non-saturating (or relativistic), or lower --lr discriminator=...",
        True,
        (
            Remedy("r1", 10, 1, 100),
            Remedy("lr.discriminator", 0.1),
            Remedy("lr.discriminator", 0.1),
        ),
    )


def find_oscillation(history: History) -> Diagnosis | None:
    """The players chase each other in circles instead of coming to rest (Mescheder et al.,
    2018)."""
    ordering = history.curve("discriminator/ordering").smooth()
    turns = _turning_points(ordering, 0.25)
    if len(turns) < 5:
        return None
    return Diagnosis(
        "oscillation",
        turns[0],
        f"the discriminator went from winning to losing and back {len(turns) // 2} times "
        f"in {ordering.steps[-1] - turns[0]:,} steps",
        "lower --lr, or raise --r1",
        history.has_poor_samples,
        (Remedy("r1", 10, 1, 100), Remedy("lr", 0.3), Remedy("lr", 0.3)),
    )


def find_mode_collapse(history: History) -> Diagnosis | None:
    """Many latents give the same few examples (Goodfellow, 2016, section 5.1; coverage of Naeem et
    al., 2020)."""
    coverage, diversity = history.curve("made/coverage"), history.curve("made/diversity")
    if len(coverage.values) < 3 or history.age < GROWN:
        return None
    best = max(coverage.values)
    alike = _since_two_looks(diversity, lambda ratio: ratio < 0.4)
    fallen = (
        _since_two_looks(coverage, lambda share: share < min(0.4 * best, 0.15))
        if best > 0.2
        else None
    )
    if alike is None and fallen is None:
        return None
    since = min(step for step in (alike, fallen) if step is not None)
    words = (
        f"samples lie {diversity.last:.0%} as far apart as real examples, and cover"
        f" {coverage.last:.0%} of them"
    )
    if best > coverage.last:
        words += f" (best {best:.0%})"
    ordering = history.curve("discriminator/ordering").smooth()
    if ordering.values and ordering.last < FOOLED:
        words += ", and the discriminator does not notice"
    return Diagnosis(
        "mode collapse",
        since,
        words,
        "lower --lr generator=..., or raise --lr discriminator=... or --r1",
        True,
        (
            Remedy("lr.generator", min(1 / _speed_ratio(history.facts.lr), 0.3)),
            Remedy("r1", 10, 1, 100),
            Remedy("lr.generator", 0.3),
        ),
    )


def find_slow_collapse(history: History) -> Diagnosis | None:
    """Samples grow alike, slowly, under a discriminator that always wins (Brock et al., 2019,
    section 4).

    Their coverage is not poor yet, but far below its best at two looks in a row.
    """
    coverage, ordering = (
        history.curve("made/coverage"),
        history.curve("discriminator/ordering").smooth(),
    )
    if len(coverage.values) < 3 or history.age < GROWN:
        return None
    best = max(coverage.values)
    since = _since_two_looks(coverage, lambda share: share < best - SLIPPED)
    winning = ordering.lasting_since(lambda share: share > CERTAIN)
    if since is None or winning is None:
        return None
    return Diagnosis(
        "slow collapse",
        since,
        f"samples cover {coverage.last:.0%} of real examples and did cover {best:.0%}, while the"
        f" discriminator has put {CERTAIN:.0%} of pairs and more in order",
        "raise --r1, or lower --lr discriminator=..., or stop earlier",
        True,
        (Remedy("r1", 10, 1, 100), Remedy("lr.discriminator", 0.3), Remedy("lr", 0.3)),
    )


def find_memorisation(history: History) -> Diagnosis | None:
    """The discriminator memorised its training examples: it takes held-out ones for generated ones.

    The heuristic r_v of Karras et al. (2020, equation 1), of shares of pairs in order in place of
    mean logits.
    """
    seen, held = (
        history.curve("seen/discriminator/ordering"),
        history.curve("held_out/discriminator/ordering"),
    )
    if len(seen.values) < 3 or seen.steps != held.steps:
        return None
    gap = Curve(seen.steps, tuple(a - b for a, b in zip(seen.values, held.values, strict=True)))
    since = _since_two_looks(gap, lambda apart: apart > 0.2)
    if since is None:
        return None
    return Diagnosis(
        "memorisation",
        since,
        f"the discriminator orders {seen.last:.0%} of pairs with training examples and"
        f" {held.last:.0%} with held-out ones: it memorises them, or they are too few",
        "give more examples, or --augment adaptive, or raise --r1",
        _since_two_looks(gap, lambda apart: apart > 0.35) is not None,
        (
            Remedy("augmentation", 2, 0.2, 0.8),
            Remedy("r1", 10, 1, 100),
            Remedy("lr.discriminator", 0.3),
        ),
    )


def find_small_generator(history: History) -> Diagnosis | None:
    """A generator far smaller than its discriminator cannot follow (Arora et al., 2017, on capacity
    and equilibria)."""
    sizes, ordering = history.facts.parameters, history.curve("discriminator/ordering").smooth()
    if (
        not {"generator", "discriminator"} <= sizes.keys()
        or sizes["generator"] * 20 > sizes["discriminator"]
    ):
        return None
    since = ordering.lasting_since(lambda share: share > 0.95)
    if since is None or not history.has_poor_samples:
        return None
    words = (
        f"the generator has {sizes['generator']:,} parameters, the discriminator"
        f" {sizes['discriminator']:,}, and wins"
    )
    return Diagnosis("small generator", since, words, "give the generator more width or depth")


def find_high_learning_rate(history: History) -> Diagnosis | None:
    """Steps that are long beside the weights they change do not descend anything (You et al., 2017,
    section 4)."""
    steps = history.facts.relative_steps
    fast = {player: share for player, share in steps.items() if share > RECKLESS}
    if not fast or history.age < 50:
        return None
    consequences = [look(history) for look in CONSEQUENCES_OF_SPEED]
    consequence = next((one for one in consequences if one is not None), None)
    if consequence is None:
        return None
    player = max(fast, key=lambda name: fast[name])
    words = (
        f"a step of the {player} may change each weight by {fast[player]:.0%} of its size, and so"
        f" there is {consequence.kind} ({consequence.words})"
    )
    remedy = Remedy("lr" if len(fast) == len(steps) else f"lr.{player}", 0.1)
    return Diagnosis(
        "learning rate too high", consequence.since, words, "lower --lr", True, (remedy,) * 3
    )


def find_loss_spike(history: History) -> Diagnosis | None:
    """A term that rose far above where it began: what one step learned, the next undid (Smith,
    2017)."""
    for name, curve in history.terms():
        first, most = curve.values[0], max(curve.values)
        if not name.endswith((*NOTES, "/kl")) and most > 10 * abs(first) + 5:
            step = curve.steps[curve.values.index(most)]
            return _divergence(step, f"{name} rose from {first:.3g} to {most:.3g}")
    return None


def find_posterior_collapse(history: History) -> Diagnosis | None:
    """Latents say next to nothing about examples (Bowman et al., 2016), or few of them do (Burda et
    al., 2016)."""
    for name, bits in history.terms("/bits"):
        active = history.curve(name.replace("/bits", "/active")).smooth()
        since = bits.smooth().lasting_since(lambda value: value < INFORMATIVE)
        if since is None and bits.smooth().last < BYTE:
            since = active.lasting_since(lambda share: share < 0.1)
        if since is not None:
            words = f"the latents carry {bits.smooth().last:.2g} bits about an example"
            words += f", and {active.last:.0%} of them move at all" if active.values else ""
            remedies = (Remedy("beta", 0.03, 0.01), Remedy("beta", 0.1), Remedy("beta", 0.1))
            advice = "lower --beta, or use --warmup or --free-bits"
            return Diagnosis("posterior collapse", since, words, advice, True, remedies)
    return None


def find_dead_codes(history: History) -> Diagnosis | None:
    """Most entries of a codebook are never used (van den Oord et al., 2017; Dhariwal et al.,
    2020)."""
    for name, curve in history.terms("/perplexity"):
        since = curve.smooth().lasting_since(lambda used: used < 0.1 * history.facts.codes)
        if since is not None:
            words = f"{name} is {curve.last:.3g} of {history.facts.codes:,}: most codes are dead"
            return Diagnosis(
                "dead codes", since, words, "use fewer codes, or leave --revival on", True
            )
    return None


DIAGNOSES: tuple[Callable[[History], Diagnosis | None], ...] = (
    find_high_learning_rate,
    find_non_finite_loss,
    find_exploding_gradient,
    find_small_generator,
    find_vanishing_gradient,
    find_losing_discriminator,
    find_winning_discriminator,
    find_mode_collapse,
    find_slow_collapse,
    find_posterior_collapse,
    find_dead_codes,
    find_memorisation,
    find_oscillation,
)
"""What is looked for; recovery answers the first of several grave ones, and causes come before what
they lead to."""

CONSEQUENCES_OF_SPEED: tuple[Callable[[History], Diagnosis | None], ...] = (
    find_non_finite_loss,
    find_exploding_gradient,
    find_vanishing_gradient,
    find_losing_discriminator,
    find_winning_discriminator,
    find_mode_collapse,
    find_oscillation,
    find_loss_spike,
)
"""What a learning rate that is too high leads to, the surest sign first."""


def diagnose(history: History, known: Sequence[Diagnosis] = ()) -> list[Diagnosis]:
    """All that is wrong, the gravest first; of what was known before, since when is remembered."""
    if not history.lines:
        return []
    first = {diagnosis.kind: diagnosis.since for diagnosis in known}
    found: dict[str, Diagnosis] = {}
    for look in DIAGNOSES:
        one = look(history)
        if one is not None:
            since = min(one.since, first.get(one.kind, one.since))
            found.setdefault(one.kind, replace(one, since=since))
    return sorted(found.values(), key=lambda diagnosis: not diagnosis.grave)


def recent_lines(lines: Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
    """The lines of a log that matter: all that show samples, and the last ones."""
    return [line for line in lines[:-RECENT] if "made/coverage" in line] + list(lines[-RECENT:])


def _is_of_player(name: str) -> bool:
    """Whether a column is a player's own, and not of held-out data or of samples:
    "discriminator/real"."""
    return name.count("/") == 1 and not name.startswith("made/")


def _since_two_looks(curve: Curve, holds: Callable[[float], bool]) -> int | None:
    """Since when it holds, if it did at the last two looks."""
    if len(curve.values) < 2 or not all(map(holds, curve.values[-2:])):
        return None
    return curve.since(holds)


def _turning_points(curve: Curve, height: float) -> list[int]:
    """The steps at which a curve turned back, after it had moved by `height` at least."""
    turns: list[int] = []
    rising, extreme, at = None, curve.values[0] if curve.values else 0.0, 0
    for step, value in zip(*curve, strict=True):
        if rising is None and abs(value - extreme) >= height:
            rising, extreme, at = value > extreme, value, step
        elif rising is not None and (value > extreme) == rising:
            extreme, at = value, step
        elif rising is not None and abs(value - extreme) >= height:
            turns.append(at)
            rising, extreme, at = not rising, value, step
    return turns


def _speed_ratio(lr: Mapping[str, float]) -> float:
    """How many times as fast as the discriminator the generator learns; one at most is sound
    (Heusel et al., 2017)."""
    return lr.get("generator", 1.0) / max(lr.get("discriminator", 1.0), 1e-12)
