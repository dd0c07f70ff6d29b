"""The studio without its page: what is seen, asked and shown; nothing that is handed in leads out
of its folder."""

from __future__ import annotations

import csv
import shutil
import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.apps import cli
from ganvas.apps.jobs import spell_options
from ganvas.runtime import registry as plugins
from ganvas.runtime.errors import InputError
from ganvas.runtime.registry import Option

pytest.importorskip("gradio")
from fastapi.testclient import TestClient
from starlette.responses import PlainTextResponse

from ganvas.apps.studio import charts, latent_explorer, task_results, training_status, uploads
from ganvas.apps.studio.data_overview import (
    find_models,
    find_problems,
    inspect_data,
)
from ganvas.apps.studio.forms import field, filled_in
from ganvas.apps.studio.page import OriginGuard


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(0)
    file = tmp_path_factory.mktemp("rows") / "rows.csv"
    pd.DataFrame(
        {"age": random.integers(18, 80, 120), "kind": random.choice(["a", "b"], 120)}
    ).to_csv(file, index=False)
    return file


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, table: Path, images: Path) -> Path:
    """A folder with one run of images and one of rows."""
    folder = tmp_path_factory.mktemp("runs")
    ganvas.train("vae", images, out=folder / "images", steps=2, width=8, latent=4, quiet=True)
    ganvas.train("made", table, out=folder / "rows", steps=2, quiet=True)
    return folder


def option(type: Any, default: Any = None) -> Option:
    return Option("size_of_it", type, default, "How large.")


@pytest.mark.parametrize(
    ("type", "default", "kind", "filled", "meant"),
    [
        (bool, False, "switch", True, True),
        (int, 3, "whole", 7.0, 7),
        (int, 3, "whole", None, 3),
        (int | None, None, "whole", "12", 12),
        (int | None, None, "whole", "", None),
        (float | None, None, "number", "0.5", 0.5),
        (Literal["a", "b"], "a", "choice", "b", "b"),
        (Literal["a", "b"] | None, None, "choice", "", None),
        (list[str] | None, None, "lines", "x = 1\n\n y < 2 ", ["x = 1", "y < 2"]),
        (str | None, None, "words", "  red ", "red"),
        (int | str | None, None, "words", "boot", "boot"),
        (Path | None, None, "file", None, None),
    ],
)
def test_a_field_asks_for_what_an_option_is(
    type: Any, default: Any, kind: str, filled: Any, meant: Any
) -> None:
    asked = field(option(type, default))
    assert (asked.kind, asked.label, asked.help) == (kind, "size of it", "How large.")
    assert asked.meant(filled) == meant


@pytest.mark.parametrize(
    ("type", "filled"), [(int, 2.5), (int, "many"), (float, "nan"), (Literal["a"], "b")]
)
def test_what_cannot_be_meant_is_one_sentence(type: Any, filled: Any) -> None:
    with pytest.raises(InputError, match="size of it is"):
        field(option(type, 1)).meant(filled)


@pytest.mark.parametrize("kind", ["models", "tasks"])
def test_every_option_of_every_plugin_can_be_asked_for_and_left_alone(kind: plugins.Kind) -> None:
    for name in plugins.names(kind):
        fields = [field(one) for one in plugins.options(plugins.load(kind, name))]
        left = ["" if one.empty else one.value for one in fields]
        assert filled_in(fields, left) == {}, name


def test_models_that_fit_are_found_by_trying(table: Path, images: Path) -> None:
    rows, seen = inspect_data(table), inspect_data(images)
    assert (rows.kind, seen.kind) == ("tables", "images")
    assert rows.columns is not None
    assert rows.columns.to_dict("list") == {
        "column": ["age", "kind"],
        "taken for": ["integer", "category of 2"],
    }
    assert rows.rows is not None
    assert not rows.images
    assert seen.images[0].shape[2] == 3
    fits = {"tables": find_models(rows), "images": find_models(seen)}
    for overview in (rows, seen):
        found, first = fits[overview.kind], overview.modality.recommended[0]
        assert (found[0].model, found[0].why) == (first.model, first.why)
        assert all(one.tasks for one in found)
    assert {"ctgan", "made"} < {one.model for one in fits["tables"]}
    assert not {one.model for one in fits["tables"]} & {"dcgan", "cyclegan", "simvp"}
    assert {"dcgan", "cgan", "rednet"} < {one.model for one in fits["images"]}
    assert find_problems(seen, "dcgan")[0].startswith("too few data")


def test_recommended_models_and_kinds_are_there() -> None:
    every = [plugins.load("modalities", name) for name in plugins.names("modalities")]
    models = {one.model for modality in every for one in modality.recommended}
    assert models
    assert models <= set(plugins.names("models"))


