"""The page that says how to add a model is tried: the file it prints is dropped in, and everything
finds it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import ganvas
from ganvas.apps import cli
from ganvas.runtime import registry

PAGE = Path(__file__).parent.parent / "CONTRIBUTING.md"


def test_the_model_of_the_page_works_once_its_file_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = (
        block
        for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
        if "(Model" in block
    )
    name = re.search(r"class (\w+)\(Model", code).group(1).lower()
    file = Path(ganvas.__file__).parent / "models" / f"{name}.py"
    assert not file.exists()
    monkeypatch.setattr(
        "ganvas.models.__path__", [*__import__("ganvas.models").models.__path__, str(tmp_path)]
    )
    (tmp_path / f"{name}.py").write_text(code)
    known = registry._files("models") | {name: tmp_path / f"{name}.py"}
    monkeypatch.setattr(
        registry,
        "_files",
        lambda kind, before=registry._files: known if kind == "models" else before(kind),
    )
    x = np.random.default_rng(0).integers(0, 256, (60, 16, 16), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    command = [
        "train",
        name,
        str(tmp_path / "x.npy"),
        "--out",
        str(tmp_path / "run"),
        "--steps",
        "5",
        "--batch",
        "8",
    ]
    assert cli.run(command) == 0
    assert cli.run(["models"]) == 0
    assert name in capsys.readouterr().out
    assert (
        cli.run(
            [
                "reconstruct",
                str(tmp_path / "run"),
                str(tmp_path / "x.npy"),
                "--out",
                str(tmp_path / "o"),
            ]
        )
        == 0
    )
    assert len(list((tmp_path / "o").glob("0*.png"))) == 60
