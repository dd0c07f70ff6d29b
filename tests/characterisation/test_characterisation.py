"""The code does what it did when `pinned.json` was made: numbers to the bit, names to the
letter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from world import PINNED, differences  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.xdist_group("characterisation"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A record of the code as it is, made in a process of its own: what other tests set does not
    reach it."""
    out = tmp_path_factory.mktemp("characterisation") / "found.json"
    subprocess.run([sys.executable, str(HERE / "world.py"), str(out)], check=True)
    return json.loads(out.read_text())


@pytest.fixture(scope="module")
def pinned() -> dict[str, Any]:
    return json.loads(PINNED.read_text())


def test_names_are_as_pinned(found: dict[str, Any], pinned: dict[str, Any]) -> None:
    told = differences(pinned, found, "names")
    assert not told, f"{len(told)} entries; if that is meant: world.py --pin\n" + "\n".join(told)


def test_bits_are_as_pinned(found: dict[str, Any], pinned: dict[str, Any]) -> None:
    if pinned["machine"] != found["machine"]:
        pytest.skip(f"pinned on another machine: {pinned['machine']}, this is {found['machine']}")
    told = differences(pinned, found, "bits")
    assert not told, f"{len(told)} entries\n" + "\n".join(told)
