"""From `ganvas studio` to the first generated image of a new user's own 200 images: clicks,
CPU, time.

A headless Chromium does what a person would: drops 200 image files, takes the model that is
recommended for as long as is recommended, waits for the training to end, and asks for new images.
Counted are presses and drops; the CPU time of the training's process and of the studio's, from
their start to the first image; and seconds on the clock.

    python benchmarks/studio.py

PHOTOS is a folder of at least 200 images; by default 200 of the held-out images of clothes that
ship with Ganvas.
"""

from __future__ import annotations

import argparse
import gzip
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import psutil
from _common import report
from PIL import Image

from ganvas.data.samples import FASHION

IMAGES = 200
WORDS = "Run"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", nargs="?", type=Path)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--minutes", type=float, help="instead of what is recommended")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = (
            sorted(asked.photos.iterdir())[:IMAGES]
            if asked.photos
            else clothes(Path(folder) / "photos")
        )
        found = measured(files, Path(folder) / "runs", asked.chromium, asked.minutes)
    report("studio", found)


def clothes(folder: Path) -> list[Path]:
    """200 images of clothes as files."""
    folder.mkdir()
    packed = gzip.decompress((FASHION / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    for i, pixels in enumerate(np.frombuffer(packed, np.uint8).reshape(-1, 28, 28)[:IMAGES]):
        Image.fromarray(pixels).save(folder / f"{i:03}.png")
    return sorted(folder.iterdir())


def measured(files: list[Path], runs: Path, chromium: str, minutes: float | None) -> dict[str, Any]:
    """What it takes from the command to the first image."""
    from playwright.sync_api import sync_playwright

    began, port = monotonic(), free_port()
    studio = subprocess.Popen(
        [sys.executable, "-m", "ganvas", "studio", str(runs), "--port", str(port)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert studio.stdout is not None
        studio.stdout.readline()
        opened = monotonic() - began
        with sync_playwright() as player:
            page = player.chromium.launch(
                executable_path=chromium, args=["--no-sandbox"]
            ).new_page()
            page.set_default_timeout(600_000)
            page.goto(f"http://127.0.0.1:{port}")
            found = played(page, files, psutil.Process(studio.pid), minutes)
        cpu = psutil.Process(studio.pid).cpu_times()
    finally:
        studio.terminate()
        studio.wait()
    found |= {
        "CPU seconds of the studio": cpu.user + cpu.system,
        "threads": os.environ.get("OMP_NUM_THREADS"),
    }
    return {
        "images": len(files),
        "seconds until the page": opened,
        **found,
        "seconds in all": monotonic() - began,
    }


def played(
    page: Any, files: list[Path], studio: psutil.Process, minutes: float | None
) -> dict[str, Any]:
    """The presses of a new user, and what they cost."""
    clicks = 0

    def press(name: str, role: str = "button") -> None:
        nonlocal clicks
        page.get_by_role(role, name=name, exact=True).click()
        clicks += 1

    page.locator("input[type=file]").first.set_input_files([str(file) for file in files])
    clicks += 1
    press("Continue to training")
    if minutes:
        page.locator("#minutes input[type=number]").fill(str(minutes))
    chosen = page.locator("#model input").input_value()
    press("Start training")
    trained = watched(studio)
    press("Use it")
    page.locator("#do").wait_for()
    press(WORDS)
    page.locator("#answer img").first.wait_for(state="attached")
    page.locator("#answer img").first.scroll_into_view_if_needed()
    page.locator("#answer img").first.wait_for()
    lasted = float(page.locator("#minutes input").first.input_value())
    return {
        "clicks": clicks,
        "model": chosen,
        "minutes": lasted,
        "CPU seconds of the training": trained,
    }


def watched(studio: psutil.Process) -> float:
    """CPU seconds of the training, a child of the studio, when it has come to its end."""
    while not (trainings := studio.children()):
        sleep(0.1)
    used = 0.0
    while trainings[0].status() != psutil.STATUS_ZOMBIE:
        times = trainings[0].cpu_times()
        used = max(used, times.user + times.system)
        sleep(0.1)
    return used


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


if __name__ == "__main__":
    main()
