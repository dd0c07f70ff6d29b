"""The service as it is run: processes that are killed, and asked to end."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pandas as pd
import psutil
import pytest

import ganvas

pytest.importorskip("fastapi")
import httpx

from ganvas.apps import cli

CSV = {"content-type": "text/csv"}


def until(said: Callable[[], bool], seconds: float = 120) -> None:
    end = monotonic() + seconds
    while not said():
        assert monotonic() < end, "it did not happen"
        sleep(0.05)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "data.csv"
    pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=["a", "b", "c"]).to_csv(
        file, index=False
    )
    return file


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    ganvas.train("vae", data, out=folder / "rows", steps=4, batch=16, latent=2, width=8, quiet=True)
    return folder


@pytest.fixture(scope="module")
def served(runs: Path) -> Iterator[tuple[str, psutil.Process]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "ganvas",
        "serve",
        str(runs),
        "--port",
        str(port),
        "--workers",
        "2",
    ]
    process = psutil.Popen(command, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    until(lambda: _answers(url) and len(_workers(process)) == 2)
    yield url, process
    process.kill() if process.is_running() else None


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def _workers(process: psutil.Process) -> list[psutil.Process]:
    """The processes that answer: of the others that multiprocessing starts, none listens."""
    return [child for child in process.children() if "spawn_main" in " ".join(child.cmdline())]


def test_a_killed_worker_loses_nothing_that_is_asked_again(
    served: tuple[str, psutil.Process],
) -> None:
    url, process = served
    rows = b"a,b,c\n0.1,0.2,0.3\n"

    async def insist(client: httpx.AsyncClient) -> dict:
        while True:
            try:
                answer = await client.post("/runs/rows/detect", content=rows, headers=CSV)
                if answer.status_code != 503:
                    return answer.json() | {"status": answer.status_code}
            except httpx.TransportError:
                await asyncio.sleep(0.05)

    async def all_ask() -> list[dict]:
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            asking = [asyncio.ensure_future(insist(client)) for _ in range(60)]
            await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
            _workers(process)[0].kill()
            return await asyncio.gather(*asking)

    answers = asyncio.run(all_ask())
    assert len(answers) == 60
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["status"] == 200


def test_what_was_begun_is_finished_when_it_is_asked_to_end(
    served: tuple[str, psutil.Process],
) -> None:
    url, process = served

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=url, timeout=120) as client:
            slow = [
                client.post(f"/runs/rows/sample?n=20000&seed={i}", headers={"accept": "text/csv"})
                for i in range(4)
            ]
            asking = [asyncio.ensure_future(one) for one in slow]
            await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
            process.send_signal(signal.SIGTERM)
            return await asyncio.gather(*asking)

    answers = asyncio.run(ask())
    assert [(answer.status_code, answer.text.count("\n")) for answer in answers] == [
        (200, 20001)
    ] * 4
    assert process.wait(60) == 0
    assert not _answers(url)


def test_the_command_line_makes_tokens_and_says_what_is_wrong(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = tmp_path / "tokens"
    assert cli.run(["serve", "--new-token", "alice", "--tokens", str(tokens)]) == 0
    token = capsys.readouterr().out.strip()
    assert len(token) > 40
    assert tokens.read_text().split()[1] == "alice"
    assert token not in tokens.read_text()
    for words, wrong in (
        (["--new-token", "alice"], "--tokens FILE"),
        (["--host", "0.0.0.0"], "can be reached by others"),
        (["--gather", "0"], "above zero"),
        (["--workers", "0"], "one at least"),
    ):
        assert cli.run(["serve", str(runs), *words]) == 2
        assert wrong in capsys.readouterr().err.replace("\n", " ")
