"""Names of files: inside their folder, each its own, the same on every system; and unchanged
wherever they can be."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganvas.runtime.filenames import folder_names, image_names

EVIL = [
    "..",
    "../a",
    "/etc/a",
    "a/../../b",
    "C:\\a",
    "..\\a",
    "",
    ".",
    "a/./b",
    "a.",
    "a ",
    "A",
    "a-2",
    "n\0",
    "/",
]
NAMES = st.lists(
    st.one_of(st.sampled_from(EVIL), st.text("aA/.\\-2? ", max_size=6), st.text(max_size=8)),
    max_size=8,
)


@given(NAMES)
def test_names_are_inside_apart_and_fit_for_every_system(names: list[str]) -> None:
    home = Path("/some/where")
    for found in (folder_names(names), image_names(names), image_names(names, range(len(names)))):
        assert len({name.casefold() for name in found}) == len(names)
        for name in found:
            assert (home / name).resolve().is_relative_to(home)
            assert (home / name).resolve() != home
            assert not set('<>:"|?*\\\0') & set(name)
            assert not any(part.endswith((".", " ")) for part in name.split("/"))
    assert not any("/" in name for name in folder_names(names))
    assert all(name.lower().endswith(".png") for name in image_names(names))


@given(NAMES)
def test_what_is_safe_already_stays_and_naming_twice_is_naming_once(names: list[str]) -> None:
    for name in (folder_names, image_names):
        assert name(name(names)) == name(names)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["T-shirt/top", "Ankle boot", ".."], ["T-shirt-top", "Ankle boot", "unnamed"]),
        (["a/b", "a-b", "a-b-2"], ["a-b", "a-b-3", "a-b-2"]),
        (["A", "a", "v1.5", "V1.5"], ["A", "a-2", "v1.5", "V1.5-2"]),
    ],
)
def test_folders_keep_their_names_and_get_numbers(names: list[str], found: list[str]) -> None:
    assert folder_names(names) == found


def test_images_have_their_ending_behind_and_what_stays_has_its_own() -> None:
    names = [
        "cat/a.png",
        "cat/a.jpg",
        "../a.png",
        "a.png",
        "/b/c.jpg",
        "c.jpg.png",
        "d.jpg",
        "B.PNG",
    ]
    assert image_names(names, {6: b""}) == [
        "cat/a.png",
        "cat/a.jpg.png",
        "a.png",
        "a-2.png",
        "c.jpg.png",
        "c.jpg-2.png",
        "d.jpg",
        "B.PNG",
    ]
