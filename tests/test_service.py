"""The service, asked as clients ask: what it answers, and what it refuses."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import shutil
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import ganvas
from ganvas import api
from ganvas.core import Continuous
from ganvas.runtime import registry

pytest.importorskip("fastapi")
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ganvas.apps.jobs import Job, Jobs
from ganvas.apps.service import Limits, app, command, responses
from ganvas.apps.service.batching import build_batcher
from ganvas.apps.service.tokens import Tokens, new_token
from ganvas.apps.service.uploads import Upload, readable_endings, write_uploads
from ganvas.data.tables.sources import open_frame
from ganvas.runtime.errors import InputError

SMALL = {"steps": 6, "batch": 16, "latent": 4, "width": 8, "quiet": True}


@pytest.fixture(scope="module")
def runs(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two runs, and of things that lead elsewhere."""
    folder = tmp_path_factory.mktemp("served") / "runs"
    ganvas.train("vae", images, out=folder / "images", **SMALL)
    random = np.random.default_rng(0)
    rows = pd.DataFrame(
        {"age": random.normal(40, 9, 200).round(), "city": random.choice(["Ulm", "Bonn"], 200)}
    )
    rows.to_csv(folder.parent / "people.csv", index=False)
    ganvas.train("vae", folder.parent / "people.csv", out=folder / "people", **SMALL)
    shutil.copytree(folder / "people", folder.parent / "elsewhere")
    (folder / "led-out").symlink_to(folder.parent / "elsewhere")
    (folder / "half-out").mkdir()
    shutil.copy(folder / "people" / "run.json", folder / "half-out")
    (folder / "half-out" / "weights.safetensors").symlink_to(
        folder.parent / "elsewhere" / "weights.safetensors"
    )
    return folder


@pytest.fixture(scope="module")
def client(runs: Path) -> Iterator[TestClient]:
    limits = Limits(body=2**20, pixels=2**20, rows=1000, gather=8, patience=0.02)
    with TestClient(app(runs, limits), base_url="http://localhost") as client:
        yield client


def png(seed: int = 0, size: int = 16) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def ask(
    client: TestClient,
    path: str,
    content: bytes = b"",
    kind: str = "image/png",
    accept: str = "*/*",
) -> Any:
    return client.post(path, content=content, headers={"content-type": kind, "accept": accept})


def test_runs_are_listed_and_say_what_they_can(client: TestClient) -> None:
    assert [one["name"] for one in client.get("/runs").json()] == ["images", "people"]
    card = client.get("/runs/images").json()
    assert (card["model"], card["modality"], card["finished"]) == ("vae", "images", True)
    assert card["options"] == {"latent": 4, "width": 8}
    assert set(card["tasks"]) == set(ganvas.load(Path(client.app.state.runs) / "images").tasks)
    assert card["tasks"]["detect"]["files"] == {"x": {"required": True}}
    assert set(card["tasks"]["sample"]["options"]["properties"]) == {"n", "seed", "truncation"}
    assert card["data"] == "images.npz"


