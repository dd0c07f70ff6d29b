"""The service as it is run: processes that are killed, asked to end, and trainings that outlive them."""

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

from ganvas import cli

CSV = {"content-type": "text/csv"}


def until(said: Callable[[], bool], seconds: float = 120) -> None:
    end = monotonic() + seconds
    while not said():
        assert monotonic() < end, "it did not happen"
        sleep(0.05)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "data.csv"
    pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=["a", "b", "c"]).to_csv(file, index=False)
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
    command = [sys.executable, "-m", "ganvas", "serve", str(runs), "--port", str(port), "--workers", "2"]
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


def test_a_training_is_asked_for_watched_stopped_and_gone_on_with(
    served: tuple[str, psutil.Process], data: Path
) -> None:
    url = served[0]
    ask = {"name": "new", "model": "ae", "options": '{"steps": 100000, "batch": 4}'}
    files = {"data": ("data.csv", data.read_bytes())}
    begun = httpx.post(f"{url}/jobs", data=ask, files=files, timeout=60)
    assert (begun.status_code, begun.json()["state"]) == (201, "training"), begun.text
    busy = httpx.post(f"{url}/jobs", data=ask | {"name": "second"}, files=files, timeout=60)
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "60")
    until(lambda: bool(httpx.get(f"{url}/jobs/new", timeout=60).json()["losses"]))
    stopped = httpx.post(f"{url}/jobs/new/stop", timeout=60).json()
    assert (stopped["state"], stopped["error"]) == ("stopped", "")
    assert stopped["step"] > 0
    assert httpx.post(f"{url}/jobs/new/resume", timeout=60).json()["state"] == "training"
    httpx.post(f"{url}/jobs/new/stop", timeout=60)
    names = [one["name"] for one in httpx.get(f"{url}/runs", timeout=60).json()]
    assert names == ["new", "rows"]


WRONG = {
    "a path for a name": ({"name": "../up", "model": "ae"}, "is no name"),
    "no model": ({"name": "x", "model": "os"}, "no model is called"),
    "a path to write to": ({"name": "x", "model": "ae", "options": '{"out": "/tmp/x"}'}, "'out' is no option"),
    "a run elsewhere": ({"name": "x", "model": "ae", "options": '{"through": "/etc"}'}, "no run is called"),
    "a path to read": ({"name": "x", "model": "ae", "options": '{"to": "/etc"}'}, "are sent as files"),
    "no such option": ({"name": "x", "model": "ae", "options": '{"--out": "/tmp/x"}'}, "no option"),
    "no options": ({"name": "x", "model": "ae", "options": "["}, "options"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_no_training_reads_or_writes_elsewhere(kind: str, served: tuple[str, psutil.Process], data: Path) -> None:
    said, words = WRONG[kind]
    answer = httpx.post(f"{served[0]}/jobs", data=said, files={"data": ("d.csv", data.read_bytes())}, timeout=60)
    assert answer.status_code in (404, 422)
    assert words in answer.text
    assert {job["name"] for job in httpx.get(f"{served[0]}/jobs", timeout=60).json()} <= {"new"}


def test_a_list_of_paths_is_never_read(served: tuple[str, psutil.Process]) -> None:
    said = {"name": "listed", "model": "ae"}
    for options in ("{}", '{"as_": "images"}'):
        answer = httpx.post(f"{served[0]}/jobs", data=said | {"options": options}, timeout=60,
                            files={"data": ("d.csv", b"path\n/etc/passwd\n/etc/hosts\n")})  # fmt: skip
        assert (answer.status_code, "column called path" in answer.text) == (422, True)


def test_a_killed_worker_loses_nothing_that_is_asked_again(served: tuple[str, psutil.Process]) -> None:
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


def test_what_was_begun_is_finished_when_it_is_asked_to_end(served: tuple[str, psutil.Process]) -> None:
    url, process = served

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=url, timeout=120) as client:
            slow = [
                client.post(f"/runs/rows/sample?n=20000&seed={i}", headers={"accept": "text/csv"}) for i in range(4)
            ]
            asking = [asyncio.ensure_future(one) for one in slow]
            await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
            process.send_signal(signal.SIGTERM)
            return await asyncio.gather(*asking)

    answers = asyncio.run(ask())
    assert [(answer.status_code, answer.text.count("\n")) for answer in answers] == [(200, 20001)] * 4
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
    for words, wrong in ((["--new-token", "alice"], "--tokens FILE"), (["--host", "0.0.0.0"], "can be reached by others"),
                         (["--gather", "0"], "above zero"), (["--workers", "0"], "one at least")):  # fmt: skip
        assert cli.run(["serve", str(runs), *words]) == 2
        assert wrong in capsys.readouterr().err.replace("\n", " ")
