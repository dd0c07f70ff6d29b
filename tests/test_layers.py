"""Imports point one way: a room looks into those that come before it, and no room into one that
comes after."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ganvas

HOUSE = Path(ganvas.__file__).parent
ORDER = [
    "runtime",
    "core",
    "results",
    "abilities",
    "nn",
    "models",
    "runs",
    "data",
    "evaluation",
    "training",
    "tasks",
    "api",
    "sklearn",
    "apps",
    "__init__",
    "__main__",
]
"""The rooms, each before those that may look into it; files of a room may look into each other."""

EXCEPTIONS = {
    "evaluation/features/learned.py": {"training"},
}
"""What a single file may look into besides: features are learned, as models are."""

FILES = sorted(HOUSE.rglob("*.py"))


def room(file: Path) -> str:
    return file.relative_to(HOUSE).parts[0].removesuffix(".py")


def imports(file: Path) -> set[str]:
    """Rooms that a file imports, anywhere in it."""
    here = file.relative_to(HOUSE).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        assert node.level or not (node.module or "").startswith("ganvas"), "import relatively"
        if node.level:
            path = [
                *here[: len(here) + 1 - node.level],
                *(node.module.split(".") if node.module else []),
            ]
            found |= (
                {path[0]}
                if path
                else {"__init__" if a.name == "__version__" else a.name for a in node.names}
            )
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(HOUSE)))
def test_imports_point_one_way(file: Path) -> None:
    allowed = {*ORDER[: ORDER.index(room(file)) + 1]} | EXCEPTIONS.get(
        file.relative_to(HOUSE).as_posix(), set()
    )
    assert imports(file) - {"__init__"} <= allowed


def test_nobody_unpickles() -> None:
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                assert not {a.name for a in node.names} & {
                    "pickle",
                    "dill",
                    "joblib",
                    "shelve",
                    "marshal",
                }, file
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                assert "weights_only=True" in ast.unparse(node), file
