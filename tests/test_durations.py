"""Durations in words."""

from __future__ import annotations

import pytest

from ganvas.runtime.durations import format_duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (185.0, "3 min 5 s"),
        (3599.7, "1 h 0 min"),
        (7800.0, "2 h 10 min"),
        (4e6, "1,111 h 6 min"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words