def test_a_second_folder_makes_models_fit_that_translate(tmp_path: Path) -> None:
    for kind in ("horses", "zebras"):
        (tmp_path / kind).mkdir()
        for i in range(4):
            Image.new("RGB", (16, 16), (i, 9, 9)).save(tmp_path / kind / f"{i}.png")
    found = find_models(inspect_data(tmp_path / "horses", options={"to": tmp_path / "zebras"}))
    assert found[0].model == "cut"
    assert "vae" not in [one.model for one in found]


def uploaded(runs: Path, file: Path | str) -> list[str]:
    """A file as the page hands it in."""
    (runs / uploads.UPLOADS).mkdir(parents=True, exist_ok=True)
    return [shutil.copy(file, runs / uploads.UPLOADS)]


def zipped(file: Path, members: dict[str, bytes]) -> str:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return str(file)


def test_a_folder_comes_as_a_zip(tmp_path: Path) -> None:
    found = uploads.store_uploads(
        uploaded(
            tmp_path, zipped(tmp_path / "my cats.zip", {"cats/1.txt": b"a", "cats/2.txt": b"b"})
        ),
        tmp_path,
    )
    assert found.is_relative_to(tmp_path / ".data")
    assert sorted(one.name for one in found.iterdir()) == ["1.txt", "2.txt"]


@pytest.mark.parametrize("name", ["../../out.txt", "/tmp/out.txt", "a/../../../out.txt"])
def test_no_zip_leads_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="leads out of it"):
        uploads.store_uploads(
            uploaded(tmp_path, zipped(tmp_path / "bad.zip", {name: b"a"})), tmp_path
        )
    assert [one.name for one in (tmp_path / ".data").iterdir()] == [".uploads"]


@pytest.mark.parametrize("named", ["/etc/hostname.png", "../secret.png"])
def test_no_list_of_images_leads_out(tmp_path: Path, named: str) -> None:
    with (tmp_path / "list.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["path"], [named]])
    with pytest.raises(InputError, match="which was not handed in"):
        uploads.store_uploads(uploaded(tmp_path, tmp_path / "list.csv"), tmp_path)


def test_what_is_no_zip_is_said(tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"no")
    with pytest.raises(InputError, match="is not a whole zip file"):
        uploads.store_uploads(uploaded(tmp_path, tmp_path / "bad.zip"), tmp_path)
    with pytest.raises(InputError, match="nothing was handed in"):
        uploads.store_uploads([], tmp_path)


@pytest.mark.parametrize("named", ["/etc/hostname", ".data/.uploads/../../run.json"])
def test_what_was_not_uploaded_is_not_read(tmp_path: Path, named: str) -> None:
    with pytest.raises(InputError, match="only what was uploaded"):
        uploads.store_uploads([str(tmp_path / named)], tmp_path)


def test_only_options_that_a_run_can_heed_are_asked_for(runs: Path) -> None:
    rows, images = (
        {one.name: one for one in task_results.asked("sample", task_results.open_run(runs / name))}
        for name in ("rows", "images")
    )
    assert "where" in rows
    assert rows["like"].kind == "file"
    assert rows["n"].value == task_results.MANY
    assert "where" not in images
    assert "label" not in images  # a VAE takes none, though the images have some
    assert images["n"].value == 16
    assert "truncation" in images
    assert not {"follow", "reject", "top_k"} & (set(rows) | set(images))


def test_an_answer_is_shown_by_what_it_is(runs: Path, table: Path, tmp_path: Path) -> None:
    made = task_results.do(runs / "rows", "sample", [], {"n": 50, "where": ["kind = 'a'"]}, runs)
    assert made.table is not None
    assert set(made.table["kind"]) == {"a"}
    assert made.chart.count("<svg") == 2
    new = task_results.do(runs / "images", "sample", [], {"n": 5, "seed": 1}, runs)
    assert len(new.images) == 5
    assert [file.name for file in new.files] == ["everything.zip"]
    packed = task_results.do(runs / "rows", "compress", [uploaded(runs, table)], {}, runs)
    assert packed.words.startswith("120 examples in")
    assert all(
        file.is_relative_to(runs / ".data") for file in (*made.files, *new.files, *packed.files)
    )
    assert "<html" in task_results.report(runs / "images", runs).page


def test_images_stand_beside_what_became_of_them(runs: Path, tmp_path: Path) -> None:
    ganvas.train(
        "rednet",
        np.zeros((8, 16, 16, 3), np.uint8),
        out=runs / "clean",
        steps=1,
        depth=2,
        quiet=True,
    )
    Image.new("RGB", (16, 16), "red").save(tmp_path / "mine.png")
    shown = task_results.do(
        runs / "clean", "denoise", [uploaded(runs, tmp_path / "mine.png")], {}, runs
    )
    assert [(a.name, b.name) for a, b in shown.pairs] == [("mine.png", "mine.png")]
    assert shown.pairs[0][0] != shown.pairs[0][1]


def test_charts_say_how_far_apart_columns_are() -> None:
    real = pd.DataFrame({"a": ["x"] * 3 + ["y"], "b": np.arange(4.0)})
    assert "<span>0.0%</span>" in charts.compare_columns(real, real)
    assert "<span>75.0%</span>" in charts.compare_columns(
        real[["a"]], pd.DataFrame({"a": ["y"] * 4})
    )


def test_the_explorer_walks_through_latents(runs: Path) -> None:
    explorer = latent_explorer.open_explorer(runs / "images")
    u = explorer.directions.flatten(1)
    apart = u @ u.T
    assert torch.allclose(apart, apart.diag().diag(), atol=1e-3)
    middle = latent_explorer.click_to_position(
        latent_explorer.ACROSS * latent_explorer.TILE // 2,
        latent_explorer.ACROSS * latent_explorer.TILE // 2,
    )
    assert middle == (0, 0)
    assert latent_explorer.click_to_position(0, 0) == (
        -latent_explorer.REACH,
        latent_explorer.REACH,
    )
    assert torch.equal(explorer.interpolate(3, 8, 0.0), explorer.decode(explorer.draw_latent(3)))
    assert torch.equal(
        explorer.decode_at(latent_explorer.to_position([0.0] * 4, explorer)),
        explorer.decode(explorer.middle),
    )
    assert latent_explorer.draw_map(explorer).shape == (
        latent_explorer.ACROSS * latent_explorer.TILE,
        latent_explorer.ACROSS * latent_explorer.TILE,
        3,
    )
    image, row = latent_explorer.render_example(
        explorer, explorer.decode_at(latent_explorer.to_position([1.0, -1.0], explorer))
    )
    assert image is not None
    assert row is None
    with pytest.raises(InputError, match="no continuous latent space"):
        latent_explorer.open_explorer(runs / "rows")


@pytest.mark.parametrize("name", ["", None, "..", "../runs", "/tmp", "nothing"])
def test_no_run_leads_out(runs: Path, name: str | None) -> None:
    with pytest.raises(InputError, match="choose a run"):
        training_status.find_run(runs, name)
    assert training_status.find_run(runs, "rows") == runs / "rows"


def test_others_come_in_by_password_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["studio", str(tmp_path), "--host", "0.0.0.0"]) == 2
    assert "--password" in capsys.readouterr().err


