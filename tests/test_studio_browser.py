"""The studio as a person meets it: a real browser drops files, trains, looks, samples and
downloads."""

from __future__ import annotations

import os
import socket
import zipfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from ganvas.apps.jobs import Jobs

pytest.importorskip("gradio")
playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no chromium at /usr/bin")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as player:
        opened = player.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    random = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(40):
        Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(
            tmp_path / "photos" / f"{i:02}.png"
        )
    return [str(file) for file in sorted((tmp_path / "photos").iterdir())]


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "runs").mkdir()
    yield tmp_path / "runs"
    for job in Jobs(tmp_path / "runs"):
        job.stop()


def seen(image: Any) -> None:
    """Waits for an image, which is loaded when one looks there."""
    image.wait_for(state="attached")
    image.scroll_into_view_if_needed()
    image.wait_for()


def served(runs: Path, port: int) -> Callable[[], None]:
    from ganvas.apps.studio.page import serve

    return serve(runs, "127.0.0.1", port, None, 1)


def test_from_files_to_a_download(
    tmp_path: Path, runs: Path, photos: list[str], browser: Any
) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    close = served(runs, port)
    person = browser.new_context(viewport={"width": 390, "height": 844})
    page = person.new_page()
    page.set_default_timeout(60_000)
    asked: list[str] = []
    person.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.get_by_role("heading", name="Training data").wait_for()

    drop = page.locator("input[type=file]").first
    (tmp_path / "bad.csv").write_text("a,b\n1\n2,3,4\n")
    drop.set_input_files(str(tmp_path / "bad.csv"))
    toast = page.locator(".toast-body")
    toast.wait_for()
    assert "bad.csv" in toast.inner_text()
    assert "Traceback" not in page.content()
    page.reload()

    page.locator("input[type=file]").first.set_input_files(photos)
    page.locator("#overview .g-card").wait_for()
    assert "40 images, 16 × 16 colour" in page.locator("#overview").inner_text()
    page.locator("#about .g-card").wait_for()
    assert "vae (recommended)" in page.locator("#model input").input_value()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "fits a phone"

    page.get_by_role("button", name="Continue to training").click()
    page.get_by_label("number input for Minutes to train").fill("30")
    page.get_by_role("button", name="Advanced options").click()
    page.locator("#ask-width input").fill("8")
    page.locator("#ask-batch").locator("input, textarea").fill("8")
    page.get_by_role("button", name="Start training").click()
    seen(page.locator("#preview img"))
    page.locator("#curves svg").wait_for()
    (job,) = Jobs(runs)
    assert {"--width=8", "--batch=8", "--minutes=30"} <= set(job.command)

    close()  # the studio is gone, and the training goes on: it is of another session
    assert job.state == "training"
    process = psutil.Process(job._record["pid"])
    assert os.getsid(process.pid) != os.getsid(0)
    close = served(runs, port)
    page.reload()
    page.get_by_role("tab", name="Train").click()
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("button", name="Resume", exact=True).wait_for()
    assert job.state == "stopped"
    assert "Stopped, with everything saved" in page.locator("#state").inner_text()

    other = browser.new_context().new_page()  # somebody else sees nothing of what this person does
    other.goto(address)
    other.get_by_role("heading", name="Training data").wait_for()
    assert not other.locator("#about .g-card").count()
    assert not other.locator("#state .g-status").count()

    page.get_by_role("button", name="Use it", exact=True).click()
    page.locator("#ask-seed").locator("input, textarea").fill("3")
    page.get_by_role("button", name="Run", exact=True).click()
    seen(page.locator("#answer img").first)
    with page.expect_download() as download:
        page.locator("#download a").first.click()
    with zipfile.ZipFile(download.value.path()) as packed:
        assert "0015.png" in packed.namelist()

    levels = [int(one.evaluate("e => e.tagName")[1]) for one in page.locator("h1, h2, h3").all()]
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels)), "no heading is left out"
    silent = (
        "[...document.images].filter(e => e.offsetParent && !e.alt && !e.closest('button')).length"
    )
    assert page.evaluate(silent) == 0, "every image has words"
    elsewhere = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert not elsewhere
    close()
