"""Progress of a training on standard error: the plan, then one line that is kept up to date."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from torch import Tensor

from ..runs.diagnosis import NOTES, Diagnosis
from ..runs.run import Run
from ..runtime.durations import format_duration
from .loop import Until
from .plan import Plan

SPEAK_EVERY = 10.0  # seconds between lines where nobody watches a terminal


class Progress:
    """The progress of one training. A context manager: the line is shown inside."""

    def __init__(self, run: Run, examples: int, quiet: bool = False) -> None:
        self.run, self.examples = run, examples
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        columns = (
            "{task.description}",
            BarColumn(24),
            "{task.percentage:>3.0f}%",
            "{task.fields[words]}",
        )
        self.bar = Bar(
            *(TextColumn(c) if isinstance(c, str) else c for c in columns),
            TimeElapsedColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task(run.config["model"], total=1.0, words="")
        self.first: tuple[int, float] | None = None
        self.kind = ""
        self.spoke = monotonic()
        self.shown = 0.0

    def announce(self, described: str, learn: int, held: int, plan: Plan, until: Until) -> None:
        """The plan, on one screen, before the first step."""
        table = Table.grid(padding=(0, 2))
        players = ", ".join(f"{player} {count:,}" for player, count in plan.parameters.items())
        rows = {
            "data": described,
            "split": f"{learn:,} to learn from, {held:,} held out",
            "model": f"{self.run.config['model']}, parameters: {players}",
            "memory": (
                f"{plan.bytes / 2**20:,.0f} MB beside the data, at {plan.batch} examples a step"
            ),
            "time": _time_expected(plan, until),
            "run": str(self.run.path),
        }
        if self.run.promise:
            rows["privacy"] = str(self.run.promise)
        for name, words in rows.items():
            table.add_row(f"[bold]{name}", words)
        self.console.print(Panel(table, title="plan", title_align="left", expand=False))

    def say(self, *words: object) -> None:
        """Prints diagnoses and interventions, which stay above the progress line."""
        for sentence in words:
            escaped = escape(str(sentence))
            self.console.print(f"[bold yellow]diagnosis:[/] {escaped}", soft_wrap=True)

    def show_diagnoses(self, diagnoses: Sequence[Diagnosis]) -> None:
        """Takes the gravest diagnosis into the line."""
        self.kind = f"{diagnoses[0].kind} · " if diagnoses else ""

    def watch(self, step: int, seconds: float, share: float, log: dict[str, Tensor]) -> None:
        """Shows one step: losses per player, examples per second, time left. Reads the losses ten
        times a second."""
        now = monotonic()
        self.first = self.first or (step, seconds)
        if now - self.shown < 0.1 and share < 1:
            return
        self.shown = now
        words = self._words(step, seconds, share, log)
        self.bar.update(self.task, completed=share, words=words)
        if not self.console.is_terminal and (now - self.spoke > SPEAK_EVERY or share >= 1):
            self.spoke = now
            self.console.print(f"{self.run.config['model']} {share:4.0%}  {words}")

    def _words(self, step: int, seconds: float, share: float, log: dict[str, Tensor]) -> str:
        first_step, first_seconds = self.first or (step, seconds)
        speed = (step - first_step) * self.examples / max(seconds - first_seconds, 1e-9)
        left = format_duration(seconds * (1 - share) / max(share, 1e-9))
        return f"{self.kind}{_losses(log)} · {speed:,.0f}/s · {left} left · step {step:,}"

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.bar.stop()


def _losses(log: dict[str, Tensor]) -> str:
    """Each player's terms: `discriminator real 0.61 fake 0.58 · generator fool 1.20`."""
    players: dict[str, list[str]] = {}
    for name, value in log.items():
        if name.endswith(NOTES):
            continue
        player, _, term = name.partition("/")
        players.setdefault(player, []).append(f"{term} {value.item():.4g}")
    return " · ".join(f"{player} {' '.join(terms)}" for player, terms in players.items())


def _time_expected(plan: Plan, until: Until) -> str:
    seconds = min(until.steps * plan.seconds_per_step, until.seconds)
    speed = plan.batch / plan.seconds_per_step
    n_steps = min(until.steps, until.seconds / plan.seconds_per_step)
    return (
        f"about {format_duration(seconds)} for {n_steps:,.0f} steps ({speed:,.0f} examples/s in a"
        " trial of two steps)"
    )
