"""What a source looks like, whatever kinds of data are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ganvas.data._recognition import guess_modality
from ganvas.runtime import registry


class Zounds:
    """A kind of data that comes after all others."""

    endings = frozenset({".zou"})

    @staticmethod
    def recognises(source: Any) -> bool:
        return any(Path(source).rglob("*.zou"))


@pytest.fixture
def zounds(monkeypatch: pytest.MonkeyPatch) -> None:
    names, load = registry.names, registry.load
    monkeypatch.setattr(registry, "names", lambda kind: [*names(kind), "zounds"])
    monkeypatch.setattr(
        registry, "load", lambda kind, n: Zounds if n == "zounds" else load(kind, n)
    )


@pytest.mark.usefixtures("zounds")
def test_a_folder_is_of_the_kind_that_its_files_are(tmp_path: Path) -> None:
    assert guess_modality(tmp_path) == "images"  # which say what is missing
    (tmp_path / "a.zou").touch()
    assert guess_modality(tmp_path) == "zounds"
    Image.new("L", (8, 8)).save(tmp_path / "b.png")
    assert guess_modality(tmp_path) == "images"
