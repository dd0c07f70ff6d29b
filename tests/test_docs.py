"""Every command and every program that the documentation shows is run, page by page, in a small
world."""

from __future__ import annotations

import inspect
import json
import re
import runpy
import shlex
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import docs_world
import ganvas
from docs_world import World
from ganvas.apps import cli
from ganvas.data.samples import unpacking
from ganvas.runtime import registry

HOME = Path(__file__).parent.parent
PAGES = [HOME / "README.md", HOME / "AGENTS.md", *sorted((HOME / "docs").rglob("*.md"))]

SHELL = {"", "sh", "bash", "shell", "console"}
"""Languages of blocks that hold commands; in one without a language, lines that begin with
`ganvas`."""

INSTEAD = {"docs/guides/time-series.md": {"today.csv": "sensors.csv", "live.csv": "sensors.csv"}}
INSTEAD |= {
    page: {"others": "other-videos"} for page in ("docs/guides/video.md", "docs/models/simvp.md")
}
"""Pages on which a name means other files than elsewhere."""

NOT_RUN: dict[str, str] = {
    r"ganvas selftest": (
        "teaches models until they have learned: minutes; tests/test_learning.py does it"
    ),
    r"ganvas mcp": "speaks until it is hung up on; tests/test_assistant.py speaks to it",
    r"ganvas studio": "a web page until it is ended; tests/test_studio.py opens it",
    r"ganvas serve": "a service until it is ended; tests/test_service.py asks it",
    r"ganvas tune": (
        "searches for as long as many trainings take; tests/test_tuning.py does it with small ones"
    ),
    r"ganvas (push|pull) (?!.*\./)": "reaches a hub; tests/test_hub.py does it with a recorded one",
    r"ganvas .*--tracker (wandb|mlflow)": (
        "reports to a server; tests/test_trackers.py does it with a store of its own"
    ),
}
"""Commands that are only parsed here, as patterns, and why."""


class Line(NamedTuple):
    """A command or a program of a page, and where it stands."""

    number: int
    program: bool
    text: str


def blocks(page: Path) -> Iterator[tuple[int, str, str]]:
    """(line, language, content) of every fenced block."""
    text = page.read_text("utf-8")
    for found in re.finditer(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", text, re.S | re.M):
        yield text.count("\n", 0, found.start()) + 2, found[2], dedent(found[3]).strip("\n")


def lines(page: Path) -> list[Line]:
    """The commands and programs of a page, in the order in which they are read."""
    found = []
    for number, language, content in blocks(page):
        if language == "python":
            found.append(Line(number, True, content))
        elif language in SHELL:
            whole = content.replace("\\\n", "  ")
            found += [
                Line(number, False, line.removeprefix("$ "))
                for line in whole.splitlines()
                if re.match(r"(\$ )?ganvas( |$)", line)
            ]
    return found


def words(line: str) -> list[str]:
    return shlex.split(line, comments=True)[1:]


def needed(said: list[str]) -> list[str]:
    """Runs that a command works with: all that it names but where its answer goes."""
    named = [
        word
        for before, word in pairwise(["", *said])
        if re.match(r"runs/\w", word) and before != "--out"
    ]
    return (
        [] if said[0] == "train" and "--resume" not in said and "--through" not in said else named
    )


def carry_out(line: str, world: World) -> None:
    """Runs a command, or only parses it where there is a reason."""
    said = words(line)
    for run in needed(said):
        world.provide(run)
    if any(re.match(pattern, line) for pattern in NOT_RUN):
        parse(said)
        return
    docs_world.run(said)
    if "--out" in said:
        out = Path(said[said.index("--out") + 1])
        assert list(out.parent.glob(f"{out.stem}*")), f"{line} wrote nothing there"


def parse(said: list[str]) -> None:
    """Reads a command as the command line does, without doing it."""
    cli._app(said).parse_args(said, exit_on_error=False, print_error=False)


def names(world: World) -> dict[str, Any]:
    """What programs of pages take for granted."""
    rows = docs_world.people(1)
    images, more = ([docs_world.image(seed + i) for i in range(32)] for seed in (0, 100))
    texts = [f"the rain in {i}" for i in range(24)]
    return {
        "ganvas": ganvas,
        "images": images,
        "photos": images,
        "horses": images,
        "zebras": more,
        "others": more,
        "unseen": more,
        "texts": texts,
        "people": rows[["age", "amount", "education"]],
        "label": rows["income"],
        "normal": rows[["age", "amount"]],
        "today": rows[["age", "amount"]],
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("docs"))


def story(world: World, name: str, told: list[Line]) -> None:
    """Does what a page says, in order, in a folder of its own."""
    known = names(world)
    with world.page(name, INSTEAD.get(name, {})), world.short():
        for line in told:
            where = f"{name}, line {line.number}"
            try:
                if line.program:
                    exec(compile(line.text, where, "exec"), known)
                else:
                    carry_out(line.text, world)
            except (Exception, SystemExit) as error:
                raise AssertionError(f"{where}: {line.text}\n{error}") from error


TOLD = {
    str(page.relative_to(HOME)): told for page in PAGES if page.exists() and (told := lines(page))
}


@pytest.mark.xdist_group("docs")
@pytest.mark.parametrize("name", TOLD)
def test_what_a_page_says_is_done(name: str, world: World) -> None:
    story(world, name, TOLD[name])


def examples() -> Iterator[str]:
    """Commands in the help of the command line: models', tasks', and of verbs."""
    for kind in ("models", "tasks"):
        for name in registry.names(kind):
            if own := registry.example(registry.load(kind, name)):
                yield own
    told = [inspect.getdoc(verb) for _, verb in inspect.getmembers(cli, inspect.isfunction)]
    for text in [*told, cli.USAGE]:
        yield from re.findall(r"^(?:Example:|  +) *(ganvas .+)$", text or "", re.M)


@pytest.mark.xdist_group("docs")
def test_examples_of_the_help_are_done(world: World) -> None:
    told = sorted({*examples()})
    assert len(told) > 40
    done = {tuple(words(line.text)) for page in TOLD.values() for line in page if not line.program}
    left = [Line(0, False, line) for line in told if tuple(words(line)) not in done]
    for number, line in enumerate(
        left
    ):  # trainings each alone: of several models the run has the same name
        if line.text.startswith("ganvas train"):
            story(world, f"help/{number}", [line])
    story(world, "help", [line for line in left if not line.text.startswith("ganvas train")])


INLINE = re.compile(r"`(ganvas [a-z][^`]*)`")


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.exists()], ids=lambda p: str(p.relative_to(HOME))
)
def test_commands_between_words_are_spelled_right(page: Path) -> None:
    for line in INLINE.findall(re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)):
        said = line.replace("\\|", "|").split()[1:]
        flags = {word.partition("=")[0] for word in said if word.startswith("--")}
        verb = [
            said[0],
            *(
                word
                for word in said[1:2]
                if said[0] == "train" and word in registry.names("models")
            ),
        ]
        assert flags <= (known := docs_world.signature(verb)), f"{line}: {flags - known}"


