"""Editing moves along what was asked for, as far as was asked, and leaves alone what is to be
held."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from ganvas import InputError, api
from ganvas.abilities import Autoencodes, Decodes, Generates
from ganvas.apps import cli
from ganvas.core import Continuous, NamedExamples, Tokens
from ganvas.core.attributes import Attributes
from ganvas.data.images.attributes import read_attributes
from ganvas.tasks.edit.directions import (
    Scale,
    attribute_direction,
    discover_directions,
    orthogonal_to,
)
from ganvas.tasks.edit.inversion import InvertedGenerator
from ganvas.tasks.edit.task import edit


class Linear(Autoencodes):
    """Latents are examples, turned."""

    def __init__(self) -> None:
        self.turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(0))).Q

    def encode(self, x: Tensor) -> Tensor:
        return x @ self.turn

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return z @ self.turn.T


class Blobs(Generates, nn.Module):
    """A generator of smooth images from two numbers, of one of two labels: bright ones, and dark
    ones."""

    def __init__(self, labels: bool) -> None:
        super().__init__()
        self.space, self.condition = Continuous((1, 8, 8)), Tokens(1, 2) if labels else None
        place = torch.linspace(-1, 1, 8)
        self.waves = torch.stack([place.expand(8, 8), place[:, None].expand(8, 8)])

    def prior(self, n: int, truncation: float | None = None) -> Tensor:
        return torch.randn(n, 2)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        shade = 0.0 if y is None else y.view(-1, 1, 1).float() - 0.5
        return (torch.einsum("bd,dhw->bhw", z, self.waves) / 2 + shade).tanh().unsqueeze(1)

    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        return self.decode(self.prior(n), y)


@pytest.mark.parametrize("by", ["boundary", "means"])
def test_a_direction_is_that_in_which_values_grow(by: Any) -> None:
    torch.manual_seed(0)
    u, wanted = torch.randn(4000, 5).double(), torch.tensor([3.0, 0, -4, 0, 0]).double() / 5
    for values in ((u @ wanted > 0.3).double(), (u @ wanted) ** 3):
        assert attribute_direction(u, values, by) @ wanted > 0.98


def test_what_is_held_has_no_share_in_a_direction() -> None:
    torch.manual_seed(0)
    a, b, c = torch.randn(3, 6).double()
    left = orthogonal_to(a, [b, c])
    assert left.norm().item() == pytest.approx(1)
    assert (torch.stack([b, c]) @ left).abs().max() < 1e-9
    assert orthogonal_to(a, []) is a
    with pytest.raises(InputError, match="hold less"):
        orthogonal_to(a, [2 * a])


def test_telling_directions_of_a_linear_map_are_its_singular_vectors() -> None:
    torch.manual_seed(0)
    weight = torch.randn(6, 20).double()
    found = discover_directions(lambda u: u @ weight, torch.randn(3, 6).double(), 4)
    expected = torch.linalg.svd(weight).U.T[:4]
    assert (found * expected).sum(1).abs().tolist() == pytest.approx([1] * 4)


def test_a_scale_goes_there_and_back() -> None:
    z = torch.randn(30, 2, 3) * torch.tensor([1.0, 5, 0.1]) + 2
    scale = Scale.of(z)
    assert torch.allclose(scale.there(z).std(0), torch.ones(6).double())
    assert torch.allclose(scale.back(scale.there(z)), z, atol=1e-5)


def asked(x: Tensor, **options: Any) -> Any:
    """Linear edits of examples x by what is known of a thousand others: whether their first number
    is above zero."""
    known = torch.randn(1000, 4, generator=torch.Generator().manual_seed(1)) * torch.tensor(
        [2.0, 1, 1, 1]
    )
    examples = NamedExamples(known, ["a"] * 1000, (known[:, :1] > 0).long(), ("below", "above"))
    return edit(Linear(), NamedExamples(x, ["x"] * len(x)), lambda most: examples, **options)


def test_strength_one_is_one_standard_deviation_along_the_direction() -> None:
    x = torch.zeros(1, 4)
    answer = asked(x, attribute="above", strength="-1..1", steps=3)
    assert answer.strengths == (-1, 0, 1)
    assert torch.allclose(answer.frames[1], x, atol=1e-6)
    moved = answer.frames[2, 0]
    assert moved[0].item() == pytest.approx(2, rel=0.15)
    assert moved[1:].abs().max() < 0.3
    assert torch.allclose(answer.frames[0], -answer.frames[2], atol=1e-5)
    assert answer.faithful.item() > 60


class Curved(Autoencodes):
    """What one latent adds to an example also moves its second number, which the encoder takes for
    another latent."""

    def encode(self, x: Tensor) -> Tensor:
        return x

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return torch.cat([z[:, :1], z[:, 1:] + 0.4 * z[:, :1] ** 2], 1)


def test_what_is_held_stays_in_what_comes_out() -> None:
    x = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    table = Attributes(
        [str(i) for i in range(2000)], {"a": x[:, 0].double(), "b": x[:, 1].double()}, "table"
    )
    examples = NamedExamples(x, table.names)
    ask = {"attribute": "a", "attributes": table, "strength": "2"}
    loose, held = (
        edit(
            Curved(),
            NamedExamples(torch.zeros(1, 2), ["x"]),
            lambda most: examples,
            **ask,
            hold=hold,
        ).frames[0, 0]
        for hold in (None, "b")
    )
    assert loose.tolist() == pytest.approx([2, 1.6], abs=0.2)
    assert held.tolist() == pytest.approx([2, 0], abs=0.2)


def test_examples_that_have_it_do_what_labels_do() -> None:
    x = torch.randn(600, 4, generator=torch.Generator().manual_seed(2))
    answer = asked(x[:2], has=x[x[:, 1] > 0.5], lacks=x[x[:, 1] < -0.5], strength="2")
    change = answer.frames[0] - x[:2]
    assert answer.frames.shape == (1, 2, 4)
    assert (change[:, 1] > 1).all()
    assert (change[:, [0, 2, 3]].abs() < 0.5).all()


def test_found_directions_come_one_after_the_other_for_each_example() -> None:
    answer = asked(torch.zeros(2, 4), found=3, strength="1")
    assert answer.frames.shape == (1, 6, 4)
    assert answer.directions == ("direction 1", "direction 2", "direction 3")
    first, second = answer.frames[0].view(2, 3, 4)
    assert torch.equal(first, second)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nothing asked": ({}, "say what to edit"),
    "has alone": ({"has": torch.zeros(3, 4)}, "say what to edit"),
    "two things": ({"attribute": "above", "found": 2}, "say what to edit"),
    "unknown class": ({"attribute": "beyond"}, "there are below, above"),
    "no range": ({"attribute": "above", "strength": "much"}, "strength= is 'much'"),
    "one step": ({"attribute": "above", "steps": 1}, "steps= is 1"),
    "no steps": ({"attribute": "above", "inversion_steps": 0}, "inversion_steps= is 0"),
    "too many": ({"found": 9}, "have 4 directions"),
    "few": ({"has": torch.zeros(1, 4), "lacks": torch.ones(3, 4)}, "at least two examples"),
    "held without labels": (
        {"has": torch.zeros(2, 4), "lacks": torch.ones(2, 4), "hold": "age"},
        "hold= needs",
    ),
    "itself held": ({"attribute": "above", "hold": "below"}, "hold less"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_said(kind: str) -> None:
    options, words = WRONG[kind]
    with pytest.raises(InputError, match=words):
        asked(torch.zeros(1, 4), **options)


@pytest.mark.parametrize("labels", [False, True])
def test_a_generator_is_inverted_and_its_label_found(labels: bool) -> None:
    torch.manual_seed(0)
    model = Blobs(labels)
    z, y = torch.randn(6, 2), torch.tensor([[0], [1]] * 3) if labels else None
    x = model.decode(z, y)
    with torch.no_grad():
        inverted = InvertedGenerator(model, 0, None, 120)
        found, label = inverted.best(x, None)
    assert ((inverted.decode(found, label) - x).square().mean((1, 2, 3)) < 1e-3).all()
    assert (found - z).abs().max() < 0.1
    assert label is None if y is None else torch.equal(label, y)


def test_what_cannot_be_inverted_says_so() -> None:
    class Only(Decodes):
        def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
            return z

    with pytest.raises(InputError, match="neither encodes"):
        edit(
            Only(),
            NamedExamples(torch.zeros(1, 4), ["x"]),
            lambda most: NamedExamples(torch.zeros(4, 4), []),
            found=1,
        )


def test_attributes_are_found_by_the_names_of_files(tmp_path: Path) -> None:
    (tmp_path / "faces.csv").write_text(
        "image_id,Smiling,age,town\n1.jpg,-1,30,Ulm\na/2.jpg,1,,Bonn\n"
    )
    table = read_attributes(tmp_path / "faces.csv")
    assert set(table.columns) == {"Smiling", "age"}
    assert table.of("Smiling", ["a/2.jpg", "b/1.jpg"]).tolist() == [1, -1]
    assert table.of("age", ["1.jpg", "a/2.jpg", "3.jpg"]).isnan().tolist() == [False, True, True]
    with pytest.raises(InputError, match="no column 'age2'; it has Smiling, age"):
        table.of("age2", ["1.jpg"])
    with pytest.raises(InputError, match="is about an example at hand"):
        table.of("age", ["9.jpg"])
    for content, words in (
        ("file\n", "rows; the first column"),
        ("file,town\n1.jpg,Ulm\n", "no column of numbers"),
    ):
        (tmp_path / "bad.csv").write_text(content)
        with pytest.raises(InputError, match=words):
            read_attributes(tmp_path / "bad.csv")
    with pytest.raises(InputError, match="does not exist"):
        read_attributes(tmp_path / "none.csv")
    assert isinstance(read_attributes(pd.DataFrame({"file": ["1.jpg"], "age": [3]})), Attributes)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark and bright images in two folders, a table of how bright they are, and a VAE that
    learned them."""
    home, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    rows = []
    for i in range(80):
        folder = home / "photos" / ("bright" if i % 2 else "dark")
        folder.mkdir(parents=True, exist_ok=True)
        level = int(random.integers(150, 230) if i % 2 else random.integers(20, 100))
        Image.fromarray(
            np.full((8, 8), level, np.uint8) + random.integers(0, 20, (8, 8), np.uint8)
        ).save(folder / f"{i}.png")
        rows.append({"file": f"{i}.png", "level": level})
    pd.DataFrame(rows).to_csv(home / "levels.csv", index=False)
    said = [
        "train",
        "vae",
        str(home / "photos"),
        "--out",
        str(home / "run"),
        "--steps",
        "150",
        "--batch",
        "32",
    ]
    assert cli.run([*said, "--latent", "2", "--network", "perceptron", "--width", "32"]) == 0
    return home


