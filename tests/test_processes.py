"""Two processes under torchrun learn what one process learns from the joined batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL
from subprocess import PIPE, STDOUT
from time import sleep

import numpy as np
import torch
from safetensors.torch import load_file

import ganvas
import two_games

GAMES = Path(two_games.__file__)


def test_two_ranks_are_one_process_with_the_joined_batch(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        GAMES,
        tmp_path,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, game in two_games.GAMES.items():
        start, alone, together = (
            two_games.begin(game).state_dict(),
            two_games.play(game),
            load_file(tmp_path / name),
        )
        for key, value in alone.items():
            assert torch.allclose(value, together[key], atol=1e-6), key
        assert any(not torch.allclose(alone[key], start[key], atol=1e-3) for key in alone)


def test_a_run_of_two_processes_is_killed_and_goes_on_exactly(tmp_path: Path) -> None:
    """The command line under torchrun: one folder, written by the first, and each rank's random
    state in it."""
    images = np.random.default_rng(0).integers(0, 256, (80, 16, 16), dtype=np.uint8)
    np.save(tmp_path / "x.npy", images)
    state = tmp_path / "killed" / "state.json"

    def train(out: str) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node=2",
            "-m",
            "ganvas",
            "train",
            "dcgan",
            str(tmp_path / "x.npy"),
            "--out",
            str(tmp_path / out),
            "--steps",
            "30",
            "--batch",
            "16",
            "--latent",
            "4",
            "--channels",
            "4",
            "--save-every",
            "0.001",
        ]
        return subprocess.Popen(command, stdout=PIPE, stderr=STDOUT, text=True)

    whole = train("whole")
    assert whole.wait() == 0, whole.stdout.read()
    killed = train("killed")
    while not state.exists() and killed.poll() is None:
        sleep(0.01)
    _kill(str(state.parent))
    assert killed.wait() == -SIGKILL
    assert 0 < json.loads(state.read_text())["step"] < 30
    again = train("killed")
    assert again.wait() == 0, again.stdout.read()
    a, b = (load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert {"random.0", "random.1"} <= set(load_file(state.with_name("optimizer.safetensors")))
    assert len(ganvas.load(state.parent).sample(n=3)) == 3


def _kill(argument: str) -> None:
    """Kills every process started with this argument: torchrun, and each of its ranks."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # gone by itself in the meantime
            if argument in file.read_text("utf-8", "replace").split("\0"):
                os.kill(int(file.parent.name), SIGKILL)
