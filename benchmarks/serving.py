"""Requests a second of a served scorer, gathered and one by one, beside the model alone; and what
becomes of bad ones.

A VAE of the images that ship with the package is served by `ganvas serve` in one process, and 32
clients of another process ask at once what is anomalous about one image each, as PNG; every answer
is read and looked at. The same is done with `--gather 1`, where every request has a pass of its
own, in turns with the other. Beside it: what the bare model does in passes of 32 and of one.
Processor seconds of the server are told too: other work on the machine slows the clock, not these.
Then 10,000 requests, one in three of them bad in one of many ways, and a crowd of more than may be
inside.

python benchmarks/serving.py --seconds 10 --repeats 3
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from _common import report, spread
from PIL import Image

CLIENTS = 32
SAMPLES = Path(__file__).parent.parent / "src" / "ganvas" / "samples" / "fashion"


def trained(runs: Path, steps: int) -> Any:
    import ganvas

    folder = runs / "vae"
    return (
        ganvas.load(folder)
        if (folder / "report.html").exists()
        else ganvas.train("vae", SAMPLES, out=folder, steps=steps)
    )


@contextmanager
def serving(runs: Path, *options: str) -> Iterator[tuple[int, psutil.Process]]:
    """A server in a process of its own: its port, and it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ganvas", "serve", str(runs), "--port", str(port), *options]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                assert process.poll() is None, "the server ended"
                time.sleep(0.1)
        yield port, psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(90)


def request(path: str, body: bytes, kind: str, *headers: str) -> bytes:
    head = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


