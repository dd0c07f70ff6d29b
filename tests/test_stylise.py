"""One example image gives others its style: the formula, the command, any size, and what is wrong
said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from ganvas import InputError, api
from ganvas.apps import cli
from ganvas.core import Batch, Continuous, Tokens
from ganvas.models.adain import AdaIN, moments, transfer_moments
from ganvas.tasks import stylise as task
from test_translate import folder, scene

COLOUR = Continuous((3, 16, 16))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Photographs and paintings, so to say."""
    home = tmp_path_factory.mktemp("domains")
    return folder(home, "photos", 24), folder(home, "paintings", 20, first=100)


@pytest.fixture(scope="module")
def run(two: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "adain"
    said = [
        "train",
        "adain",
        str(two[0]),
        "--to",
        str(two[1]),
        "--out",
        str(out),
        "--held-out",
        "0.4",
    ]
    assert (
        cli.run(
            [
                *said,
                "--size",
                "16",
                "--channels",
                "4",
                "--warmup",
                "2",
                "--steps",
                "5",
                "--batch",
                "4",
            ]
        )
        == 0
    )
    return out


def test_restyled_features_have_the_moments_of_the_style_and_the_order_of_the_content() -> None:
    torch.manual_seed(0)
    h, k = torch.randn(2, 5, 8, 9), 3 * torch.randn(1, 5, 4, 6) + 2
    made = transfer_moments(h, k)
    for ours, theirs in zip(moments(made), moments(k), strict=True):
        assert torch.allclose(ours, theirs.expand_as(ours), atol=1e-3)
    assert torch.equal(made.flatten(2).argsort(2), h.flatten(2).argsort(2))
    assert torch.allclose(transfer_moments(h, h), h, atol=1e-5), (
        "in its own style it stays as it is"
    )


def test_the_loss_is_the_papers() -> None:
    """Of the first step after the warm-up, against the formula written out."""
    torch.manual_seed(0)
    model = AdaIN(COLOUR, COLOUR, warmup=1, channels=4, style=3.0)
    x, y = torch.rand(2, 3, 16, 16) * 2 - 1, torch.rand(2, 3, 16, 16) * 2 - 1
    model.step = 2
    (turn,) = model.turns(Batch(x, y))
    f = model.perception.features
    ours, theirs = f(model.stylise(y, x)), f(x)
    style = torch.zeros(())
    for a, b in zip(ours, theirs, strict=True):
        (da, ma), (db, mb) = (torch.std_mean(part, (2, 3), correction=0) for part in (a, b))
        style = style + ((ma - mb).square().mean() + (da - db).square().mean()) / db.square().mean()
    content = (
        ours[-1] - transfer_moments(f(y)[-1], theirs[-1])
    ).square().mean() / db.square().mean()
    assert turn.player == "decoder"
    assert torch.allclose(turn.loss["style"], 3 * style, rtol=1e-2)  # it adds a little to variances
    assert torch.allclose(turn.loss["content"], content, rtol=1e-2)  # it adds a little to variances


def test_no_strength_is_the_content_alone() -> None:
    torch.manual_seed(0)
    model = AdaIN(COLOUR, COLOUR, channels=4).eval()
    x, one, other = (torch.rand(1, 3, 13, 18) * 2 - 1 for _ in range(3))
    none = model.stylise(x, one, 0.0)
    assert torch.equal(none, model.stylise(x, other, 0.0))
    assert torch.allclose(none, model.stylise(x, x), atol=1e-5), "its own style changes nothing"
    assert not torch.allclose(model.stylise(x, one), model.stylise(x, other), atol=1e-4)


def test_images_of_any_size_take_the_style_of_a_file(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "given").mkdir()
    for name, (height, width) in {"a": (50, 31), "b": (9, 64)}.items():
        Image.fromarray(scene(height, width, 7)).save(tmp_path / "given" / f"{name}.png")
    Image.fromarray(scene(90, 40, 8)).save(tmp_path / "style.png")
    monkeypatch.setattr(task, "LARGEST", 45)
    said = ["stylise", str(run), str(tmp_path / "given"), "--style", str(tmp_path / "style.png")]
    assert cli.run([*said, "--strength", "0.5", "--out", str(tmp_path / "made")]) == 0
    assert [Image.open(tmp_path / "made" / f"{name}.png").size for name in "ab"] == [
        (31, 50),
        (64, 9),
    ]
    assert (tmp_path / "made" / "before-and-after.png").exists()
    assert task._seen(torch.rand(3, 90, 40)).shape == (1, 3, 45, 20)
    trained = api.load(run)
    assert trained.tasks == ["stylise"]
    assert (run / "previews" / "training.gif").exists()
    assert trained.evaluate(quiet=True, features="plain").figures == ()
    assert (run / "images" / "stylised.png").exists()


def test_what_is_wrong_is_said(
    run: Path, two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, paintings = map(str, two)
    painting = f"{paintings}/100.png"
    (tmp_path / "none.jpg").write_text("no image")
    grey = folder(tmp_path, "grey", 4, grey=True)
    said = {
        "name it with --style": ["stylise", str(run), photos],
        "from one image, not 20": ["stylise", str(run), photos, "--style", paintings],
        "none.jpg": ["stylise", str(run), photos, "--style", str(tmp_path / "none.jpg")],
        "--strength is 1.5": [
            "stylise",
            str(run),
            photos,
            "--style",
            painting,
            "--strength",
            "1.5",
        ],
        "both folders in colour": ["train", "adain", photos, "--to", str(grey)],
        "name the other with --to": ["train", "adain", photos],
        "--warmup 0": ["train", "adain", photos, "--to", paintings, "--warmup", "0"],
    }
    for words, command in said.items():
        out = tmp_path / "out"
        assert cli.run([*command, "--out", str(out)]) == 2, command
        assert words in capsys.readouterr().err, command
        assert not out.exists()
    with pytest.raises(InputError, match="images into images"):
        AdaIN(Tokens(8, 3), COLOUR)
