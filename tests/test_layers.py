"""Imports point one way (DESIGN: core <- nets, losses <- models; core <- engine, run, ... <- api <- cli)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ganvas

HOUSE = Path(ganvas.__file__).parent
ROOMS = {
    "errors": set(),
    "core": {"errors"},
    "plugins": {"errors"},
    "quiet": set(),
    "nets": {"core", "processes"},
    "losses": {"core"},
    "damage": {"core"},
    "holes": {"core"},
    "models": {"core", "nets", "losses", "damage", "holes"},
    "processes": set(),
    "engine": {"core", "processes"},
    "machine": {"core"},
    "coding": {"core"},
    "writers": {"core"},
    "naming": set(),
    "modalities": {"core", "coding", "writers", "naming", "quiet"},
    "tasks": {"core", "coding", "machine", "classifier", "engine", "nets", "quiet"},
    "metrics": {"core", "holes"},
    "classifier": {"core", "engine", "machine"},
    "features": {"core", "classifier"},
    "run": {"core", "plugins", "health"},
    "privacy": {"core"},
    "plan": {"core", "engine", "machine"},
    "health": set(),
    "screening": {"core", "health"},
    "healing": {"core", "engine", "health"},
    "diversity": {"core", "metrics"},
    "showing": {"core", "holes"},
    "training": {"core", "processes", "engine", "run", "health", "healing", "diversity", "showing"},
    "progress": {"health", "plan", "run", "training"},
    "findings": {"core"},
    "hindsight": {"core", "run", "quiet"},
    "normality": {"core", "run", "weighing", "hindsight"},
    "calibration": {"core", "run", "hindsight"},
    "attributes": {"core"},
    "parcel": {"core", "run"},
    "frames": set(),
    "maps": {"core", "findings", "frames", "run"},
    "groups": {"core", "findings", "frames"},
    "weighing": {"core"},
    "delivery": {"core", "findings", "maps", "groups", "naming", "parcel", "run", "writers"},
    "verdict": {"evaluation"},
    "associations": {"metrics"},
    "evaluation": {"core", "plugins", "metrics", "verdict"},
    "report": {"evaluation", "run"},
    "doable": {"core", "plugins"},
    "trackers": {"core", "run"},
    "judging": {"core", "plugins", "machine", "run", "metrics", "evaluation", "report", "associations", "showing"}
    | {"doable"},
    "api": {"core", "plugins", "processes", "engine", "machine", "plan", "run", "training", "trackers", "progress"}
    | {"judging", "privacy", "findings", "maps", "groups", "normality", "calibration", "hindsight", "parcel"}
    | {"weighing", "health", "screening", "attributes", "display", "doable"},
    "samples": {"errors"},
    "doors": {"errors"},
    "jobs": {"errors", "plugins", "api", "run"},
    "exporting": {"core", "run"},
    "tuning": {"core", "plugins", "machine", "run", "jobs", "api"},
    "display": {"run"},
    "hub": {"core", "plugins", "evaluation", "parcel", "run", "doable"},
    "assistant": {"core", "errors", "plugins", "api", "delivery", "doable", "jobs", "run", "__init__"},
    "studio": {"errors", "core", "plugins", "machine", "health", "screening", "report", "run", "api", "delivery"}
    | {"jobs", "samples", "doable", "doors"},
    "service": {
        "errors",
        "core",
        "plugins",
        "api",
        "run",
        "jobs",
        "loopback",
        "coding",
        "parcel",
        "delivery",
        "findings",
        "naming",
        "doors",
        "weighing",
        "quiet",
    },
    "selftest": {"core", "plugins", "engine", "machine", "run", "samples", "holes"},
    "sklearn": {"core", "plugins", "machine", "api"},
    "cli": {"errors", "plugins", "api", "delivery", "selftest", "__init__", "run", "exporting", "hub", "tuning"}
    | {"assistant", "samples", "studio", "service"},
    "__init__": {"api", "core", "errors"},
    "__main__": {"cli"},
}
"""Which rooms each room may look into; a file of the same room always."""

EXCEPTIONS = {"modalities/latents.py": {"run", "parcel", "machine"}}
"""What a single file may look into besides: a trained run is a modality, and is told from others by its weights."""

FILES = sorted(HOUSE.rglob("*.py"))


def room(file: Path) -> str:
    return file.relative_to(HOUSE).parts[0].removesuffix(".py")


def imports(file: Path) -> set[str]:
    """Rooms that a file imports, anywhere in it."""
    depth = len(file.relative_to(HOUSE).parts)
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            inside = node.level < depth
            target = (
                [room(file)] if inside else [node.module.split(".")[0]] if node.module else [a.name for a in node.names]
            )
            found |= {"__init__" if name == "__version__" else name for name in target}
        assert not (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ganvas")), "import relatively"
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(HOUSE)))
def test_imports_point_one_way(file: Path) -> None:
    more = EXCEPTIONS.get(file.relative_to(HOUSE).as_posix(), set())
    assert imports(file) <= ROOMS[room(file)] | {room(file)} | more


def test_nobody_unpickles() -> None:
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                assert not {a.name for a in node.names} & {"pickle", "dill", "joblib", "shelve", "marshal"}, file
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                assert "weights_only=True" in ast.unparse(node), file
