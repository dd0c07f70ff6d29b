"""Files are judged while they grow, part after part, and many of them as one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ganvas import InputError, api
from ganvas.abilities import Scores
from ganvas.apps import cli
from ganvas.core import NamedExamples
from ganvas.core.detection import ReferenceScores, Scored, ScoredStream, ScoreFunction
from ganvas.data._growing_files import follow_rows, read_growing
from ganvas.runtime import registry
from test_detect import anomalous, payments


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("follow")
    payments(2500, 0).to_csv(folder / "normal.csv", index=False)
    options = {"held_out": 0.2, "width": 48, "steps": 200, "batch": 256}
    api.train("made", folder / "normal.csv", out=folder / "run", quiet=True, **options)
    return folder / "run"


def told(*events: Callable[[], object]) -> Callable[[float], bool]:
    """Stands for a second of waiting, in which these things happen, one each time; then it is time
    to stop."""
    left: Iterator[Callable[[], object]] = iter(events)

    def wait(seconds: float) -> bool:
        event = next(left, None)
        if event is not None:
            event()
        return event is None

    return wait


def add(file: Path, text: str) -> Callable[[], object]:
    return lambda: file.open("a").write(text)


def test_lines_come_whole_once_and_in_order(tmp_path: Path) -> None:
    file = tmp_path / "growing.csv"
    file.write_text("a,b\n1,2\n3,")
    wait = told(
        add(file, "4"), add(file, "\n5,6\n7"), lambda: None, add(file, ",8\n"), add(file, "9")
    )
    lines = list(read_growing(file, wait))
    assert lines == [(True, [b"a,b", b"1,2"]), (False, [b"3,4", b"5,6"]), (False, [b"7,8"])]


def test_a_file_that_is_cut_or_replaced_is_read_from_its_start(tmp_path: Path) -> None:
    file = tmp_path / "growing.csv"
    file.write_text("a\n1\n2\n")

    def rotate() -> None:
        add(file, "3\n")()
        file.rename(tmp_path / "old.csv")

    afresh = lambda: file.write_text("a\n4\n")  # noqa: E731
    lines = list(
        read_growing(file, told(rotate, afresh, lambda: file.write_text("a\n"), add(file, "5\n")))
    )
    whole = [line for _, some in lines for line in some]
    assert whole == [b"a", b"1", b"2", b"3", b"a", b"4", b"a", b"5"]
    assert [fresh for fresh, _ in lines] == [True, False, True, True, False]


def test_lines_that_are_no_rows_are_left_out_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, lines = tmp_path / "a.csv", tmp_path / "a.jsonl"
    table.write_text('a;b\n1;x\n2\n3;"y ; z"\n\n4;\n')
    (batch,) = [batch for _, batch in follow_rows(table, ["a", "b"], told())]
    assert batch.to_pydict() == {"a": ["1", "3", "4"], "b": ["x", "y ; z", None]}
    lines.write_text('{"a": 1, "b": "x"}\n{"a": 2\n[3]\n{"b": "z", "c": 1}\n')
    (batch,) = [batch for _, batch in follow_rows(lines, ["a", "b"], told())]
    assert batch.to_pydict() == {"a": [1, None], "b": ["x", "z"]}
    said = capsys.readouterr().err
    assert "a line of 1 values where there are 2 columns (2): left out" in said
    assert said.count("no JSON object") == 2
    with pytest.raises(InputError, match="cannot be followed"):
        next(read_growing(tmp_path / "none.csv", told()))
    with pytest.raises(InputError, match="grows by lines"):
        next(follow_rows(tmp_path / "a.parquet", [], told()))


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_following_judges_as_reading_does(run: Path, tmp_path: Path, ending: str) -> None:
    seen = pd.concat([payments(50, 1), anomalous(5, 2)], ignore_index=True)
    file = tmp_path / f"today.{ending}"
    seen.to_csv(file, index=False) if ending == "csv" else seen.to_json(
        file, orient="records", lines=True
    )
    trained = api.load(run)
    expected = trained.detect(seen, alpha=0.01)
    modality, weigh = trained.run.modality, torch.no_grad()(trained.model.score_with_attribution)
    whole = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(whole[:20]))
    bad = "1,2,3\n" if ending == "csv" else '{"kind": "food", "amount": "much", "hour": 9}\n'
    halves = (
        (b"".join(whole[20:40]) + whole[40][:5]).decode(),
        b"".join([whole[40][5:], *whole[41:]]).decode(),
    )
    wait = told(*(add(file, text) for text in (*halves, bad)))
    parts = list(modality.score(modality.open(file).follow(wait), weigh))
    scores = torch.cat([part.scores for part in parts])
    assert len(parts) >= 3
    assert np.allclose(scores[: len(seen)], expected["score"], rtol=2e-3)
    assert [name for part in parts for name in part.names][: len(seen)] == list(expected["name"])
    assert len(scores) == len(seen) + (ending == "csv")


def test_the_command_follows_until_it_is_interrupted(run: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "growing.csv", tmp_path / "alarms.csv"
    payments(40, 3).to_csv(file, index=False)
    command = [
        sys.executable,
        "-m",
        "ganvas",
        "detect",
        str(run),
        str(file),
        "--follow",
        "--json",
        "--out",
        str(out),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        until(lambda: out.exists() and len(out.read_text().splitlines()) == 41)
        with file.open("a") as stream:
            stream.write(anomalous(4, 4).to_csv(index=False, header=False))
            stream.write("toys,9")  # half a line
        until(lambda: len(out.read_text().splitlines()) == 45)
        process.send_signal(signal.SIGINT)
        said, words = process.communicate(timeout=30)
    assert process.returncode == 0, words
    *found, last = [json.loads(line) for line in said.splitlines()]
    table = pd.read_csv(out)
    assert [row["name"] for row in found] == list(table["name"][table["found"]])
    assert (
        len([row for row in found if row["name"] in ("row 40", "row 41", "row 42", "row 43")]) >= 3
    )
    assert last == {"files": [str(out)], "found": len(found), "of": 44, "normal": last["normal"]}
    assert "are anomalous, beside" in words


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Waits until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_many_sources_are_judged_as_one(run: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    sizes = {"a.csv": 30, "b.csv": 20, "more/c.csv": 10, "more/d.csv": 5}
    for i, (name, n) in enumerate(sizes.items()):
        payments(n, i).to_csv(tmp_path / name, index=False)
    out = tmp_path / "scores.csv"
    sources = [str(tmp_path / name) for name in ("a.csv", "b.csv", "more")]
    assert cli.run(["detect", str(run), *sources, "--out", str(out)]) == 0
    table = pd.read_csv(out)
    assert len(table) == 65
    names = ["a.csv: row 0", "b.csv: row 0", "more: c.csv: row 0", "more: d.csv: row 0"]
    assert list(table["name"][[0, 30, 50, 60]]) == names
    together = pd.concat([payments(n, i) for i, n in enumerate(sizes.values())], ignore_index=True)
    alone = api.load(run).detect(together)
    assert np.allclose(table["score"], alone["score"], rtol=2e-3)
    assert (table["found"] == alone["found"]).all()


class Loud(Scores):
    """Scores by the first place alone."""

    def score_with_attribution(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x[:, 0], x


def test_very_many_examples_are_weighed_twice_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    x = torch.randn(2000, 3)
    x[::100, 0] += 9
    passes, detect = list[int](), registry.load("tasks", "detect")

    def arriving(weigh: ScoreFunction) -> Iterator[Scored]:
        passes.append(0)
        for part in x.split(64):
            yield Scored(part, [""] * len(part), *weigh(part))

    normal = ReferenceScores(
        torch.randn(5000), torch.zeros(3), lambda: NamedExamples(torch.empty(0, 3), []), lambda x: x
    )
    kept = detect(Loud(), ScoredStream(arriving), normal, fdr=0.1).whole.found
    assert len(passes) == 1
    monkeypatch.setitem(detect.__globals__, "ROOM", 1000)
    assert torch.equal(detect(Loud(), ScoredStream(arriving), normal, fdr=0.1).whole.found, kept)
    assert len(passes) == 3
    assert kept[::100].all()


def test_what_is_wrong_is_said(run: Path, tmp_path: Path) -> None:
    trained = api.load(run)
    file = tmp_path / "a.csv"
    payments(5, 0).to_csv(file, index=False)
    with pytest.raises(InputError, match="say alpha= instead"):
        trained.do("detect", file, follow=True, fdr=0.1)
    with pytest.raises(InputError, match="contradict each other"):
        trained.do("detect", file, alpha=0.1, fdr=0.1)
    with pytest.raises(InputError, match="for one file that grows"):
        list(trained.do("detect", file, file, follow=True).parts)
    with pytest.raises(InputError, match="name files"):
        trained.do("detect")
    assert (
        cli.run(["detect", str(run), str(file), "--follow", "--out", str(tmp_path / "a.parquet")])
        == 2
    )
    (tmp_path / "empty").mkdir()
    assert cli.run(["detect", str(run), str(tmp_path / "empty")]) == 2
    assert os.listdir(tmp_path / "empty") == []
