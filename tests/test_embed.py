"""Latents as tables and maps, groups of them, and walks along each: from the command line to what
people open."""

from __future__ import annotations

import json
import re
import sys
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from ganvas import InputError, api
from ganvas.abilities import Decodes, Encodes, Samples
from ganvas.apps import cli
from ganvas.core import NamedExamples, Tokens
from ganvas.data.images.modality import Images
from ganvas.results import embedding_map
from ganvas.results.clustered import _apart
from ganvas.results.embedded import Embedded
from ganvas.tasks.cluster.task import cluster
from ganvas.tasks.embed.latents import principal_components
from ganvas.tasks.embed.projection import project
from ganvas.tasks.traverse import traverse

NASTY = "</script><b>&'\"<!--<script>"


class Itself(Encodes, Decodes):
    """A model whose latents are the examples."""

    def encode(self, x: Tensor) -> Tensor:
        return x

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return z


def blobs(n: int, *middles: tuple[float, ...]) -> Tensor:
    """So many points around each of these."""
    random = torch.Generator().manual_seed(0)
    return torch.cat(
        [torch.tensor(m) + 0.3 * torch.randn(n, len(m), generator=random) for m in middles]
    )


def named(x: Tensor) -> NamedExamples:
    return NamedExamples(x, [f"row {i}" for i in range(len(x))])


def people(n: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    old = random.random(n) < 0.4
    return pd.DataFrame(
        {
            "age": np.where(old, random.normal(75, 4, n), random.normal(30, 4, n)).round(1),
            "job": np.where(old, "retired", random.choice(["cook", NASTY], n)),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 900, n), "D"),
        }
    )


