"""A run is exact: whenever it dies, it goes on as if it had not."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import ganvas
from conftest import VECTOR, examples
from ganvas import api
from ganvas.apps import cli
from ganvas.core import Batch, InputError, seeded_rng
from ganvas.models.ae import AE
from ganvas.runs.run import Run
from ganvas.training.loop import PATIENCE
from ganvas.training.plan import _bytes_of_step

STEPS = 150
pytestmark = pytest.mark.xdist_group("kills")  # they share the training that was never stopped
FORK = multiprocessing.get_context("fork")


def arguments(source: Path, out: Path) -> list[str]:
    """A small training on the command line, which saves all the time."""
    options = [
        "--steps",
        str(STEPS),
        "--batch",
        "16",
        "--latent",
        "8",
        "--channels",
        "8",
        "--save-every",
        "0.05",
    ]
    return ["train", "dcgan", str(source), "--out", str(out), *options]


def start(argv: list[str], errors: Path = Path(os.devnull)) -> FORK.Process:
    """The command in a process of its own, forked from this one, where torch is loaded already."""

    def child() -> None:
        with errors.open("w", buffering=1) as sys.stderr:
            code = cli.run(argv)
        os._exit(code)

    process = FORK.Process(target=child)
    process.start()
    return process


def finish(argv: list[str]) -> None:
    process = start(argv)
    process.join(120)
    assert process.exitcode == 0


def tensors(run: Path) -> dict[str, torch.Tensor]:
    """Everything a run keeps: weights, averaged weights, optimizers, random state."""
    return {
        f"{file.stem}/{k}": v
        for file in sorted(run.glob("*.safetensors"))
        for k, v in load_file(file).items()
    }


def same(a: Path, b: Path) -> bool:
    p, q = tensors(a), tensors(b)
    return p.keys() == q.keys() and all(torch.equal(p[k], q[k]) for k in p)


@pytest.fixture(scope="module")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "whole"
    finish(arguments(images, out))
    return out


def _step(run: Path) -> int:
    state = run / "state.json"
    return json.loads(state.read_text())["step"] if state.exists() else 0


def _wait_for_progress(process: FORK.Process, run: Path) -> None:
    before, deadline = _step(run), time.monotonic() + 60
    while _step(run) <= before and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.005)


def test_killed_at_twenty_random_moments_it_ends_the_same(
    whole: Path, images: Path, tmp_path: Path
) -> None:
    chance = random.Random(0)
    out, kills, saved, errors = tmp_path / "killed", 0, set(), tmp_path / "errors"
    while kills < 20:
        process = start(arguments(images, out), errors)
        if (
            kills % 4
            # every fourth dies early: while it reads, plans, takes up the run or saves first
            # time
        ):
            _wait_for_progress(process, out)
        time.sleep(chance.uniform(0, 0.1))
        assert process.is_alive(), (
            f"it ended before it was killed; raise STEPS? {errors.read_text()}"
        )
        process.kill()
        process.join()
        kills += 1
        saved.add(_step(out))
    finish(arguments(images, out))
    assert len(saved) > 5
    assert same(whole, out)
    steps = [json.loads(line)["step"] for line in (out / "log.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps)), "a step is logged twice"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_saves_and_says_how_to_go_on(
    number: signal.Signals, whole: Path, images: Path, tmp_path: Path
) -> None:
    out, errors = tmp_path / "stopped", tmp_path / "errors"
    process = start(arguments(images, out), errors)
    _wait_for_progress(process, out)
    assert process.pid
    os.kill(process.pid, number)
    process.join(60)
    assert process.exitcode == 130, errors.read_text()
    assert f"ganvas train --resume {out}" in errors.read_text().replace("\n", "")
    assert 0 < _step(out) < STEPS
    finish(["train", "--resume", str(out)])
    assert same(whole, out)


def test_killed_before_the_run_has_its_card_it_starts_afresh(tmp_path: Path, images: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "run.json.part").write_text('{"mod')
    assert small(images, out).run.state["finished"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="folder of something else"):
        small(images, tmp_path / "mine")


class Died(BaseException):
    """The process is gone."""


def test_a_save_is_whole_or_not_there_wherever_it_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every rename and every write of a save is in turn the last thing that happens."""
    card = {"model": "ae", "options": {}, "modality": {"name": "images", "state": {}}}
    for cut in range(12):
        run = Run.create(tmp_path / str(cut), card)
        run.save({"step": 1}, {"weights": {"w": torch.ones(3)}, "optimizer": {"m": torch.ones(3)}})
        calls = iter(range(1000))

        def dying(original, calls=calls, cut=cut):
            def call(*args, **kwargs):
                if next(calls) == cut:
                    raise Died
                return original(*args, **kwargs)

            return call

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", dying(os.replace))
            patch.setattr(os, "fsync", dying(os.fsync))
            with suppress(Died):
                run.save(
                    {"step": 2},
                    {
                        "weights": {"w": torch.full((3,), 2.0)},
                        "optimizer": {"m": torch.full((3,), 2.0)},
                    },
                )
        after = Run(run.path)
        kept = after.state["step"]
        assert after.tensors("weights")["w"].tolist() == [kept] * 3
        assert after.tensors("optimizer")["m"].tolist() == [kept] * 3
        after.rewind()
        assert not list(after.path.glob("*.new"))
        assert Run(run.path).tensors("weights")["w"].tolist() == [kept] * 3


