"""Every command and every program that the documentation shows is run, page by page, in a small world."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

import pytest

import docs_world
import ganvas
from docs_world import World
from ganvas import cli, plugins

HOME = Path(__file__).parent.parent
PAGES = [HOME / "README.md", HOME / "AGENTS.md", *sorted((HOME / "docs").rglob("*.md"))]

SHELL = {"", "sh", "bash", "shell", "console"}
"""Languages of blocks that hold commands; in one without a language, lines that begin with `ganvas`."""

INSTEAD = {"docs/guides/series.md": {"today.csv": "sensors.csv", "live.csv": "sensors.csv"}}
INSTEAD |= dict.fromkeys(("docs/guides/video.md", "docs/models/simvp.md"), {"others": "other-videos"})
"""Pages on which a name means other files than elsewhere."""

NOT_RUN: dict[str, str] = {
    r"ganvas selftest": "teaches models until they have learned: minutes; tests/test_learning.py does it",
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
            found += [Line(number, False, line.removeprefix("$ ")) for line in whole.splitlines()
                      if re.match(r"(\$ )?ganvas( |$)", line)]  # fmt: skip
    return found


def words(line: str) -> list[str]:
    return shlex.split(line, comments=True)[1:]


def needed(said: list[str]) -> list[str]:
    """Runs that a command works with: all that it names but where its answer goes."""
    named = [word for before, word in pairwise(["", *said]) if word.startswith("runs/") and before != "--out"]
    return [] if said[0] == "train" and "--resume" not in said and "--through" not in said else named


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
    pictures = [docs_world.picture(i) for i in range(40)]
    more = [docs_world.picture(100 + i) for i in range(40)]
    return {
        "ganvas": ganvas, "pictures": pictures, "photos": pictures, "horses": pictures, "zebras": more, "others": more,
        "unseen": more, "texts": [f"the rain in {i}" for i in range(24)], "df": rows, "people": rows[["age", "amount", "education"]], "label": rows["income"],
        "normal": rows[["age", "amount"]], "today": rows[["age", "amount"]], "held_out": docs_world.people(2),
    }  # fmt: skip


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


TOLD = {str(page.relative_to(HOME)): told for page in PAGES if page.exists() and (told := lines(page))}


@pytest.mark.xdist_group("docs")
@pytest.mark.parametrize("name", TOLD)
def test_what_a_page_says_is_done(name: str, world: World) -> None:
    story(world, name, TOLD[name])


def examples() -> Iterator[str]:
    """Commands in the help of the command line: models', tasks', and of verbs."""
    told = [inspect.getdoc(plugins.load(kind, name)) for kind in ("models", "tasks") for name in plugins.names(kind)]
    told += [inspect.getdoc(verb) for _, verb in inspect.getmembers(cli, inspect.isfunction)]
    for text in [*told, cli.USAGE]:
        yield from re.findall(r"^(?:Example:|  +) *(ganvas .+)$", text or "", re.M)


@pytest.mark.xdist_group("docs")
def test_examples_of_the_help_are_done(world: World) -> None:
    told = sorted(examples(), key=lambda line: not line.startswith("ganvas train"))
    assert len(told) > 40
    for number, line in enumerate(told):  # each alone: a folder stands for the run of several models
        story(world, f"help/{number}", [Line(number, False, line)])


INLINE = re.compile(r"`(ganvas [a-z][^`]*)`")


@pytest.mark.parametrize("page", [page for page in PAGES if page.exists()], ids=lambda p: str(p.relative_to(HOME)))
def test_commands_between_words_are_spelled_right(page: Path) -> None:
    for line in INLINE.findall(re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)):
        said = line.replace("\\|", "|").split()[1:]
        flags = {word.partition("=")[0] for word in said if word.startswith("--")}
        verb = [said[0], *(word for word in said[1:2] if said[0] == "train" and word in plugins.names("models"))]
        assert flags <= (known := docs_world.signature(verb)), f"{line}: {flags - known}"