def test_the_schema_has_every_task_and_all_its_options(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for task in registry.names("tasks"):
        content = paths[f"/runs/{{run}}/{task}"]["post"]["requestBody"]["content"]
        options = {option.name for option in registry.options(registry.load("tasks", task))} - {
            "follow"
        }
        for kind in ("application/json", "multipart/form-data"):
            assert options <= set(content[kind]["schema"]["properties"])


def test_a_image_is_judged_however_it_is_sent(
    client: TestClient, runs: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (true,) = ganvas.load(runs / "images").detect(tmp_path / "a.png").to_dict("records")
    encoded = base64.b64encode(png()).decode()
    answers = [
        ask(client, "/runs/images/detect?alpha=0.1", png()),
        client.post("/runs/images/detect", files={"x": ("a.png", png())}, data={"alpha": "0.1"}),
        client.post("/runs/images/detect", json={"x": {"images": [encoded]}, "alpha": 0.1}),
        client.post(
            "/runs/images/detect", json={"x": {"files": [{"name": "a.png", "base64": encoded}]}}
        ),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        (row,) = answer.json()["rows"]
        assert row["score"] == pytest.approx(true["score"], rel=1e-5)
        assert (row["p"], answer.json()["figures"]["of"]) == (true["p"], 1)


def test_images_come_as_one_as_all_and_as_json(client: TestClient) -> None:
    made = {
        kind: ask(client, "/runs/images/sample?n=3&seed=1", accept=kind)
        for kind in ("image/png", "application/zip", "application/json")
    }
    assert {answer.status_code for answer in made.values()} == {200}
    assert Image.open(io.BytesIO(made["image/png"].content)).width > 16
    archive = zipfile.ZipFile(io.BytesIO(made["application/zip"].content))
    files = {one["name"]: one for one in made["application/json"].json()["files"]}
    assert (
        set(archive.namelist()) == set(files) == {"0000.png", "0001.png", "0002.png", "sheet.png"}
    )
    assert archive.read("0001.png") == base64.b64decode(files["0001.png"]["base64"])
    one = ask(client, "/runs/images/reconstruct", png(), accept="image/png")
    assert Image.open(io.BytesIO(one.content)).format == "PNG"


def test_rows_come_as_json_csv_arrow_and_parquet(client: TestClient, runs: Path) -> None:
    kinds = [
        "application/json",
        "text/csv",
        "application/vnd.apache.arrow.stream",
        "application/vnd.apache.parquet",
    ]
    answers = [ask(client, "/runs/people/sample?n=20&seed=3", accept=kind) for kind in kinds]
    assert [answer.headers["content-type"].partition(";")[0] for answer in answers] == kinds
    frames = [
        pd.DataFrame(answers[0].json()["rows"]),
        pd.read_csv(io.BytesIO(answers[1].content)),
        pa.ipc.open_stream(answers[2].content).read_all().to_pandas(),
        pq.read_table(io.BytesIO(answers[3].content)).to_pandas(),
    ]
    true = ganvas.load(runs / "people").sample(n=20, seed=3)
    for frame in frames:
        pd.testing.assert_frame_equal(frame, true, check_dtype=False)


def test_rows_are_judged_as_they_are_sent(client: TestClient) -> None:
    rows = [{"age": 41, "city": "Ulm"}, {"age": 39, "city": "Bonn"}]
    table = pa.Table.from_pylist(rows)
    parquet, arrow = io.BytesIO(), io.BytesIO()
    pq.write_table(table, parquet)
    with pa.ipc.new_stream(arrow, table.schema) as writer:
        writer.write_table(table)
    answers = [
        client.post("/runs/people/detect", json={"x": {"rows": rows}}),
        ask(client, "/runs/people/detect", b"age,city\n41,Ulm\n39,Bonn\n", "text/csv"),
        ask(client, "/runs/people/detect", parquet.getvalue(), "application/vnd.apache.parquet"),
        ask(client, "/runs/people/detect", arrow.getvalue(), "application/vnd.apache.arrow.stream"),
    ]
    assert [len(answer.json()["rows"]) for answer in answers] == [2] * 4, answers[3].text
    assert len({answer.text for answer in answers}) == 1
    scores = pd.read_csv(
        io.StringIO(
            client.post(
                "/runs/people/detect", json={"x": {"rows": rows}}, headers={"accept": "text/csv"}
            ).text
        )
    )
    assert scores["score"].tolist() == pytest.approx(
        [row["score"] for row in answers[0].json()["rows"]], rel=1e-6
    )


def test_what_is_gathered_comes_out_as_it_would_alone(client: TestClient) -> None:
    """To the last bit, and some of it wrong, and some of several images, whoever asks at the same
    time."""

    def request(i: int) -> dict[str, Any]:
        content = [png(i + j) if i % 5 else b"nothing" for j in range(1 + i % 3)]
        sent = client.post(
            "/runs/images/detect",
            files=[("x", (f"{j}.png", one)) for j, one in enumerate(content)],
        )
        return {"status": sent.status_code} | sent.json()

    alone = [request(i) for i in range(24)]
    with ThreadPoolExecutor(24) as pool:
        gathered = list(pool.map(request, range(24)))
    assert gathered == alone
    assert [one["status"] for one in alone] == [200 if i % 5 else 422 for i in range(24)]
    assert not alone[0]["detail"].count("/tmp") + alone[0]["detail"].count("/dev/shm")
    counts = client.get("/metrics").text
    requests = float(counts.split("ganvas_batch_size_sum ")[1].split()[0])
    batches = float(counts.split("ganvas_batch_size_count ")[1].split()[0])
    assert requests > batches, "nothing was done together"


def test_sizes_that_do_not_agree_are_not_used() -> None:
    space = Continuous((2,))

    def score(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x.sum(1) + (1e-6 if len(x) == 2 else 0), x

    batcher = build_batcher(score, space, 8)
    assert batcher.sizes == (4, 8)
    x = torch.randn(11, 2)
    assert torch.equal(batcher(x)[0], score(x)[0])
    wild = build_batcher(lambda x: (torch.rand(len(x)), x), space, 8)
    assert wild.sizes == ()


REFUSED = {
    "a pickle for an image": (
        "images/detect",
        b"\x80\x04\x95\x0c\x00\x00\x00c__builtin__",
        "image/png",
        422,
    ),
    "half an image": ("images/detect", png()[:200], "image/png", 422),
    "nothing": ("images/detect", b"", "image/png", 422),
    "a table for an image": ("images/detect", b"path\n/etc/passwd\n", "text/csv", 422),
    "a table of nonsense": ("people/detect", b'\x00\xff,,\n1,2,3,4\n"', "text/csv", 422),
    "other columns": ("people/detect", b"x,y\n1,2\n", "text/csv", 422),
    "words for numbers": ("people/detect", b"age,city\nold,Ulm\n", "text/csv", 422),
    "no Parquet": ("people/detect", b"PAR1", "application/vnd.apache.parquet", 422),
    "no Arrow": ("people/detect", b"\xff" * 40, "application/vnd.apache.arrow.stream", 422),
    "too many rows": ("people/detect", b"age,city\n" + b"1,Ulm\n" * 1001, "text/csv", 422),
    "an anomalous type": ("images/detect", png(), "application/x-tar", 415),
    "another's archive": (
        "images/decompress",
        b"nothing packed",
        "application/octet-stream",
        422,
    ),
    "an unknown option": ("images/detect?path=/etc/passwd", png(), "image/png", 422),
    "an endless answer": ("people/detect?follow=true", b"age,city\n1,Ulm\n", "text/csv", 422),
    "a share above one": ("images/detect?fdr=2", png(), "image/png", 422),
    "a number that is none": ("images/detect?alpha=nan", png(), "image/png", 422),
    "a seed below zero": ("images/sample?seed=-1", b"", "", 422),
    "a reach without end": ("images/traverse?reach=1e300", b"", "", 422),
    "latents below nothing": ("images/sample?truncation=-1", b"", "", 422),
    "no walk": ("images/interpolate?n=0", b"", "", 422),
    "very many": ("images/sample?n=2000000000", b"", "", 422),
    "a path for a table": ("people/sample?like=/etc/passwd", b"", "", 422),
    "what it cannot": ("images/upscale", png(), "image/png", 422),
    "no JSON": ("images/detect", b"{", "application/json", 422),
    "no number": ("people/detect", b'{"x": {"rows": [{"age": NaN}]}}', "application/json", 422),
    "two things": ("people/detect", b'{"x": {"rows": [], "texts": []}}', "application/json", 422),
    "no base64": ("images/detect", b'{"x": {"images": ["!"]}}', "application/json", 422),
    "deep JSON": ("people/detect", b"[" * 100_000, "application/json", 422),
    "no run": ("none/detect", png(), "image/png", 404),
    "up": ("%2e%2e/detect", png(), "image/png", 404),
    "far up": ("..%2f..%2felsewhere/detect", png(), "image/png", 404),
    "by a link": ("led-out/sample", b"", "", 404),
    "by a link to weights": ("half-out/sample", b"", "", 404),
    "too much": ("images/detect", b"\x89PNG" + bytes(2**20), "image/png", 413),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_wrong_is_refused_in_a_sentence(kind: str, client: TestClient) -> None:
    path, content, type_, status = REFUSED[kind]
    answer = ask(client, f"/runs/{path}", content, type_)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]
    assert str(client.app.state.runs) not in answer.text


def test_bombs_are_refused(client: TestClient) -> None:
    huge, packed = io.BytesIO(), io.BytesIO()
    Image.new("1", (4000, 4000)).save(huge, "PNG")
    answer = ask(client, "/runs/images/detect", huge.getvalue())
    assert (answer.status_code, "decompression bomb" in answer.text) == (422, True)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(1001):
            archive.writestr(f"{i}.png", b"")
    assert (
        ask(client, "/runs/images/detect", packed.getvalue(), "application/zip").status_code == 422
    )
    vast = (
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (10000000, 999,"
        b" 999)}".ljust(128)
    )
    assert client.post("/runs/images/detect", files={"x": ("x.npy", vast)}).status_code == 422
    long = client.post("/runs/images/detect", files={"x": ("ä" * 300 + ".png", png())})
    assert long.json()["rows"][0]["name"].endswith("ä.png")
    same = client.post("/runs/images/detect", files=[("x", ("a.png", png(i))) for i in range(2)])
    assert [row["name"] for row in same.json()["rows"]] == ["a-2.png", "a.png"]
    gz = gzip.compress(bytes(1000))
    assert (
        client.post("/runs/images/detect", files={"x": ("x-idx3-ubyte.gz", gz)}).status_code == 422
    )
    assert client.post("/runs/images/detect", files={"y": ("a.png", png())}).status_code == 422
    assert (
        client.post("/runs/images/detect", files={"x": ("../../a.png", png())}).status_code == 200
    )


def test_numbers_that_are_none_are_missing(client: TestClient, runs: Path) -> None:
    judged = runs / "people" / "evaluation.json"
    judged.write_text('{"figures": [NaN, 1.5]}')
    assert client.get("/runs/people").json()["metrics"] == {"figures": [None, 1.5]}
    judged.unlink()
    assert json.loads(responses._said({"a": [float("inf"), (2, float("nan"))]})) == {
        "a": [None, [2, None]]
    }


def test_an_answer_that_cannot_be_so_is_said_to_be_none(client: TestClient) -> None:
    for path, content, accept in (
        ("images/sample", b"", "text/csv"),
        ("people/detect", b"age,city\n1,Ulm\n", "image/png"),
        ("images/sample", b"", "application/pdf"),
        ("people/sample", b"", "application/octet-stream"),
    ):
        assert ask(client, f"/runs/{path}", content, "text/csv", accept).status_code == 406


def test_a_run_that_changed_is_read_again(client: TestClient, runs: Path) -> None:
    state = runs / "people" / "state.json"
    before = state.read_text()
    state.write_text(json.dumps(json.loads(before) | {"seconds": 12345.0}))
    assert client.get("/runs/people").json()["seconds"] == 12345.0
    state.write_text(before)
    os.utime(state, (1, 1))
    assert client.get("/runs/people").json()["seconds"] != 12345.0


def test_a_run_without_weights_cannot_be_used_yet(client: TestClient, runs: Path) -> None:
    (runs / "young").mkdir()
    shutil.copy(runs / "people" / "run.json", runs / "young")
    answer = ask(client, "/runs/young/sample")
    (runs / "broken").mkdir()
    (runs / "broken" / "run.json").write_text("{")
    broken = ask(client, "/runs/broken/sample")
    listed = client.get("/runs").json()
    for name in ("young", "broken"):
        shutil.rmtree(runs / name)
    assert (answer.status_code, "no weights yet" in answer.text) == (409, True)
    assert broken.status_code == 409
    assert {"young", "broken"} <= {one["name"] for one in listed}


def test_whoever_has_no_token_gets_nothing(runs: Path, tmp_path: Path) -> None:
    token = new_token(tmp_path / "tokens", "alice")
    assert token not in (tmp_path / "tokens").read_text()
    assert (tmp_path / "tokens").stat().st_mode & 0o077 == 0
    with TestClient(
        app(runs, Limits(), Tokens(tmp_path / "tokens")), base_url="http://example.org"
    ) as client:
        assert client.get("/healthz").status_code == 200
        for header in (
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": f"Basic {token}"},
            {"authorization": f"Bearer {token[:-1]}"},
            {"authorization": f"Bearer {token}x"},
        ):
            for path in ("/runs", "/openapi.json", "/metrics", "/jobs"):
                answer = client.get(path, headers=header)
                assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        mine = {"authorization": f"Bearer {token}"}
        assert client.get("/runs", headers=mine).status_code == 200
        (tmp_path / "tokens").write_text("")
        os.utime(tmp_path / "tokens", (1, 1))
        assert client.get("/runs", headers=mine).status_code == 401


def test_without_tokens_no_page_of_elsewhere_may_ask(client: TestClient) -> None:
    sandboxed = ({"origin": "null"}, {"origin": "file://"})  # pages that do not say whose they are
    for header in ({"host": "evil.example"}, {"origin": "https://evil.example"}, *sandboxed):
        assert client.get("/runs", headers=header).status_code == 403
    assert (
        client.get(
            "/runs", headers={"host": "127.0.0.1:8765", "origin": "http://localhost:3000"}
        ).status_code
        == 200
    )


def test_others_are_not_served_without_tokens(runs: Path, tmp_path: Path) -> None:
    ask_for = {"port": 1, "workers": 1, "limits": Limits()}
    with pytest.raises(InputError, match="can be reached by others"):
        command.serve(runs, host="0.0.0.0", tokens=None, **ask_for)
    with pytest.raises(InputError, match="is no folder of runs"):
        command.serve(tmp_path / "none", host="localhost", tokens=None, **ask_for)
    with pytest.raises(InputError, match="above zero"):
        command.serve(runs, host="localhost", tokens=None, **ask_for | {"limits": Limits(rows=0)})
    (tmp_path / "tokens").write_text("secret alice\n")
    with pytest.raises(InputError, match="no SHA-256"):
        command.serve(runs, host="localhost", tokens=tmp_path / "tokens", **ask_for)


def test_who_comes_when_too_many_are_inside_is_asked_to_come_again(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, inside = threading.Event(), threading.Event()

    def slow(*given: Any, **options: Any) -> Any:
        inside.set()
        assert go.wait(30)
        raise InputError("done")

    monkeypatch.setattr(api.Trained, "do", slow)
    with (
        TestClient(app(runs, Limits(waiting=1)), base_url="http://localhost") as client,
        ThreadPoolExecutor(1) as pool,
    ):
        first = pool.submit(ask, client, "/runs/people/sample")
        assert inside.wait(30)
        second = ask(client, "/runs/people/sample")
        assert (second.status_code, second.headers["retry-after"]) == (503, "1")
        assert client.get("/healthz").status_code == 200
        go.set()
        assert first.result().status_code == 422


def test_what_takes_too_long_is_given_up(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    monkeypatch.setattr(api.Trained, "do", lambda *given, **options: go.wait(30))
    with TestClient(app(runs, Limits(seconds=0.05)), base_url="http://localhost") as client:
        for accept in ("*/*", "text/csv"):
            answer = ask(client, "/runs/people/sample", accept=accept)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        go.set()


def test_numbers_that_end_before_they_begin_are_said_to(client: TestClient) -> None:
    answer = client.post("/runs/images/detect", files={"x": ("a.idx.png", b"\0\0\x08\xff1234567")})
    assert (answer.status_code, "cut short" in answer.text) == (422, True)


@pytest.fixture
def packed_file(client: TestClient, runs: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
    """The header and the rest of what a run packed."""
    ganvas.train("made", runs.parent / "people.csv", out=runs / "packing", steps=2, quiet=True)
    try:
        rows = (runs.parent / "people.csv").read_bytes()
        content = ask(
            client, "/runs/packing/compress", rows, "text/csv", "application/octet-stream"
        ).content
        size = int.from_bytes(content[8:12], "little")
        yield json.loads(content[12 : 12 + size]), content[12 + size : -16]
    finally:
        shutil.rmtree(runs / "packing")


def test_a_packed_file_that_was_made_up_is_refused(
    client: TestClient, packed_file: tuple[dict[str, Any], bytes]
) -> None:
    about, body = packed_file
    same, stream = pa.array(["a" * 2**20]), io.BytesIO()
    table = pa.table({f"c{i}": same for i in range(1100)})
    with pa.ipc.new_stream(
        stream, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
    ) as writer:
        writer.write_table(table)
    bomb = b"\1\0a" + len(stream.getvalue()).to_bytes(8, "little") + stream.getvalue()
    codes = body[: about["packed"]]
    wrong = {
        "header": ({"examples": "x"}, body),
        "header says": ({"packed": -4}, body),
        "more than 1,000 rows": ({"examples": 10**15}, body),
        "packed as": ({}, codes),
        "unpacks to": ({}, codes + bomb),
        "cannot be read": ({}, codes + b"\1\0\xff"),
    }
    for words, (forged, rest) in {"rows.csv": ({}, body), **wrong}.items():
        header = json.dumps(about | forged).encode()
        content = b"\x89GANVAS\n" + len(header).to_bytes(4, "little") + header + rest
        content += blake2b(content, digest_size=16).digest()
        answer = ask(client, "/runs/packing/decompress", content, "application/octet-stream")
        assert (answer.status_code, words in answer.text) == (
            200 if words == "rows.csv" else 422,
            True,
        ), answer.text


def test_no_request_of_a_client_is_too_much(client: TestClient) -> None:
    """Whatever the schema lets somebody say, of every route."""
    schema = schemathesis.openapi.from_asgi(
        "/openapi.json", client.app, headers={"Host": "localhost"}
    )
    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]
    for operation in (found.ok() for found in schema.get_all_operations()):

        @given(operation.as_strategy())
        @settings(
            max_examples=4,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        def asked(case: schemathesis.Case) -> None:
            if "run" in case.path_parameters:
                case.path_parameters["run"] = (
                    "people" if case.operation.path.endswith("sample") else "images"
                )
            case.call_and_validate(headers={"Host": "localhost"}, checks=checks)

        asked()


def test_rows_are_sent_while_they_are_made(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first are there before the last are asked for."""
    many = app(runs, replace(Limits(), rows=10**6))
    with (
        TestClient(many, base_url="http://localhost") as client,
        client.stream(
            "POST", "/runs/people/sample?n=30000&seed=0", headers={"accept": "text/csv"}
        ) as answer,
    ):
        assert answer.status_code == 200
        text = "".join(answer.iter_text())
    frame = pd.read_csv(io.StringIO(text))
    pd.testing.assert_frame_equal(
        frame, ganvas.load(runs / "people").sample(n=30000, seed=0), check_dtype=False
    )


@pytest.fixture
def service(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A service whose trainings are written down and not begun."""

    def launch(jobs: Jobs, name: str, arguments: list[str]) -> Job:
        (jobs.runs / ".jobs").mkdir(exist_ok=True)
        record = {
            "command": ["ganvas", *arguments],
            "pid": os.getpid(),
            "began": psutil.Process().create_time(),
        }
        (jobs.runs / ".jobs" / f"{name}.json").write_text(json.dumps(record))
        return Job(jobs.runs, name)

    monkeypatch.setattr(Jobs, "_launch", launch)
    shutil.copytree(runs / "people", tmp_path / "runs" / "people")
    with TestClient(
        app(tmp_path / "runs", Limits(trainings=1)), base_url="http://localhost"
    ) as client:
        yield client


def test_a_training_is_asked_for_and_watched(
    service: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(service.app.state.runs)
    said = {
        "name": "new",
        "model": "ae",
        "options": '{"steps": 7, "through": "people", "category": ["--out=/tmp/x"]}',
    }
    files = {"data": ("../../data.csv", b"age,city\n1,Ulm\n2,Bonn\n")}
    refused = service.post("/jobs", data=said, files=files)
    assert (refused.status_code, "no option 'category'" in refused.text) == (
        422,
        True,
    )  # it is not one of latents
    assert not (home / ".data" / "new").exists()
    begun = service.post(
        "/jobs", data=said | {"options": '{"steps": 7, "category": ["--out=/tmp/x"]}'}, files=files
    )
    assert (begun.status_code, begun.json()["state"]) == (201, "training"), begun.text
    file = home / ".data" / "new" / "data" / "data.csv"
    assert file.read_bytes() == files["data"][1]
    assert Jobs(home)["new"].command == [
        "ganvas",
        "train",
        "ae",
        str(file),
        "--out",
        str(home / "new"),
        "--steps=7",
        "--category=--out=/tmp/x",
    ]
    (home / ".jobs" / "new.log").write_text(f"reading {home}/.data\n")
    status = service.get("/jobs/new").json()
    assert (status["log"], status["losses"], status["step"]) == ("reading RUNS/.data\n", [], 0)
    assert service.get("/jobs").json() == [{"name": "new", "state": "training"}]
    busy = service.post("/jobs", data=said | {"name": "second"}, files=files)
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "60")
    assert service.post("/jobs/people/resume").json()["state"] == "training"
    assert Jobs(home)["people"].command[1:] == ["train", "--resume", str(home / "people")]
    monkeypatch.setattr(Job, "stop", lambda job: (home / ".jobs" / f"{job.name}.json").unlink())
    for way in ("stop", "resume"):
        assert service.post(f"/jobs/none/{way}").status_code == 404
    assert service.get("/jobs/none").status_code == 404


ELSEWHERE = {
    "a path for a name": ({"name": "../up", "model": "ae"}, "is no name"),
    "no model": ({"name": "x", "model": "os"}, "no model is called"),
    "a path to write to": (
        {"name": "x", "model": "ae", "options": '{"out": "/tmp/x"}'},
        "'out' is no option",
    ),
    "a run elsewhere": (
        {"name": "x", "model": "ae", "options": '{"through": "/etc"}'},
        "no run is called",
    ),
    "a run by a link": (
        {"name": "x", "model": "ae", "options": '{"through": "../elsewhere"}'},
        "no run is called",
    ),
    "a path to read": (
        {"name": "x", "model": "ae", "options": '{"to": "/etc"}'},
        "are sent as files",
    ),
    "no such option": ({"name": "x", "model": "ae", "options": '{"--out": "/tmp/x"}'}, "no option"),
    "another program": (
        {"name": "x", "model": "ae", "options": '{"tracker": "wandb"}'},
        "'tracker' is no option",
    ),
    "no kind": ({"name": "x", "model": "ae", "options": '{"as_": ["tables"]}'}, "is one of images"),
    "no options": ({"name": "x", "model": "ae", "options": "["}, "no JSON"),
    "a run that there is": ({"name": "people", "model": "ae"}, "there is a run called"),
}


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_no_training_reads_or_writes_elsewhere(kind: str, service: TestClient) -> None:
    said, words = ELSEWHERE[kind]
    answer = service.post("/jobs", data=said, files={"data": ("d.csv", b"a,b\n1,2\n3,4\n")})
    assert answer.status_code in (404, 422)
    assert words in answer.text
    assert service.get("/jobs").json() == []
    assert not list((Path(service.app.state.runs) / ".data").glob("*"))


def test_a_list_of_paths_is_never_read(service: TestClient) -> None:
    through = (  # what reads then is the run that is learned through
        '{"as_": "tables", "through": "people"}'
    )
    for options in ("{}", '{"as_": "images"}', through):
        answer = service.post(
            "/jobs",
            data={"name": "listed", "model": "ae", "options": options},
            files={"data": ("d.csv", b"path\n/etc/passwd\n/etc/hosts\n")},
        )
        assert (answer.status_code, "column called path" in answer.text) == (422, True)


def test_every_kind_of_data_has_files_that_can_be_sent() -> None:
    for name in registry.names("modalities"):
        own = registry.load("modalities", name)
        assert own.plain <= own.endings - own.lists, name
        assert not own.endings or own.endings & readable_endings(), name


def packed(kind: str) -> bytes:
    """A kilobyte that says the same megabyte four hundred times, or names a column in each of its
    rows."""
    stream, same = io.BytesIO(), pa.array(["a" * 2**20])
    often = pa.DictionaryArray.from_arrays(pa.array(np.zeros(400, np.int32)), same)
    options = pa.ipc.IpcWriteOptions(compression="zstd" if kind == "compressed" else None)
    match kind:
        case "parquet":
            pq.write_table(pa.table({"city": often.cast(pa.string())}), stream, compression="zstd")
        case "jsonl":
            return "\n".join(json.dumps({f"c{i}": i}) for i in range(900)).encode()
        case "view":
            view = pa.array(["a"] * 400, pa.string_view())  # each could be the same megabyte
            with pa.ipc.new_file(stream, pa.schema([("city", view.type)])) as writer:
                writer.write_batch(pa.record_batch({"city": view}))
        case _:
            column = often.cast(pa.string()) if kind == "compressed" else often
            with pa.ipc.new_file(
                stream, pa.schema([("city", column.type)]), options=options
            ) as writer:
                writer.write_batch(pa.record_batch({"city": column}))
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "compressed", "dictionary", "view"])
def test_a_table_that_unpacks_without_end_is_refused(kind: str, tmp_path: Path) -> None:
    ending = kind if kind in ("parquet", "jsonl") else "feather"
    sent, limits = [Upload(f"a.{ending}", packed(kind))], Limits(unpacked=2**22)
    assert len(sent[0].content) < 2**21
    with pytest.raises(InputError, match=r"unpacks to|lists or views"):
        write_uploads(sent, tmp_path / "given", limits)


@pytest.mark.parametrize("ending", ["arrows", "feather", "arrow", "parquet", "jsonl"])
@pytest.mark.parametrize("compression", ["zstd", "lz4", None])
def test_an_honest_table_arrives_as_it_was(
    ending: str, compression: str | None, tmp_path: Path
) -> None:
    words = pd.Series(["Ulm", "Bonn", None] * 50)
    table = pa.table({"n": np.arange(150), "city": words, "kind": words.astype("category")})
    stream, options = io.BytesIO(), pa.ipc.IpcWriteOptions(compression=compression)
    if ending == "parquet":
        pq.write_table(table, stream, compression=compression or "none")
    elif ending == "jsonl":
        stream.write(table.to_pandas().to_json(orient="records", lines=True).encode())
    else:
        new = pa.ipc.new_stream if ending == "arrows" else pa.ipc.new_file
        with new(stream, table.schema, options=options) as writer:
            writer.write_table(table)
    frame = open_frame(
        write_uploads([Upload(f"a.{ending}", stream.getvalue())], tmp_path / "given", Limits())
    )
    back = pa.Table.from_batches(frame.batches(), frame.schema).to_pandas()
    assert (
        back.astype(object)
        .where(back.notna(), None)
        .equals(table.to_pandas().astype(object).where(back.notna(), None))
    )
