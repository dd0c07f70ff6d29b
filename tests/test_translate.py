"""Images of one folder become those of another, of any size, under their own names; what cannot
be is said."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from ganvas import InputError, api
from ganvas.abilities.translating import IdentityTranslation
from ganvas.apps import cli
from ganvas.core import Batch, Continuous, Tokens
from ganvas.core.images import with_channels
from ganvas.data._recognition import guess_modality
from ganvas.data.images.modality import Images
from ganvas.models.cut import CUT
from ganvas.models.cyclegan import CycleGAN
from ganvas.models.pix2pix import Pix2Pix
from ganvas.nn.translation import Memory, Normalise, PatchDiscriminator, ResidualTranslator, UNet
from ganvas.runtime import registry
from ganvas.training.data_checks import check_data
from ganvas.training.engine import Engine

SMALL = ["--channels", "4", "--blocks", "1", "--size", "16", "--batch", "2"]
GREY, COLOUR = Continuous((1, 16, 16)), Continuous((3, 16, 16))


def scene(height: int, width: int, seed: int) -> np.ndarray:
    """A colour image of shades, uint8 (H, W, 3)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    shade = np.stack(
        [np.sin(random.uniform(2, 9) * x + random.uniform(2, 9) * y) for _ in range(3)], -1
    )
    return np.round(127.5 + 120 * shade).astype(np.uint8)


def folder(
    home: Path, name: str, n: int, grey: bool = False, side: int = 20, first: int = 0
) -> Path:
    (home / name).mkdir(parents=True)
    for i in range(first, first + n):
        image = Image.fromarray(scene(side, side + 4, i))
        (image.convert("L") if grey else image).save(home / name / f"{i}.png")
    return home / name


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Thirty grey images, and 24 others in colour."""
    home = tmp_path_factory.mktemp("domains")
    return folder(home, "sketches", 30, grey=True), folder(home, "photos", 24, first=100)


@pytest.fixture(scope="module")
def run(two: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small CycleGAN between them."""
    out = tmp_path_factory.mktemp("runs") / "cyclegan"
    said = [
        "train",
        "cyclegan",
        str(two[0]),
        "--to",
        str(two[1]),
        "--out",
        str(out),
        "--held-out",
        "0.4",
    ]
    assert cli.run([*said, *SMALL, "--steps", "6"]) == 0
    return out


def test_instance_normalisation_is_torchs_wherever_channels_lie() -> None:
    x = torch.randn(2, 5, 6, 7)
    expected = F.instance_norm(x)
    last = x.to(memory_format=torch.channels_last).requires_grad_()
    plain = x.clone().requires_grad_()
    weight = torch.randn_like(x)
    made = Normalise()(last)
    assert torch.allclose(made, expected, atol=1e-5)
    assert made.is_contiguous(memory_format=torch.channels_last)
    (made * weight).sum().backward()
    (F.instance_norm(plain) * weight).sum().backward()
    assert torch.allclose(last.grad, plain.grad, atol=1e-5)


