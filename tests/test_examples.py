"""Every example runs, at toy size."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda f: f.stem)
def test_it_runs(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganvas.evaluation.features.learned.STEPS", 10)
    runpy.run_path(str(file))["main"](tmp_path / "run", steps=3, minutes=None, quiet=True)
    assert list(tmp_path.rglob("run.json"))
    assert list(tmp_path.rglob("report.html"))
