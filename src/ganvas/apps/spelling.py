"""How each door spells the options that an error names, as they are said there."""

from __future__ import annotations

import json
import shlex
from typing import Any


def spell_flag(name: str, *value: Any) -> str:
    """On the command line: `--held-out 0.2`, `--skip-unreadable`, `--no-recover`."""
    words = name.rstrip("_").replace("_", "-")
    match value:
        case (bool(said),):
            return f"--{words}" if said else f"--no-{words}"
        case (said,):
            return f"--{words} {_word(said)}"
    return f"--{words}"


def spell_field(name: str, *value: Any) -> str:
    """In JSON, as services and assistants are asked: `"held_out": 0.2`."""
    return ": ".join(json.dumps(one, ensure_ascii=False) for one in (name, *value))


def spell_label(name: str, *value: Any) -> str:
    """On a page, whose fields have labels: `held out: 0.2`."""
    words = name.strip("_").replace("_", " ")
    return f"“{': '.join([words, *map(str, value)])}”"


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else shlex.quote(str(value))