@pytest.mark.parametrize(("halvings", "patch"), [(1, 16), (2, 34), (3, 70)])
def test_patches_are_as_large_as_the_paper_says(halvings: int, patch: int) -> None:
    judge = PatchDiscriminator(1, 2, halvings)
    for module in judge.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.ones_(module.weight)
    layers = [
        m for m in judge.layers if not isinstance(m, Normalise | nn.LeakyReLU)
    ]  # what mixes places
    x = torch.zeros(1, 1, 120, 120, requires_grad=True)
    made = nn.Sequential(*layers)(x)
    made[0, 0, made.shape[2] // 2, made.shape[3] // 2].backward()
    assert int((x.grad[0, 0].abs().sum(0) > 0).sum()) == patch


@pytest.mark.parametrize(
    "network", [ResidualTranslator(1, 3, 4, 1), UNet(1, 3, 4, 3, 0.0)], ids=["rewriter", "unet"]
)
def test_networks_take_any_size(network: nn.Module) -> None:
    assert network(torch.rand(2, 1, 13, 22)).shape == (2, 3, 13, 22)


def test_a_moved_image_is_rewritten_alike() -> None:
    """Fully convolutional: what is far from the edges does not depend on where it lies, where
    nothing normalises."""
    network = ResidualTranslator(1, 1, 4, 1)
    for stage in network.stages:
        for name, part in stage.named_modules():
            if isinstance(part, Normalise):
                parent = stage.get_submodule(name.rpartition(".")[0])
                setattr(parent, name.rpartition(".")[2], nn.Identity())
    x = torch.rand(1, 1, 80, 80)
    whole, part = network(x), network(x[:, :, 8:, 8:])
    assert torch.allclose(whole[:, :, 36:44, 36:44], part[:, :, 28:36, 28:36], atol=1e-5)


def test_memory_gives_back_what_it_was_given_before_and_only_while_learning() -> None:
    torch.manual_seed(0)
    memory = Memory(4, (1, 2, 2))
    photos = [torch.full((1, 1, 2, 2), float(i)) for i in range(60)]
    given = [int(memory(image).mean()) for image in photos]
    assert given[:4] == [0, 1, 2, 3], "it fills up first"
    assert all(then <= now for now, then in enumerate(given))
    assert max(map(given.count, given)) == 2, (
        "what was given while it filled up comes once more at most"
    )
    assert 0.3 < np.mean([then < now for now, then in enumerate(given[4:], 4)]) < 0.7
    held = memory.images.clone()
    assert torch.equal(memory.eval()(photos[0]), photos[0])
    assert torch.equal(held, memory.images)


def test_least_squares_there_and_back_are_the_papers() -> None:
    """The first turn of a step, against the formula written out."""
    torch.manual_seed(0)
    model = CycleGAN(COLOUR, COLOUR, channels=4, blocks=1).eval()
    x, y = torch.rand(2, 3, 16, 16) * 2 - 1, torch.rand(2, 3, 16, 16) * 2 - 1
    turn = next(model.turns(Batch(x, y)))
    g, f = (lambda x, way=way: model.generator[way](x).tanh() for way in ("there", "back"))
    d = model.discriminator
    fool = (d["there"](g(y)) - 1).square().mean() + (d["back"](f(x)) - 1).square().mean()
    cycle = 10 * ((f(g(y)) - y).abs().mean() + (g(f(x)) - x).abs().mean())
    same = 5 * ((g(x) - x).abs().mean() + (f(y) - y).abs().mean())
    for name, expected in {"fool": fool, "cycle": cycle, "identity": same}.items():
        assert torch.allclose(turn.loss[name], expected, rtol=1e-4), name


def test_patches_are_told_by_themselves_among_all() -> None:
    model = CUT(COLOUR, COLOUR, channels=4, blocks=1)
    made, given = F.normalize(torch.randn(2, 5, 7), dim=2), F.normalize(torch.randn(2, 5, 7), dim=2)
    alike = (made[:, :, None] * given[:, None]).sum(3) / 0.07
    expected = -(alike.diagonal(dim1=1, dim2=2) - alike.logsumexp(2)).mean()
    assert torch.allclose(model._contrastive_loss(made, given), expected, rtol=1e-4)


def test_partners_change_with_the_round_and_nobody_is_left_out(two: tuple[Path, Path]) -> None:
    data = Images.learn(two[0], to=two[1], size=16, crop="stretch").read(two[0])
    assert len(data) == 54
    rows = torch.arange(54)
    fixed, first, again, second = (data.batch(rows, step) for step in (None, 3, 3, 4))
    assert fixed.x.shape == (54, 3, 16, 16)
    assert fixed.y.shape == (54, 1, 16, 16)
    assert len(fixed.x.unique(dim=0)) == 24
    assert len(fixed.y.unique(dim=0)) == 30
    assert torch.equal(first.x, again.x)
    assert not torch.equal(first.x[:30], second.x[:30])
    assert torch.equal(first.y[:30], second.y[:30])
    learn, held = data.split(0.4)
    assert set(learn.keys().tolist()).isdisjoint(held.keys().tolist())
    assert (
        not (learn.batch(torch.arange(len(learn)), 1).x[:, None] == held.gather().x)
        .flatten(2)
        .all(2)
        .any()
    )


def test_pairs_are_cut_and_mirrored_alike(tmp_path: Path) -> None:
    ours, theirs = (
        folder(tmp_path, "grey", 6, grey=True, side=40),
        folder(tmp_path, "colour", 6, side=40),
    )
    (theirs / "3.png").rename(theirs / "3.webp.png")
    Image.open(theirs / "3.webp.png").save(theirs / "3.bmp")
    (theirs / "3.webp.png").unlink()
    images = Images.learn(ours, to=theirs, pairs=True, size=16, crop="random", flip=True)
    data = images.read(ours)
    batch = data.batch(torch.arange(len(data)), 7)
    assert (with_channels(batch.x, 1) - batch.y).abs().max() < 0.02
    assert not torch.equal(batch.x, data.batch(torch.arange(len(data)), 8).x)
    learn, held = data.split(0.4)
    assert len(learn) + len(held) == len(data)
    assert (with_channels(held.gather().x, 1) - held.gather().y).abs().max() < 0.02


def test_translating_files_of_any_size_there_and_back(run: Path, tmp_path: Path) -> None:
    for number, (height, width) in enumerate([(50, 31), (9, 64)]):
        (tmp_path / "given" / f"sub{number}").mkdir(parents=True)
        Image.fromarray(scene(height, width, number)).save(
            tmp_path / "given" / f"sub{number}" / "a.png"
        )
    for to, mode in (("photos", "RGB"), ("sketches", "L")):
        said = [
            "translate",
            str(run),
            str(tmp_path / "given"),
            "--to",
            to,
            "--out",
            str(tmp_path / to),
        ]
        assert cli.run(said) == 0
        made = [Image.open(tmp_path / to / f"sub{n}" / "a.png") for n in (0, 1)]
        assert [(p.size, p.mode) for p in made] == [((31, 50), mode), ((64, 9), mode)]
        assert (tmp_path / to / "before-and-after.png").exists()
    assert cli.run(["translate", str(run), str(tmp_path / "given"), "--to", "paintings"]) == 2


def test_images_of_a_few_pixels_are_translated_too(run: Path, tmp_path: Path) -> None:
    sizes = {"dot": (1, 1), "four": (4, 4), "line": (30, 2)}
    (tmp_path / "tiny").mkdir()
    for name, size in sizes.items():
        Image.new("L", size, 90).save(tmp_path / "tiny" / f"{name}.png")
    assert (
        cli.run(["translate", str(run), str(tmp_path / "tiny"), "--out", str(tmp_path / "made")])
        == 0
    )
    assert {name: Image.open(tmp_path / "made" / f"{name}.png").size for name in sizes} == sizes


def test_squares_of_one_image_are_no_copies_of_each_other(two: tuple[Path, Path]) -> None:
    modality = Images.learn(two[0], to=two[1], size=8, crop="random")
    data = modality.read(two[0])
    assert len(data) > 54
    signs = check_data(
        data, modality.vectors, CycleGAN(modality.space, modality.condition, channels=4, blocks=1)
    )
    assert "duplicates" not in {sign.kind for sign in signs}


def test_domains_are_known_by_their_names_in_whatever_order_they_are_given() -> None:
    dark, light = np.zeros((3, 16, 16), np.uint8), np.full((2, 16, 16), 255, np.uint8)
    modality = Images.learn({"dark": dark, "light": light})
    for given in (
        {"dark": dark, "light": light},
        {"light": light, "dark": dark},
        {"a": dark, "b": light},
    ):
        whole = modality.read(given).gather()
        assert (whole.x == 1).all()
        assert (whole.y == -1).all()


def test_texts_beside_the_images_of_a_domain_are_no_captions(tmp_path: Path) -> None:
    first, second = folder(tmp_path, "a", 3), folder(tmp_path, "b", 3)
    for file in second.glob("*.png"):
        file.with_suffix(".txt").write_text("a photo")
    modality = Images.learn(first, to=second)
    assert not modality.words
    assert modality.condition == modality.first.space


def test_a_run_keeps_both_domains_and_shows_them(run: Path, two: tuple[Path, Path]) -> None:
    state = json.loads((run / "run.json").read_text())["modality"]["state"]
    assert state["domains"] == ["sketches", "photos"]
    assert (state["channels"], state["first_channels"], state["to"]) == (
        3,
        1,
        str(two[1].resolve()),
    )
    assert (run / "previews" / "training.gif").exists()
    evaluation = api.load(run).evaluate(quiet=True, features="plain")
    figures = {figure.name: figure for figure in evaluation.figures}
    assert set(figures["Fréchet distance, translated"].beside) == {"real data", "identity"}
    assert figures["PSNR (dB), there and back"].beside == {}, (
        "what is left as it is comes back as it was"
    )
    assert (run / "images" / "translations.png").exists()
    assert "Unseen images of the first domain" in (run / "report.html").read_text()


def test_unseen_images_of_both_domains_lie_in_folders_of_their_names(
    run: Path, tmp_path: Path
) -> None:
    folder(tmp_path, "sketches", 3, grey=True, first=500)
    folder(tmp_path, "photos", 4, first=600)
    modality = api.load(run).run.modality
    assert len(modality.read(tmp_path)) == 3 + 4
    assert len(modality.read(tmp_path / "sketches")) == 3 + 24


def test_pairs_are_judged_beside_the_truth(tmp_path: Path) -> None:
    ours, theirs = folder(tmp_path, "grey", 40, grey=True), folder(tmp_path, "colour", 40)
    out = tmp_path / "run"
    said = [
        "train",
        "pix2pix",
        str(ours),
        "--to",
        str(theirs),
        "--out",
        str(out),
        "--held-out",
        "0.4",
    ]
    assert cli.run([*said, "--channels", "4", "--size", "16", "--steps", "4"]) == 0
    trained = api.load(out)
    figures = {
        figure.name: figure for figure in trained.evaluate(quiet=True, features="plain").figures
    }
    assert set(figures) >= {
        "absolute error, translated",
        "PSNR (dB), translated",
        "SSIM, translated",
    }
    held = trained.run.modality.read(ours).split(0.4)[1].gather()
    left = (IdentityTranslation(trained.model).translate(held.y) - held.x).abs().mean().item()
    assert figures["absolute error, translated"].beside["identity"].value == pytest.approx(
        left, abs=1e-5
    )
    with pytest.raises(InputError, match="one way only"):
        trained.translate(ours, to="grey")


@pytest.mark.parametrize("make", [CycleGAN, CUT, Pix2Pix])
def test_a_stopped_training_goes_on_to_the_same_weights(make: type, tmp_path: Path) -> None:
    name = make.__name__.lower()
    random = np.random.default_rng(0)
    first, second = (
        random.integers(0, 256, (20, 16, 16), np.uint8),
        random.integers(0, 256, (20, 16, 16, 3), np.uint8),
    )
    blocks = {"blocks": 1} if "blocks" in {o.name for o in registry.options(make)} else {}
    options = {
        "channels": 4,
        "batch": 4,
        "quiet": True,
        "schedule": "constant",
        "recover": False,
        **blocks,
    }
    whole = api.train(name, first, to=second, out=tmp_path / "whole", steps=6, **options)
    api.train(name, first, to=second, out=tmp_path / "parts", steps=3, **options)
    card = tmp_path / "parts" / "run.json"
    card.write_text(card.read_text().replace('"steps": 3', '"steps": 6'))
    state = tmp_path / "parts" / "state.json"
    state.write_text(state.read_text().replace("true", "false"))
    with pytest.raises(InputError, match="in memory"):
        api.resume(tmp_path / "parts", quiet=True)
    parts = api.resume(tmp_path / "parts", source={"first": first, "second": second}, quiet=True)
    ours, theirs = whole.run.tensors("weights"), parts.run.tensors("weights")
    assert all(torch.equal(ours[key], theirs[key]) for key in {*ours, *theirs})
    assert parts.translate(first[:2]).shape == (2, 16, 16, 3)


def test_a_large_image_is_translated_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    from ganvas.tasks import _tiles

    monkeypatch.setattr(_tiles, "AT_MOST", 100)
    x = torch.rand(3, 30, 600)
    shapes = set[tuple[int, ...]]()

    def negative(tiles: torch.Tensor) -> torch.Tensor:
        shapes.add(tuple(tiles.shape[2:]))
        return -tiles[:, :1]

    assert torch.allclose(_tiles.apply_whole_or_tiled(negative, x), -x[:1], atol=1e-6)
    assert max(wide for _, wide in shapes) < 600
    assert torch.allclose(_tiles.apply_whole_or_tiled(negative, x, (16, 16)), -x[:1], atol=1e-6)


def test_animated_images_are_their_first_frame(tmp_path: Path) -> None:
    frames = [Image.fromarray(scene(20, 20, seed)[..., 0]) for seed in range(3)]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(2):
            frames[number].save(
                tmp_path / name / f"{number}.gif", save_all=True, append_images=frames
            )
    data = Images.learn(tmp_path / "a", to=tmp_path / "b", size=20).read(tmp_path / "a")
    shown = ((data.gather().y[:2, 0] + 1) * 127.5).round().byte().numpy()
    assert np.abs(shown.astype(int) - np.stack(frames[:2]).astype(int)).max() <= 1


def test_what_is_wrong_is_said(
    two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = map(str, two)
    (tmp_path / "none").mkdir()
    paired = folder(tmp_path, "paired", 5)
    lacking, smaller = folder(tmp_path, "lacking", 4), folder(tmp_path, "smaller", 5, side=12)
    (lacking / "0.png").rename(lacking / "7.png")
    unpaired = (
        "2 of paired have no partner in lacking (0, 4); 1 of lacking have no partner in paired (7)"
    )
    said = {
        "name the other with --to": ["cyclegan", first],
        "none has no images": ["cyclegan", first, "--to", str(tmp_path / "none")],
        "does not exist": ["cut", first, "--to", str(tmp_path / "nowhere")],
        "leave out --to": ["vae", first, "--to", second],
        "asked for labels alone": ["cgan", first, "--to", second],
        unpaired: [
            "pix2pix",
            str(paired),
            "--to",
            str(lacking),
        ],
        "0.png of paired is 24 × 20 pixels and its partner in smaller 16 × 12 (5 such pairs)": [
            "pix2pix",
            str(paired),
            "--to",
            str(smaller),
        ],
        "--skip-unreadable would leave partners behind": [
            "pix2pix",
            str(paired),
            "--to",
            str(paired),
            "--skip-unreadable",
        ],
        "--pairs is for images of two folders": ["vae", first, "--pairs"],
        "leave out --to, or --captions": ["cyclegan", first, "--to", second, "--captions", "names"],
        "--halvings is 3": ["cyclegan", first, "--to", second, "--size", "16", "--halvings", "3"],
        "none of --cycle, --identity, --blocks and --pool": [
            "cyclegan",
            first,
            "--to",
            second,
            "--pool",
            "-1",
        ],
        "--dropout is 2": ["pix2pix", str(paired), "--to", str(paired), "--dropout", "2"],
        "--patches 0": ["cut", first, "--to", second, "--patches", "-1"],
    }
    for words, command in said.items():
        out = tmp_path / "out"
        assert cli.run(["train", *command, "--out", str(out), "--steps", "2"]) == 2
        assert words in capsys.readouterr().err, command
        assert not out.exists()
    for space in (Continuous((6,)), Tokens(8, 3)):
        with pytest.raises(InputError, match="images into images"):
            CycleGAN(space, GREY)
    with pytest.raises(InputError, match="both again"):
        Images(size=16, channels=3, domains=("a", "b"), first_channels=1).read(first)
    with pytest.raises(InputError, match="give two"):
        Images.learn({"a": first, "b": second, "c": second})
    pixels = np.zeros((3, 16, 16), np.uint8)
    for source, other, words in (
        ({"a": pixels, "b": pixels, "c": pixels}, {}, "give two"),
        (pixels, {"to": 5}, "int"),
    ):
        with pytest.raises(InputError, match=words) as refusal:
            api.train("cyclegan", source, **other, out=tmp_path / "out")
        assert "\n" not in str(refusal.value), "an array is not shown"
    with pytest.raises(InputError, match=r"^the dict looks like nothing"):
        guess_modality({"a": 1})


def test_remembering_models_learn_in_one_process() -> None:
    assert CycleGAN(COLOUR, GREY, channels=4, blocks=1).single_process_reason
    assert not CycleGAN(COLOUR, GREY, channels=4, blocks=1, pool=0).single_process_reason


def test_the_discriminator_of_pix2pix_sees_what_it_was_made_of() -> None:
    torch.manual_seed(0)
    model = Pix2Pix(COLOUR, GREY, channels=4)
    assert model.discriminator.layers[0].in_channels == 4
    y = torch.rand(4, 1, 16, 16) * 2 - 1
    logs = list(islice(Engine(model).steps(iter(lambda: Batch(with_channels(y, 3), y), None)), 2))
    assert set(logs[0]) >= {
        "discriminator/real",
        "discriminator/ordering",
        "generator/fool",
        "generator/pixels",
    }
