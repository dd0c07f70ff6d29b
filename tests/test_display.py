"""Runs and images in a notebook."""

from __future__ import annotations

import base64
import re
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from ganvas import Trained, load, train
from ganvas.runs.notebook import Images


@pytest.fixture(scope="module")
def run(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    out = tmp_path_factory.mktemp("runs") / "a <run>"
    return train("vae", images, out=out, steps=2, batch=16, size=16, width=8, latent=4, quiet=True)


def shown_images(html: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [Image.open(BytesIO(base64.b64decode(one))) for one in found]


def test_a_run_shows_what_it_is_and_what_it_made(run: Trained) -> None:
    html = load(run.run.path)._repr_html_()
    assert "a &lt;run&gt;" in html
    assert "2 steps" in html
    assert "sample" in html
    assert "diagnosis" in html
    (sheet,) = shown_images(html)
    assert sheet.width > 100
    assert "http" not in html


def test_samples_are_a_list_that_shows_itself(run: Trained) -> None:
    made = run.sample(n=3)
    assert isinstance(made, list)
    assert made[0].size == (16, 16)
    shown = shown_images(made._repr_html_())
    assert [one.tobytes() for one in shown] == [one.tobytes() for one in made]
    assert "and 20 more" in Images(made * 40)._repr_html_()


def test_other_answers_stay_what_they_are(run: Trained, images: Path) -> None:
    assert type(run.reconstruct(images)) is list
    assert type(run.interpolate(n=1)[0]) is list
