"""Runs published and fetched: in a folder, and on a hub, which is a real server of this test's
own."""

from __future__ import annotations

import base64
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from ganvas import Trained, load, train
from ganvas.apps import cli, hub
from ganvas.core import InputError
from ganvas.runs.run import Run

pytest.importorskip("huggingface_hub")

TINY = {"steps": 2, "batch": 16, "quiet": True, "recover": False}
SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def run(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    out = tmp_path_factory.mktemp("runs") / "vae"
    return train("vae", images, out=out, size=16, width=8, latent=4, **TINY)


@pytest.fixture(scope="module")
def through(run: Trained, images: Path) -> Trained:
    return train(
        "gan", images, through=run.run.path, out=run.run.path.parent / "gan", width=8, **TINY
    )


class Hub(BaseHTTPRequestHandler):
    """Answers as the hub does, of one repository, whose files the server keeps."""

    server: Keeping

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/repos/create":
            self._json({"url": f"{self.server.place}/me/vae", "id": "me/vae"})
        elif self.path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif self.path == "/api/models/me/vae/preupload/main":
            told = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self._json({"files": told})
        elif self.path == "/api/models/me/vae/commit/main":
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.files[line["value"]["path"]] = base64.b64decode(
                        line["value"]["content"]
                    )
            place = f"{self.server.place}/me/vae/commit/{SHA}"
            self._json({"commitUrl": place, "commitOid": SHA, "pullRequestUrl": None})
        else:
            self.send_error(404)

    def do_GET(self) -> None:
        name = self.path.removeprefix(f"/me/vae/resolve/{SHA}/")
        if self.path.startswith("/api/models/me/vae"):
            files = [{"rfilename": name} for name in [".gitattributes", *self.server.files]]
            self._json(
                {"id": "me/vae", "sha": SHA, "siblings": files, "private": False, "tags": []}
            )
        elif name in self.server.files:
            self._send(self.server.files[name], "application/octet-stream")
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    do_HEAD = do_GET

    def _json(self, answer: Any) -> None:
        self._send(json.dumps(answer).encode(), "application/json")

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", SHA)
        self.send_header("ETag", f'"{hash(content)}"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *words: object) -> None:
        self.server.asked.append(f"{self.command} {self.path}")


class Keeping(ThreadingHTTPServer):
    """The server, with the files of the repository."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Hub)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.place = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Keeping]:
    keeping = Keeping()
    thread = threading.Thread(target=keeping.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", keeping.place)
    monkeypatch.setenv("HF_TOKEN", "hf_nobody")
    yield keeping
    keeping.shutdown()
    keeping.server_close()
    thread.join()


def equal(a: Run, b: Run) -> bool:
    ours, theirs = a.model.state_dict(), b.model.state_dict()
    return ours.keys() == theirs.keys() and all(
        torch.equal(value, theirs[name]) for name, value in ours.items()
    )


def test_a_run_goes_into_a_folder_and_comes_back(run: Trained, tmp_path: Path) -> None:
    shared, back = tmp_path / "shared", tmp_path / "back"
    assert cli.run(["push", str(run.run.path), str(shared), "--license", "cc-by-4.0"]) == 0
    files = {file.name for file in shared.iterdir()}
    assert {"README.md", "run.json", "state.json", "ema.safetensors", "samples.png"} <= files
    assert not files & {
        "optimizer.safetensors",
        "log.jsonl",
        "previews",
        "recovery_points.safetensors",
    }
    card = (shared / "README.md").read_text("utf-8")
    for words in (
        'license: "cc-by-4.0"',
        "images",
        "Diagnosis: ",
        "Privacy: ",
        "not evaluated",
        "samples.png",
        "latent=4",
    ):
        assert words in card
    everything = "".join(
        file.read_text("utf-8") for file in shared.iterdir() if file.suffix in (".json", ".md")
    )
    assert str(run.run.path.parent.parent) not in everything
    assert cli.run(["pull", str(shared), "--out", str(back)]) == 0
    assert equal(run.run, Run(back))
    assert len(load(back).sample(n=2)) == 2


def test_figures_stand_in_the_card(run: Trained) -> None:
    figure = {
        "value": {"value": 0.5, "low": 0.4, "high": 0.6},
        "larger_is_better": True,
        "beside": {},
    }
    file = run.run.path / "evaluation.json"
    file.write_text(json.dumps({"figures": {"recall": figure}, "notes": ["Judged by 5."]}))
    card = hub.model_card(run.run, "mit", "me/vae", imaged=False)
    file.unlink()
    assert "| recall | 0.5 | 0.4 … 0.6 |" in card
    assert "Judged by 5." in card
    assert "ganvas pull me/vae" in card


def test_a_tokenizer_goes_with_the_run_that_learned_through_it(
    through: Trained, tmp_path: Path
) -> None:
    hub.push(through.run, str(tmp_path / "shared"), "mit")
    assert str(tmp_path.parent) not in (tmp_path / "shared" / "run.json").read_text("utf-8")
    back = hub.pull(str(tmp_path / "shared"), tmp_path / "back")
    shutil.rmtree(tmp_path / "shared")
    assert back.modality.through == str(tmp_path / "back" / "through")
    assert [one.size for one in load(back.path).sample(n=2)] == [(16, 16)] * 2


def test_a_run_goes_to_the_hub_and_comes_back(
    run: Trained, server: Keeping, tmp_path: Path
) -> None:
    assert cli.run(["push", str(run.run.path), "me/vae", "--license", "mit"]) == 0
    assert "POST /api/models/me/vae/commit/main" in server.asked
    assert {"README.md", "run.json", "ema.safetensors"} <= server.files.keys()
    back = hub.pull("me/vae", tmp_path / "back")
    assert equal(run.run, back)
    assert {file.suffix for file in back.path.rglob("*") if file.is_file()} == hub.ACCEPTED
    server.files["evil.pkl"] = b"cos\nsystem\n"
    asked = len(server.asked)
    with pytest.raises(InputError, match=r"'evil.pkl', and a run is safetensors"):
        hub.pull("me/vae", tmp_path / "other")
    assert len(server.asked) == asked + 1, "nothing is downloaded before all names are known"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["back"]


def test_what_the_hub_does_not_have_is_one_sentence(
    server: Keeping, tmp_path: Path, capsys: Any
) -> None:
    assert cli.run(["pull", "me/nothing", "--out", str(tmp_path / "back")]) == 2
    assert "the hub has no me/nothing, or shows it to others alone" in " ".join(
        capsys.readouterr().err.split()
    )


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("run.json", b"{", "its run.json is none of Ganvas's"),
        (
            "run.json",
            b'{"modality": {"name": "images", "state": {}}, "model": "vae"}',
            "its run.json is none of Ganvas's",
        ),
        (
            "run.json",
            b'{"modality": {"name": "images", "state": {}}, "model": "vae", "options": {}}',
            "not a whole run|cannot be",
        ),
        ("ema.safetensors", b"no tensors", "is not a whole run"),
        ("pytorch_model.bin", b"", "safetensors, JSON, Markdown and PNG alone"),
        ("state.json", b"[]", "is not a whole run"),
    ],
)
def test_what_is_no_run_leaves_nothing(
    file: str, content: bytes, words: str, run: Trained, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    hub.push(run.run, str(shared), "mit")
    (shared / file).write_bytes(content)
    with pytest.raises(InputError, match=words):
        hub.pull(str(shared), tmp_path / "back")
    assert [one.name for one in tmp_path.iterdir()] == ["shared"]


def test_what_a_stranger_says_of_places_is_not_believed(
    run: Trained, through: Trained, tmp_path: Path
) -> None:
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    hub.push(through.run, str(shared), "mit")
    card = json.loads((shared / "run.json").read_text("utf-8"))
    card["modality"]["state"]["through"] = str(run.run.path)
    (shared / "run.json").write_text(json.dumps(card))
    assert hub.pull(str(shared), tmp_path / "back").modality.through == str(
        tmp_path / "back" / "through"
    )
    shutil.rmtree(shared / "through")
    with pytest.raises(InputError, match="learned through a run that is not in it"):
        hub.pull(str(shared), tmp_path / "other")
    hub.push(run.run, str(alone), "mit")
    card = json.loads((alone / "run.json").read_text("utf-8"))
    card["source"], card["modality"]["state"]["to"] = "/etc", "../../etc/zebras"
    (alone / "run.json").write_text(json.dumps(card))
    settled = hub.pull(str(alone), tmp_path / "settled").config
    assert settled["source"] is None
    assert settled["modality"]["state"]["to"] == "zebras"


@pytest.mark.parametrize(
    ("repo", "words"),
    [
        ("a/b/c", "neither OWNER/NAME on the hub nor a folder"),
        ("/nowhere/at/all", "not a run: it has no run.json"),
    ],
)
def test_places_that_are_none(repo: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        hub.pull(repo, tmp_path / "back")


def test_nothing_is_written_over(run: Trained, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="a folder of something else"):
        hub.push(run.run, str(tmp_path), "mit")
    with pytest.raises(InputError, match="is not empty"):
        hub.pull("me/vae", tmp_path)