@pytest.mark.parametrize("password", [False, True])
def test_no_page_of_elsewhere_asks_without_a_password(password: bool) -> None:
    client = TestClient(
        OriginGuard(PlainTextResponse("here"), open=password), base_url="http://localhost:8766"
    )
    assert client.get("/", headers={"origin": "http://127.0.0.1:8766"}).text == "here"
    assert "connect-src 'self'" in client.get("/").headers["content-security-policy"]
    for header in (
        {"host": "evil.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ):
        assert client.post("/upload", headers=header).status_code == (200 if password else 403)


def test_the_command_line_reads_what_a_form_says() -> None:
    filled = {"steps": "8", "lr": "a=1", "recover": False, "schedule": "linear"}
    options = [one for one in plugins.options(ganvas.api.train) if one.name in filled]
    said = filled_in([field(one) for one in options], [filled[one.name] for one in options])
    assert spell_options(said, options) == [
        "--steps=8",
        "--lr=a=1",
        "--schedule=linear",
        "--no-recover",
    ]


def test_the_most_anomalous_come_first(runs: Path, table: Path) -> None:
    shown = task_results.do(runs / "rows", "detect", [uploaded(runs, table)], {}, runs)
    assert shown.table is not None
    assert shown.table["p"].is_monotonic_increasing
    assert "come first" in shown.words


def test_rows_of_a_kind_stand_beside_real_ones_of_that_kind(runs: Path) -> None:
    asked = task_results.do(runs / "rows", "sample", [], {"n": 20, "where": ["kind = 'a'"]}, runs)
    assert "real ones of that kind" in asked.chart
    assert "kind: 0.0% of" in asked.chart


def test_what_data_cannot_do_is_not_offered(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("\n".join(f"line {i}" for i in range(40)))
    (fit,) = [
        one
        for one in find_models(inspect_data(tmp_path / "lines.txt"))
        if one.model == "transformer"
    ]
    assert {"sample", "complete", "detect"} <= {*fit.tasks}
    assert not {"compress", "decompress", "augment"} & {*fit.tasks}