@pytest.mark.parametrize(
    "said",
    [["--attribute", "bright"], ["--attribute", "level", "--attributes", "levels.csv"], []],
    ids=str,
)
def test_images_get_brighter(
    home: Path, said: list[str], capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    said = said or ["--has", "photos/bright", "--lacks", "photos/dark"]
    out = home / "edited"
    command = [
        "edit",
        "run",
        "photos/dark/0.png",
        *said,
        "--strength",
        "-1..2",
        "--steps",
        "4",
        "--inversion-steps",
        "20",
    ]
    assert cli.run([*command, "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["strengths"] == [-1, 0, 1, 2]
    assert len(told["identity kept, cosine"]) == 4
    shades = [
        np.asarray(Image.open(next((out / name).glob("*.png")))).mean()
        for name in ("-1", "+0", "+1", "+2")
    ]
    assert shades == sorted(shades)
    assert shades[3] > shades[1] + 30
    assert {"strip.png", "walk.gif"} <= {file.name for file in out.iterdir()}


def test_in_python_edits_are_images(home: Path) -> None:
    run = api.load(home / "run")
    (walks,) = run.edit(
        str(home / "photos" / "dark" / "0.png"),
        found=2,
        strength="-1..1",
        steps=3,
        inversion_steps=20,
    )
    assert list(walks) == ["direction 1", "direction 2"]
    assert [image.size for image in walks["direction 1"]] == [(8, 8)] * 3