def small(source: object, out: Path, **options: object) -> ganvas.Trained:
    return ganvas.train(
        "ae", source, out=out, steps=4, batch=8, latent=2, width=8, quiet=True, **options
    )


def test_in_python_what_comes_in_decides_what_goes_out(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (40, 16, 16), dtype=np.uint8)
    trained = small(x, tmp_path / "run")
    (before, after), *_ = trained.reconstruct(x[:3])
    assert isinstance(after, np.ndarray)
    assert after.shape == (16, 16)
    assert after.dtype == np.uint8
    assert (before == x[0]).all()


def test_repeating_a_finished_training_does_nothing(tmp_path: Path, images: Path) -> None:
    first = small(images, tmp_path / "run")
    before = tensors(first.run.path)
    again = small(images, tmp_path / "run")
    assert all(torch.equal(v, before[k]) for k, v in tensors(again.run.path).items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"latent": 3}, "its latent is 2, not 3"),
        ({"seed": 1}, "its seed is 0, not 1"),
        ({"grey": True}, "channels is 3, not 1"),
    ],
)
def test_another_training_does_not_go_into_the_same_folder(
    change: dict[str, object], words: str, tmp_path: Path, images: Path
) -> None:
    small(images, tmp_path / "run")
    with pytest.raises(InputError, match=words):
        ganvas.train(
            "ae",
            images,
            out=tmp_path / "run",
            **({"steps": 4, "batch": 8, "latent": 2, "width": 8, "quiet": True} | change),
        )


def test_changed_data_is_noticed(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (40, 16, 16), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    small(tmp_path / "x.npy", tmp_path / "run")
    np.save(tmp_path / "x.npy", 255 - x)
    with pytest.raises(InputError, match="data has changed"):
        ganvas.api.resume(tmp_path / "run", quiet=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "steps= is 0"),
        ({"ema": 1.0}, "ema= is 1.0"),
        ({"lr": {"critic": 1.0}}, "no player is called 'critic'"),
        ({"colour": 3}, "no option 'colour'"),
        ({"device": "abacus"}, "cannot be used here"),
        ({"held_out": 0.95}, "held_out= is 0.95"),
    ],
)
def test_wrong_options_get_one_sentence(
    options: dict[str, object], words: str, tmp_path: Path, images: Path
) -> None:
    with pytest.raises(InputError, match=words):
        ganvas.train("ae", images, out=tmp_path / "run", quiet=True, **options)
    assert not (tmp_path / "run").exists()


def test_exploding_losses_stop_with_advice(tmp_path: Path, images: Path) -> None:
    with pytest.raises(InputError, match="lower lr="):
        ganvas.train(
            "ae",
            images,
            out=tmp_path / "run",
            steps=200,
            batch=8,
            latent=2,
            width=8,
            quiet=True,
            precision="float32",
            lr={"autoencoder": 1e30},
        )


def test_more_memory_than_there_is_is_refused_with_advice(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganvas.training.plan.free_memory", lambda device: 2_000_000)
    with pytest.raises(InputError, match=r"free on cpu; try batch=\d+|choose a smaller model"):
        ganvas.train("ae", images, out=tmp_path / "run", batch=180, latent=2, width=64, quiet=True)


def test_the_memory_of_a_perceptron_is_what_arithmetic_says() -> None:
    """One hidden layer of 64: autograd keeps the input of each linear layer and of each
    activation."""
    measured = (
        _bytes_of_step(AE(VECTOR, latent=4, width=64, depth=1), Batch(examples(VECTOR, 8))) // 8
    )
    layers = 2 * (64 * 2) + 6 + 4 + 6 * 3
    assert layers * 4 <= measured <= layers * 4 * 1.6


def test_training_that_only_gets_worse_ends_early_with_its_best_weights(tmp_path: Path) -> None:
    random = torch.Generator().manual_seed(0)
    noise = pd.DataFrame(
        torch.randint(5, (300, 6), generator=random).numpy().astype(str), columns=list("abcdef")
    )
    told = {
        "steps": 1000,
        "batch": 64,
        "save_every": 1e-3,
        "width": 64,
        "quiet": True,
        "held_out": 0.3,
    }
    run = api.train("made", noise, out=tmp_path / "whole", **told)
    log = run.run.read_log()
    losses = {
        line["step"]: line["held_out/autoencoder/nll"]
        for line in log
        if "held_out/autoencoder/nll" in line
    }
    best = min(losses, key=losses.__getitem__)
    assert run.run.state["best"]["loss"] == losses[best]
    assert run.run.state["step"] < 1000
    assert run.run.state["step"] == best + round(1000 * PATIENCE) + 1
    _, held = run.run.modality.read(noise).split(0.3)
    with seeded_rng(0):
        assert run.model.score(held.gather().x).mean().item() < log[-1]["held_out/autoencoder/nll"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Run, "log", lambda run, line, log=Run.log: log(run, line) or 1 / (line["step"] != best)
        )
        with pytest.raises(ZeroDivisionError):
            api.train("made", noise, out=tmp_path / "cut", **told)
    api.train("made", noise, out=tmp_path / "cut", **told)
    assert same(tmp_path / "whole", tmp_path / "cut")