async def answered(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Status and content of an answer, and whether the connection is closed after it."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    lines = dict(line.partition(": ")[::2] for line in head.split("\r\n")[1:] if line)
    content = (
        await reader.readexactly(int(lines["content-length"])) if "content-length" in lines else b""
    )
    while "chunked" in lines.get("transfer-encoding", "") and (
        size := int((await reader.readline()).strip() or b"0", 16)
    ):
        content += (await reader.readexactly(size + 2))[:-2]
    if "chunked" in lines.get("transfer-encoding", ""):
        await reader.readline()
    return int(head.split()[1]), content, lines.get("connection") == "close"


async def load(port: int, images: Sequence[bytes], seconds: float) -> dict[str, Any]:
    """Many clients that ask again as soon as they have an answer: how many had one, and after how
    long."""
    ready = [request("/runs/vae/detect", image, "image/png") for image in images]
    waits, end, wrong = list[float](), time.perf_counter() + seconds, 0

    async def client(number: int) -> None:
        nonlocal wrong
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        turn = number
        while (began := time.perf_counter()) < end:
            writer.write(ready[turn % len(ready)])
            status, content, _ = await answered(reader)
            waits.append(time.perf_counter() - began)
            wrong += status != 200 or b'"p"' not in content
            turn += CLIENTS
        writer.close()

    await asyncio.gather(*map(client, range(CLIENTS)))
    p50, p99 = np.percentile(waits, [50, 99])
    return {
        "requests": len(waits),
        "wrong": wrong,
        "p50 (ms)": 1e3 * float(p50),
        "p99 (ms)": 1e3 * float(p99),
    }


def measured(
    port: int, server: psutil.Process, images: Sequence[bytes], seconds: float
) -> dict[str, Any]:
    asyncio.run(load(port, images, 1.0))
    before, began = server.cpu_times(), time.perf_counter()
    found = asyncio.run(load(port, images, seconds))
    took, after = time.perf_counter() - began, server.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    return found | {
        "requests/s": found["requests"] / took,
        "processor ms a request": 1e3 * cpu / found["requests"],
    }


def bare(run: Any, size: int, seconds: float) -> float:
    """Examples a second of the model alone, in passes of a size."""
    run.prepare()
    x = run.run.modality.read(SAMPLES).batch(torch.arange(size)).x
    with torch.no_grad():
        run.model.score_with_attribution(x)
        began, done = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            run.model.score_with_attribution(x)
            done += size
    return done / (time.perf_counter() - began)


def bad(image: bytes) -> list[bytes]:
    """Requests that are wrong, each in its own way."""
    detect, png, js = "/runs/vae/detect", "image/png", "application/json"
    huge = BytesIO()
    Image.new("1", (20_000, 20_000)).save(huge, "PNG")
    table = b"a,b\n1,2\n"
    return [
        request(detect, b"\x80\x04\x95\x10\x00pickle.", png),
        request(detect, image[: len(image) // 2], png),
        request(detect, huge.getvalue(), png),
        request(detect, b"", png),
        request(detect, b"{", js),
        request(detect, b'{"x": {"images": ["!"]}}', js),
        request(detect, b'{"x": {"rows": [{"a": NaN}]}}', js),
        request(detect, table, "text/csv"),
        request(detect, image, "application/x-anomalous"),
        request(detect + "?fdr=2", image, png),
        request(detect + "?alpha=nan", image, png),
        request(detect + "?path=/etc/passwd", image, png),
        request("/runs/..%2f..%2fetc/detect", image, png),
        request("/runs/none/detect", image, png),
        request("/runs/vae/upscale", image, png),
        request("/runs/vae/sample", b'{"n": 100000000}', js),
        request("/runs/vae/sample", b'{"n": -1}', js),
        request("/runs/vae/sample", b"{}", js, "Accept: text/csv"),
        request("/nowhere", b"", js),
        request("/runs/vae/sample", b'{"n": 1e400}', js),
        request("/jobs", b'{"name": "../x", "model": "vae"}', js),
        b"POST /runs/vae/detect HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST /runs/vae/detect HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n",
        b"GARBAGE\r\n\r\n",
    ]


async def mixed(port: int, images: Sequence[bytes], n: int) -> dict[str, Any]:
    """So many requests, one in three bad: how each was answered; what a good one got that was not
    an answer."""
    good = [request("/runs/vae/detect", image, "image/png") for image in images]
    wrong = bad(images[0])
    statuses, lost, todo = Counter[int](), 0, iter(range(n))

    async def client() -> None:
        nonlocal lost
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in todo:
            one_is_bad = number % 3 == 0
            writer.write(
                wrong[number // 3 % len(wrong)] if one_is_bad else good[number % len(good)]
            )
            try:
                status, _, closed = await answered(reader)
                statuses[status] += 1
                lost += not one_is_bad and status != 200
            except (asyncio.IncompleteReadError, ConnectionError):
                closed = True
                lost += not one_is_bad
            if closed or one_is_bad:
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return {
        "requests": n,
        "statuses": {str(k): v for k, v in sorted(statuses.items())},
        "good ones not answered": lost,
        "5xx but 503": sum(v for k, v in statuses.items() if k >= 500 and k != 503),
    }


async def crowd(port: int, image: bytes, n: int) -> dict[str, Any]:
    """So many at the same moment."""
    ready, statuses = request("/runs/vae/detect", image, "image/png"), Counter[int]()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(ready)
        statuses[(await answered(reader))[0]] += 1
        writer.close()

    await asyncio.gather(*(client() for _ in range(n)))
    return {"at once": n, "statuses": {str(k): v for k, v in sorted(statuses.items())}}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of load, each time")
    parser.add_argument("--repeats", type=int, default=3, help="times that both ways are measured")
    parser.add_argument("--requests", type=int, default=10_000, help="good and bad")
    parser.add_argument(
        "--steps", type=int, default=600, help="steps that the model is trained for"
    )
    parser.add_argument("--gather", type=int, default=32, help="examples of a pass")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs-serving"), help="where the run is kept"
    )
    given = parser.parse_args()
    run = trained(given.runs, given.steps)
    x = run.run.modality.read(SAMPLES).batch(torch.arange(256)).x
    images = [_png(one) for one in x]
    ways = {"gathered": ("--gather", str(given.gather)), "one by one": ("--gather", "1")}
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    busy = [os.getloadavg()[0]]
    alone = {size: list[float]() for size in (1, CLIENTS)}
    for _ in range(given.repeats):
        for way, options in ways.items():
            with serving(given.runs, *options) as (port, server):
                found[way].append(measured(port, server, images, given.seconds))
        for size, rates in alone.items():
            rates.append(bare(run, size, given.seconds / 4))
    with serving(given.runs, "--gather", str(given.gather)) as (port, server):
        pid = server.pid
        many = asyncio.run(mixed(port, images, given.requests))
        pressed = asyncio.run(crowd(port, images[0], 500))
        crashes = int(not server.is_running() or server.pid != pid)
    busy.append(os.getloadavg()[0])
    told = {
        way: {key: spread([one[key] for one in measured]) for key in measured[0]}
        for way, measured in found.items()
    }
    faster = [a["requests/s"] / b["requests/s"] for a, b in zip(*found.values(), strict=True)]
    cheaper = [
        b["processor ms a request"] / a["processor ms a request"]
        for a, b in zip(*found.values(), strict=True)
    ]
    report(
        "serving",
        {
            "clients": CLIENTS,
            "served": told,
            "times the requests/s": spread(faster),
            "times fewer processor seconds": spread(cheaper),
            "bare model, examples/s": {
                f"passes of {size}": spread(rates) for size, rates in alone.items()
            },
            "good and bad": many | {"crashes": crashes},
            "crowd": pressed,
            "load average before and after": busy,
        },
    )


def _png(x: torch.Tensor) -> bytes:
    stream = BytesIO()
    Image.fromarray(((x[0] + 1) * 127.5).round().byte().numpy()).save(stream, "PNG")
    return stream.getvalue()


if __name__ == "__main__":
    main()
