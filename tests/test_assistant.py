"""Assistants: the tools by the SDK's own client, and the fences around them."""

from __future__ import annotations

import json
from typing import Any

import anyio
import numpy as np
import pandas as pd
import pytest
from mcp.client.client import Client
from PIL import Image

import ganvas
from ganvas.apps import mcp as assistant
from ganvas.apps.mcp import Assistant, server


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    """A folder of runs with one of images and one of rows, a folder of data, and a secret beside
    them."""
    home = tmp_path_factory.mktemp("assistant")
    (data := home / "data" / "photos").mkdir(parents=True)
    for i in range(40):
        Image.fromarray(
            np.random.default_rng(i).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        ).save(data / f"{i}.png")
    random = np.random.default_rng(0)
    rows = pd.DataFrame(
        {"age": random.integers(18, 80, 100), "kind": random.choice(["a", "b"], 100)}
    )
    rows.to_csv(home / "data" / "rows.csv", index=False)
    rows.to_csv(home / "secret.csv", index=False)
    few = {"steps": 2, "batch": 8, "width": 8, "quiet": True, "held_out": 0.3}
    ganvas.train("vae", data, out=home / "runs" / "vae", latent=4, **few)
    ganvas.train("made", home / "data" / "rows.csv", out=home / "runs" / "made", **few)
    ganvas.train("made", home / "secret.csv", out=home / "runs" / "other", **few)
    return Assistant(home / "runs", home / "data")


def ask(place: Assistant, tool: str, **given: Any) -> Any:
    """What a tool answers, by the protocol."""

    async def asked() -> Any:
        async with Client(server(place)) as client:
            return await client.call_tool(tool, given)

    return anyio.run(asked)


def told(answer: Any) -> str:
    assert not answer.is_error, answer.content[0].text
    return answer.content[0].text


def test_it_says_what_there_is(place: Assistant) -> None:
    assert "vae: " in told(ask(place, "models"))
    assert "sample: " in told(ask(place, "tasks"))
    assert "latent" in {
        option["name"] for option in json.loads(told(ask(place, "options", name="vae")))
    }
    assert "made: made, 2 steps, finished; can augment" in told(ask(place, "runs"))
    assert told(ask(place, "data")).splitlines() == [
        "photos: a folder of 40",
        f"rows.csv: {size(place)} bytes",
    ]
    assert told(ask(place, "describe", path="photos")).startswith("images: 40 images")


def size(place: Assistant) -> str:
    return f"{(place.library / 'rows.csv').stat().st_size:,}"


def test_a_task_is_shown_and_kept(place: Assistant) -> None:
    words, image = ask(place, "do", task="sample", run="vae", options={"n": 4}).content
    assert "wrote 5 files" in words.text
    assert image.mime_type == "image/png"
    assert len(list((place.home / "vae" / "answers" / "sample-1").glob("*.png"))) == 5
    rows = told(ask(place, "do", task="sample", run="made", options={"n": 3, "where": "age > 30"}))
    assert 'rows.csv begins:\n"age","kind"\n' in rows
    assert "scores.csv begins" in told(
        ask(place, "do", task="detect", run="made", paths=["rows.csv"])
    )
    assert json.loads(told(ask(place, "evaluate", run="made")))["verdict"]


def test_a_training_goes_on_by_itself(place: Assistant) -> None:
    options = {"steps": 100_000, "width": 8, "batch": 8, "minutes": 5}
    assert (
        told(ask(place, "train", model="made", path="rows.csv", name="mine", options=options))
        == "mine: training"
    )
    again = ask(place, "train", model="made", path="rows.csv", name="second")
    assert again.is_error
    assert "no more are allowed at once" in again.content[0].text
    assert "mine: " in told(ask(place, "job", name="mine"))
    assert told(ask(place, "stop", name="mine")).split("\n")[0] in ("mine: stopped", "mine: failed")


MADE = {"model": "cut", "path": "photos", "name": "x"}
REFUSED = {
    "a path that climbs": ("describe", {"path": "../secret.csv"}, "not among what may be read"),
    "an absolute path": ("describe", {"path": "/etc/passwd"}, "not among what may be read"),
    "a run that is a path": ("evaluate", {"run": "../data"}, "no run is called"),
    "where an answer goes": ("train", MADE | {"options": {"out": "/tmp/x"}}, "no option 'out'"),
    "another program": ("train", MADE | {"options": {"tracker": "wandb"}}, "no option 'tracker'"),
    "a path as an option": ("train", MADE | {"options": {"to": "/etc"}}, "may be read"),
    "another table": (
        "do",
        {"task": "sample", "run": "made", "options": {"like": "../secret.csv"}},
        "may be read",
    ),
    "data of a training elsewhere": ("evaluate", {"run": "other"}, "in memory"),
    "going on with that": ("resume", {"name": "other"}, "may not be read here"),
    "too many": ("do", {"task": "sample", "run": "vae", "options": {"n": 10**9}}, "at most 10,000"),
    "no end": (
        "do",
        {"task": "detect", "run": "made", "options": {"follow": True}},
        "no option 'follow'",
    ),
    "no number": (
        "do",
        {"task": "sample", "run": "vae", "options": {"n": "many"}},
        "n cannot be 'many'",
    ),
    "no such task": ("do", {"task": "fly", "run": "vae"}, "no task is called"),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_the_fences_hold(place: Assistant, wrong: str) -> None:
    tool, given, why = REFUSED[wrong]
    answer = ask(place, tool, **given)
    assert answer.is_error
    assert why in answer.content[0].text


def test_lists_and_what_is_large_are_refused(
    place: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place.library / "list.csv").write_text("path\n/etc/passwd\n")
    try:
        assert "lists paths" in ask(place, "describe", path="list.csv").content[0].text
    finally:
        (place.library / "list.csv").unlink()
    monkeypatch.setattr(assistant, "SOURCE", 100)
    assert "at most 100 are read" in ask(place, "describe", path="rows.csv").content[0].text
