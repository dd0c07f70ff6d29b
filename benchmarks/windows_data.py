"""A machine that is watched: made up, with faults put into it whose place is known.

A shaft turns at a speed that wanders and sometimes changes its regime; two accelerometers hear
three harmonics of it, a current follows the load, a temperature follows the current slowly. Six
columns, one moment a sample.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

FAULTS = ("spike", "level shift", "frequency change", "flatline", "correlation break")
LENGTH = {
    "spike": 3,
    "level shift": 120,
    "frequency change": 120,
    "flatline": 80,
    "correlation break": 160,
}


def machine(moments: int, seed: int) -> pd.DataFrame:
    """What is normal."""
    random = np.random.default_rng(seed)
    return _sensors(_speed(moments, random), random)


def faulty(moments: int, seed: int, each: int = 4) -> tuple[pd.DataFrame, np.ndarray]:
    """A machine with every fault so many times; and of each moment the fault that is in it, "" for
    none."""
    random = np.random.default_rng(seed)
    speed = _speed(moments, random)
    kinds = random.permutation(np.repeat(FAULTS, each))
    truth = np.full(moments, "", dtype=object)
    room = moments // len(kinds)
    places = [i * room + int(random.integers(room // 4, room // 2)) for i in range(len(kinds))]
    for kind, start in zip(kinds, places, strict=True):
        truth[start : start + LENGTH[kind]] = kind
    return _sensors(speed, random, truth), truth


def _speed(moments: int, random: np.random.Generator) -> np.ndarray:
    """Radians a moment: two regimes that last hundreds of moments each, and a slow wander."""
    lengths = random.integers(400, 1500, moments // 400 + 1)
    regime = np.repeat(np.arange(len(lengths)) % 2, lengths)[:moments]
    smooth = _smooth(regime.astype(float), 60)
    return 0.32 + 0.16 * smooth + 0.01 * _smooth(random.normal(0, 1, moments), 200) * 200**0.5


def _sensors(
    speed: np.ndarray, random: np.random.Generator, truth: np.ndarray | None = None
) -> pd.DataFrame:
    truth = np.full(len(speed), "", dtype=object) if truth is None else truth
    heard = np.where(truth == "frequency change", speed * 1.35, speed)
    angle = heard.cumsum()
    noise = lambda size: random.normal(0, size, len(speed))  # noqa: E731
    load = speed / 0.4 + 0.05 * _smooth(noise(1), 50) * 50**0.5
    current = 12 * load + 0.4 * np.sin(2 * angle) + noise(0.15)
    columns = {
        "vibration x": np.sin(angle)
        + 0.5 * np.sin(2 * angle + 0.7)
        + 0.25 * np.sin(5 * angle)
        + noise(0.1),
        "vibration y": 0.8 * np.cos(angle) + 0.4 * np.sin(3 * angle + 0.2) + noise(0.1),
        "speed": speed * 1500 + noise(4),
        "current": current,
        "temperature": 40 + 1.5 * _trailing(current, 400) + noise(0.1),
        "pressure": 3 + 0.8 * load + 0.05 * np.sin(angle / 2) + noise(0.03),
    }
    frame = pd.DataFrame(columns)
    for kind, first, end in _places(truth):
        at = slice(first, end)
        if kind == "spike":
            frame.loc[frame.index[at], "vibration x"] += random.choice([-1, 1]) * 2.0
        if kind == "level shift":
            frame.loc[frame.index[at], "pressure"] += random.choice([-1, 1]) * 0.25
        if kind == "flatline":
            frame.loc[frame.index[at], "vibration y"] = frame["vibration y"].iloc[first]
        if kind == "correlation break":  # a current that the machine had at another time
            other = (first + len(frame) // 2) % (len(frame) - (end - first))
            frame.loc[frame.index[at], "current"] = _other_regime(
                current, speed, first, end - first, other
            )
    frame.insert(0, "time", pd.date_range("2025-01-01", periods=len(frame), freq="s"))
    return frame


def _other_regime(
    current: np.ndarray, speed: np.ndarray, first: int, length: int, start: int
) -> np.ndarray:
    """A stretch of the current from where the machine turned at another speed."""
    middle = speed.min() / 2 + speed.max() / 2
    for step in range(0, len(current), 50):
        at = (start + step) % (len(current) - length)
        if (speed[at : at + length].mean() > middle) != (
            speed[first : first + length].mean() > middle
        ):
            return current[at : at + length]
    return current[start : start + length]


def _places(truth: np.ndarray) -> list[tuple[str, int, int]]:
    edges = np.flatnonzero(np.concatenate([[True], truth[1:] != truth[:-1], [True]]))
    pairs = zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    return [(str(truth[a]), a, b) for a, b in pairs if truth[a]]


def _smooth(x: np.ndarray, width: int) -> np.ndarray:
    padded = np.pad(x, (width // 2, width - 1 - width // 2), mode="edge")
    return np.convolve(padded, np.full(width, 1 / width), "valid")


def _trailing(x: np.ndarray, width: int) -> np.ndarray:
    """Like a body that warms up: an exponential mean."""
    return pd.Series(x).ewm(span=width).mean().to_numpy()
