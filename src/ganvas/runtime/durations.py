"""How long something took or will take, in words."""

from __future__ import annotations


def format_duration(seconds: float) -> str:
    """`42 s`, `3 min 5 s`, or `2 h 10 min`: two units at most, rounded to whole ones."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