@pytest.fixture(scope="module")
def runs(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("embed")
    people(400).to_csv(folder / "people.csv", index=False)
    small: dict[str, Any] = {"steps": 8, "batch": 16, "width": 16, "quiet": True}
    api.train("vae", images, out=folder / "images", latent=4, network="perceptron", **small)
    api.train("ae", images, out=folder / "plain", latent=4, network="perceptron", **small)
    api.train(
        "vae", folder / "people.csv", out=folder / "people", latent=3, **{**small, "steps": 60}
    )
    api.train("gan", folder / "people.csv", out=folder / "gan", **small)
    return {name: folder / name for name in ("images", "plain", "people", "gan", "people.csv")}


class Scripts(HTMLParser):
    """What stands in the scripts of a page, and which elements it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found, self.elements = list[str](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and data.strip():
            self.found.append(data)


def content(page: Path) -> dict[str, Any]:
    """What a map tells, where its page is as it should be."""
    text = page.read_text()
    assert not re.search(r"https?://", text)
    scripts = Scripts(text)
    assert scripts.elements.count("script") == 2
    assert "b" not in scripts.elements
    return json.loads(scripts.found[0])


def test_images_become_a_table_a_map_and_a_page(
    runs: dict[str, Path], images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "map"
    assert (
        cli.run(["embed", str(runs["images"]), str(images), "--points", "60", "--out", str(out)])
        == 0
    )
    assert {file.name for file in out.iterdir()} == {"latents.parquet", "map.png", "map.html"}
    table = pd.read_parquet(out / "latents.parquet")
    assert list(table.columns) == ["name", "label", "z0", "z1", "z2", "z3", "map x", "map y"]
    assert len(table) == 200
    assert table["map x"].notna().sum() == 60
    assert table["label"][4] == "1"
    told = content(out / "map.html")
    assert len(told["places"]) == len(told["names"]) == 60
    assert [c["name"] for c in told["columns"]] == ["label"]
    assert told["images"]["image"].startswith("data:image/png;base64,")
    assert 0 <= min(map(min, told["places"])) <= max(map(max, told["places"])) <= 1
    with Image.open(out / "map.png") as drawn:
        assert drawn.width == 2 * embedding_map.PANEL


def test_rows_are_told_by_their_values_whatever_these_are(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "map.html"
    asked = ["embed", str(runs["people"]), str(runs["people.csv"]), "--map"]
    assert cli.run([*asked, "pca", "--out", str(out)]) == 0
    told = content(out)
    columns = {c["name"]: c for c in told["columns"]}
    assert list(columns) == ["age", "job", "since"]
    seen = people(400)
    assert columns["job"]["words"] == seen["job"].tolist()
    assert len(set(columns["age"]["codes"])) > 4
    assert len(set(columns["since"]["codes"])) > 4
    assert [words for words, _ in columns["job"]["legend"]] == sorted({"retired", "cook", NASTY})
    assert cli.run([*asked, "pca", "--out", str(tmp_path / "map.png")]) == 0
    assert cli.run([*asked, "none", "--out", str(tmp_path / "z.csv")]) == 0
    assert list(pd.read_csv(tmp_path / "z.csv").columns) == ["name", "z0", "z1", "z2"]


def test_in_python_latents_are_a_frame(runs: dict[str, Path], images: Path) -> None:
    run = api.load(runs["images"])
    table = run.embed(images, map="none")
    with torch.no_grad():
        z = run.model.encode(run.run.modality.read(images).gather().x)
    np.testing.assert_allclose(
        table[["z0", "z1", "z2", "z3"]].to_numpy(), z.numpy(), rtol=1e-4, atol=1e-5
    )


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=8))
def test_a_page_says_names_as_they_are_and_nothing_of_them_is_markup(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    names = [*names, NASTY]
    n = len(names)
    named = NamedExamples(torch.zeros(n, 1, 4, 4), names, torch.arange(n)[:, None])
    answer = Embedded(named, torch.zeros(n, 2), torch.arange(n), torch.rand(n, 2), "words")
    out = embedding_map.embedding_page(
        answer, Images(4, 1, classes=tuple(names)), tmp_path_factory.mktemp("page") / "map.html"
    )
    told = content(out)
    assert told["names"] == names
    assert told["columns"][0]["words"] == names


@pytest.mark.parametrize("how", ["tsne", "pca"])
def test_neighbours_stay_neighbours(how: Any) -> None:
    z = blobs(20, (0, 0, 0, 0), (9, 0, 0, 0), (0, 9, 0, 9))
    places = project(how, 0)(z)
    nearest = torch.cdist(places, places).fill_diagonal_(torch.inf).argmin(1)
    assert torch.equal(nearest // 20, torch.arange(60) // 20)
    assert torch.equal(places, project(how, 0)(z))


@pytest.mark.parametrize("shape", [(1, 4), (3, 1), (40, 1), (40, 2), (5, 3), (40, 70)])
@pytest.mark.parametrize("constant", [False, True])
def test_every_shape_has_a_map(shape: tuple[int, int], constant: bool) -> None:
    places = project("tsne", 0)(torch.zeros(shape) if constant else torch.randn(shape))
    assert places.shape == (shape[0], 2)
    assert places.isfinite().all()


def test_principal_components_keep_distances() -> None:
    z = torch.randn(30, 5, generator=torch.Generator().manual_seed(1))
    found, centred = principal_components(z, 5), z - z.mean(0)
    torch.testing.assert_close(found @ found.T, centred @ centred.T, rtol=1e-4, atol=1e-4)
    deviations = principal_components(z, 3).std(0)
    assert torch.equal(deviations, deviations.sort(descending=True).values)


def test_umap_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(InputError, match=r"pip install 'ganvas\[map\]'"):
        project("umap", 0)


@pytest.mark.parametrize("k", [None, 3])
def test_groups_are_found_and_so_is_their_number(k: int | None) -> None:
    answer = cluster(Itself(), named(blobs(40, (0, 0), (5, 0), (0, 5))), k=k)
    groups = answer.cluster.view(3, 40)
    assert torch.equal(groups, groups[:, :1].expand(3, 40))
    assert answer.cluster.max() == 2
    assert answer.probability.min() > 0.99
    assert answer.distance.square().mean().item() == pytest.approx(
        2, abs=0.1
    )  # as of a Gaussian in two dimensions


def test_what_is_one_group_stays_one() -> None:
    assert cluster(Itself(), named(blobs(200, (1, 2, 3)))).cluster.max() == 0
    assert cluster(Itself(), named(torch.zeros(30, 3))).cluster.unique().tolist() == [0]


def test_groups_of_rows_are_told_apart_in_words(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "groups"
    asked = [
        "cluster",
        str(runs["people"]),
        str(runs["people.csv"]),
        "--k",
        "2",
        "--out",
        str(out),
        "--json",
    ]
    assert cli.run(asked) == 0
    said = json.loads(capsys.readouterr().out)
    table, groups = pd.read_csv(out / "clusters.csv"), pd.read_csv(out / "groups.csv")
    assert list(table.columns) == ["name", "cluster", "probability", "distance"]
    assert said["sizes"] == groups["size"].tolist() == table["cluster"].value_counts().tolist()
    assert groups["what tells it apart"].str.count(r" \(all: [^)]+\)").eq(3).all()
    assert groups["typical"][0] in set(table["name"][table["cluster"] == 0])
    assert len(api.load(runs["people"]).cluster(people(50, 1), k=2)) == 50


def test_groups_of_images_are_seen(runs: dict[str, Path], images: Path, tmp_path: Path) -> None:
    asked = ["cluster", str(runs["images"]), str(images), "--k", "3"]
    assert cli.run([*asked, "--out", str(tmp_path / "groups")]) == 0
    assert {f.name for f in (tmp_path / "groups").iterdir()} == {
        "clusters.csv",
        "groups.csv",
        "typical.png",
    }
    assert cli.run([*asked, "--out", str(tmp_path / "who.parquet")]) == 0
    assert list(pd.read_parquet(tmp_path / "who.parquet").columns)[:3] == [
        "name",
        "label",
        "cluster",
    ]


def test_a_walk_varies_one_number_and_the_widest_comes_first() -> None:
    x = torch.randn(500, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [1.0, 5.0, 0.1, 2.0]
    )
    answer = traverse(Itself(), x, steps=5, reach=2, most=3, example=7)
    assert answer.names == ("z1", "z3", "z0")
    assert answer.examples.shape == (5, 3, 4)
    for walk, place in enumerate((1, 3, 0)):
        others = [i for i in range(4) if i != place]
        torch.testing.assert_close(answer.examples[:, walk, others], x[7, others].expand(5, 3))
        expected = x[:, place].mean() + torch.linspace(-2, 2, 5) * x[:, place].std()
        torch.testing.assert_close(answer.examples[:, walk, place], expected)


def test_walks_of_a_prior_and_of_examples(
    runs: dict[str, Path], images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "walks"
    assert (
        cli.run(["traverse", str(runs["images"]), "--steps", "5", "--out", str(out), "--json"]) == 0
    )
    assert sorted(json.loads(capsys.readouterr().out)["strips"]) == ["z0", "z1", "z2", "z3"]
    assert {file.name for file in out.iterdir()} == {"strip.png", "walk.gif"}
    with Image.open(out / "strip.png") as strip:
        assert strip.size == (5 * 66 + 2, 4 * 66 + 2)
    walks = api.load(runs["plain"]).traverse(images, steps=3, most=2)
    assert [len(walk) for walk in walks.values()] == [3, 3]
    table = api.load(runs["people"]).traverse(steps=4, most=1, seed=3)
    assert [len(rows) for rows in table.values()] == [4]
    assert len(api.load(runs["gan"]).traverse(steps=2, most=5)) == 5


def test_columns_of_every_kind_have_words_and_colours() -> None:
    n, days = 60, [None if i % 9 == 0 else date(2020, 1, 1) + timedelta(i) for i in range(60)]
    frame = pd.DataFrame(
        {
            "day": days,
            "time": pd.to_datetime(pd.Series(days)).dt.tz_localize("Europe/Berlin"),
            "endless": np.where(np.arange(n) % 10 == 0, np.inf, np.arange(n)),
            "span": pd.to_timedelta(np.arange(n), "h"),
            "maybe": pd.Series([True, None] * (n // 2), dtype="boolean"),
            "nothing": [None] * n,
            "kind": pd.Categorical(["a", "b"] * (n // 2)),
            "many": [f"k{i}" for i in range(n)],
        }
    )
    found = {name: embedding_map._colouring(name, frame[name]) for name in frame}
    assert all(len(c.words) == len(c.codes) == n for c in found.values())
    assert found["day"].words[:2] == ["", "2020-01-02"]
    for name in ("day", "time", "endless", "span"):
        assert [words[0] for words, _ in found[name].legend] == ["≤", "≥"]
        assert set(found[name].codes) >= set(
            range(len(embedding_map.CATEGORIES) + 1, len(embedding_map.COLOURS))
        )
    assert found["maybe"].legend == [("True", 0), ("missing", len(embedding_map.CATEGORIES))]
    assert found["many"].legend[-1][0] == "others"
    told = _apart(frame, pd.Series(np.arange(n) < 20))
    assert "day 2020-01-" in told
    assert "endless 11 (all: 31)" in told


def test_a_walk_of_a_model_with_labels_is_of_one_label() -> None:
    class Asked(Itself, Samples):
        condition = Tokens(1, 3)

        def sample(
            self, n: int, y: Tensor | None = None, truncation: float | None = None
        ) -> Tensor:
            raise NotImplementedError

        def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
            assert y is not None
            return z + 100 * y

    x = torch.randn(30, 2)
    assert traverse(Asked(), x, label=2).examples.min() > 150
    assert traverse(Asked(), x).examples.max() < 50


WRONG = {
    "no map to draw": (
        ["embed", "people", "CSV", "--map", "none", "--out", "x.png"],
        "there is no map",
    ),
    "no points": (["embed", "people", "CSV", "--points", "0"], "--points is 0"),
    "no such map": (["embed", "people", "CSV", "--map", "globe"], "globe"),
    "no latents": (["embed", "gan", "CSV"], "gan cannot embed"),
    "no such table": (
        ["embed", "people", "CSV", "--map", "none", "--out", "z.doc"],
        "is no kind of file",
    ),
    "too many groups": (
        ["cluster", "people", "CSV", "--k", "300"],
        "--k 300 needs at least 600 examples",
    ),
    "no groups": (["cluster", "people", "CSV", "--k", "0"], "at least one group"),
    "rows drawn": (["cluster", "people", "CSV", "--k", "2", "--out", "x.png"], "end --out in .csv"),
    "one stop": (["traverse", "people", "--steps", "1"], "--steps is 1"),
    "no reach": (["traverse", "people", "--reach", "0"], "--reach is 0"),
    "no labels": (["traverse", "people", "--label", "0"], "no label is called"),
    "no prior": (["traverse", "plain"], "give at least two examples"),
    "no such example": (
        ["traverse", "people", "CSV", "--example", "400"],
        "there are 400, counted from 0",
    ),
    "blind": (["traverse", "gan", "CSV"], "finds no latents of given examples"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_said_in_one_sentence(
    kind: str,
    runs: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (verb, run, *rest), words = WRONG[kind]
    assert (
        cli.run(
            [
                verb,
                str(runs[run]),
                *(str(runs["people.csv"]) if word == "CSV" else word for word in rest),
            ]
        )
        == 2
    )
    said = capsys.readouterr()
    assert words in said.err.replace("\n", " ")
    assert "Traceback" not in said.err
    assert said.out == ""
