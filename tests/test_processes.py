"""Two processes under torchrun learn what one process learns from the joined batch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import ganvas

GAMES = {"ae": {"latent": 4, "width": 8}, "gan": {"latent": 4, "width": 16, "depth": 2}}

SCRIPT = """
import sys, torch
from pathlib import Path
sys.path.insert(0, {tests!r})
from two_games import play
play({name!r}, Path({out!r}))
"""


@pytest.mark.parametrize("name", ["one player", "two players"])
def test_two_ranks_are_one_process_with_the_joined_batch(name: str, tmp_path: Path) -> None:
    tests = str(Path(__file__).parent)
    for ranks in (1, 2):
        script = tmp_path / f"{ranks}.py"
        script.write_text(SCRIPT.format(tests=tests, name=name, out=str(tmp_path / f"{ranks}.safetensors")))
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}", script]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    one, two = (load_file(tmp_path / f"{ranks}.safetensors") for ranks in (1, 2))
    start = load_file(tmp_path / "1.safetensors.start")
    for key, value in one.items():
        assert torch.allclose(value, two[key], atol=1e-6), key
    assert any(not torch.allclose(one[key], start[key], atol=1e-3) for key in one)


def test_a_run_of_two_processes_can_be_stopped_and_goes_on_exactly(tmp_path: Path) -> None:
    """The command line under torchrun: one folder, written by the first, and each rank's random state in it."""
    x = torch.randint(0, 256, (80, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    import numpy as np

    np.save(tmp_path / "x.npy", x.numpy())

    def train(out: str, steps: str, *more: str) -> None:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "ganvas",
                   "train", "dcgan", str(tmp_path / "x.npy"), "--out", str(tmp_path / out), "--steps", steps,
                   "--batch", "16", "--latent", "4", "--channels", "4", *more]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    train("a", "12")
    train("b", "12")
    a, b = (load_file(tmp_path / name / "weights.safetensors") for name in "ab")
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert {"random.0", "random.1"} <= set(load_file(tmp_path / "a" / "optimizer.safetensors"))
    assert len((tmp_path / "a" / "log.jsonl").read_text().splitlines()) >= 1
    assert len(ganvas.load(tmp_path / "a").sample(n=3)) == 3
