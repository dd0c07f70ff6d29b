"""Judging a run: the data it learned from, data it never saw, features to compare them by; then the report."""

from __future__ import annotations

from typing import Any

from .run import Run


def finish(run: Run) -> None:
    """What a run gets when its training is done: a film of its previews, and a report."""
    sheets = sorted((run.path / "previews").glob("*.png"))
    if sheets:
        run.modality.film(sheets, run.path / "previews" / "training.gif")


class Evaluation: ...


def judge(run: Run, source: Any, **options: Any) -> Evaluation:
    raise NotImplementedError