@pytest.mark.xdist_group("docs")
def test_the_package_of_the_page_on_adding_is_found_once_installed(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {language: content for _, language, content in blocks(HOME / "docs" / "adding.md")}
    project = tomllib.loads(parts["toml"])["project"]
    (entry,) = project["entry-points"]["ganvas.models"].items()
    package, _, file = entry[1].partition(":")[0].partition(".")
    (tmp_path / package).mkdir()
    (tmp_path / package / f"{file}.py").write_text(parts["python"])
    info = tmp_path / f"{package}-{project['version']}.dist-info"  # what pip leaves behind
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    (info / "entry_points.txt").write_text(f"[ganvas.models]\n{entry[0]} = {entry[1]}\n")
    monkeypatch.syspath_prepend(tmp_path)
    for remembered in (registry._installed, registry._entries):
        remembered.cache_clear()
    try:
        assert entry[0] in registry.names("models")
        told = [
            "ganvas train NAME photos/",
            "ganvas sample runs/NAME-photos --n 2 --out new/",
            "ganvas interpolate runs/NAME-photos --out walk.gif",
            "ganvas train NAME people.csv",
            "ganvas sample runs/NAME-people --out new.csv",
        ]
        told = [line.replace("NAME", entry[0]) for line in told]
        story(world, "adding", [Line(number, False, line) for number, line in enumerate(told)])
    finally:
        monkeypatch.undo()
        for remembered in (registry._installed, registry._entries):
            remembered.cache_clear()


def test_pages_that_are_made_say_all_there_is() -> None:
    made = runpy.run_path(str(HOME / "docs" / "_hooks.py"))["pages"]()
    for kind in ("models", "tasks", "metrics", "modalities", "features"):
        for name in registry.names(kind):
            plugin = registry.load(kind, name)
            section = (
                made[f"reference/{kind}.md"].partition(f"## {name}\n")[2].partition("\n## ")[0]
            )
            for option in registry.options(plugin.learn if kind == "modalities" else plugin):
                assert f"`--{option.name.rstrip('_').replace('_', '-')}`" in section, (kind, name)
                assert option.help.replace("|", "\\|") in section
    verbs = {name for name in cli._app([]) if not name.startswith("-")}
    assert {
        line[3:] for line in made["reference/commands.md"].splitlines() if line.startswith("## ")
    } == verbs
    for result in (HOME / "benchmarks" / "results").glob("*.json"):
        assert (
            f'??? note "{json.loads(result.read_text("utf-8"))["benchmark"]}"'
            in made["benchmarks.md"]
        )


def test_images_of_pages_are_there_and_small() -> None:
    for page in PAGES:
        for image in re.findall(
            r"!\[[^\]]+\]\(([^)]+)\)", page.read_text("utf-8") if page.exists() else ""
        ):
            assert (page.parent / image).stat().st_size < 150_000, f"{page.name}: {image}"


@pytest.mark.xdist_group("docs")
def test_what_ships_is_written_as_files_that_people_have(world: World, tmp_path: Path) -> None:
    with world.short():
        docs_world.run(["samples", str(tmp_path / "samples")])
    found = tmp_path / "samples"
    for folder in ("clothes", "new-clothes", "noisy-clothes"):
        assert len([*(found / folder).iterdir()]) == 10
    clean, noisy = (
        np.asarray(Image.open(found / f / "Ankle boot" / "ankle-boot-0001.png")).astype(float)
        for f in ("new-clothes", "noisy-clothes")
    )
    assert clean.shape == (28, 28)
    assert 10 < np.abs(clean - noisy).mean() < 50
    assert {Image.open(clip).n_frames for clip in (found / "moving").iterdir()} == {
        unpacking.FRAMES
    }
    assert pd.read_csv(found / "people.csv").columns[-1] == "salary"
    assert "Zalando" in (found / "LICENCES.md").read_text("utf-8")
